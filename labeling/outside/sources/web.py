"""Files of a web server. It has no lists of files: each file is read by its name."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from django.utils.translation import gettext

from labeling.outside import outbound
from labeling.outside.sources.base import BadAddress, Entry, Option, Reason, SourceProblem
from labeling.outside.sources.remote import Remote


class Web(Remote):
    """The file at an address, and the files below it by their names."""

    schemes = ("https", "http")
    title = "A web server"
    example = "https://example.org/data.csv"
    options = (
        Option(
            "authorization",
            "Authorization",
            "The value of the Authorization header, for example: Bearer abc123. Leave empty for public files.",
        ),
    )
    can_list = False
    redirects = 5

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        super().__init__(address, options)
        try:
            outbound.check_text(address)
        except ValueError as error:
            raise BadAddress("address", str(error)) from None
        if not options.get("authorization", "").isprintable() or not options.get("authorization", "").isascii():
            raise BadAddress(
                "authorization", gettext("Enter the value of one header. It must contain only ASCII characters.")
            )

    def entries(self, after: str = "") -> Iterator[Entry]:
        raise SourceProblem(Reason.PLACE, gettext("A web server does not list its files. Enter the URL of one file."))

    def _url(self, key: str) -> str:
        return f"{self.address.rstrip('/')}/{quote(key)}" if key else self.address

    async def _headers(self, method: str, url: str) -> Mapping[str, str]:
        return {"authorization": self.given["authorization"]} if self.given.get("authorization") else {}
