"""Containers of Azure Blob Storage, by its REST API and a shared access signature."""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qs, quote, urlencode
from xml.etree.ElementTree import Element

from django.utils.translation import gettext

from labeling.outside.outbound import Response
from labeling.outside.sources.base import BadAddress, Entry, Option, Reason, SourceProblem
from labeling.outside.sources.remote import StoreRemote, moment, number

HOST = "https://{account}.blob.core.windows.net"
VERSION = "2026-02-06"
"""The version of the REST API: an earlier one cannot list from a name on."""
ACCOUNT, CONTAINER = re.compile(r"[a-z0-9]{3,24}"), re.compile(r"\$root|\$web|[a-z0-9](?:-?[a-z0-9]){2,62}")
PAGE = 1000


class Azure(StoreRemote):
    """A container of Azure Blob Storage."""

    schemes = ("az",)
    title = "Azure Blob Storage"
    example = "az://account/container/folder"
    options = (
        Option(
            "sas",
            "Shared access signature",
            "For the container, with the permissions Read and List. Leave empty if the container is public.",
        ),
    )

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        super().__init__(address, options)
        account, _, path = address.partition("://")[2].partition("/")
        self._set_path(path)
        if not ACCOUNT.fullmatch(account) or not CONTAINER.fullmatch(self._bucket):
            sentence = gettext("The URL does not name a container. Enter one such as %(example)s.")
            raise BadAddress("address", sentence % {"example": self.example})
        self._place = f"{HOST.format(account=account)}/{self._bucket}"
        self._sas = options.get("sas", "").strip().removeprefix("?")
        if self._sas and ("sig" not in parse_qs(self._sas) or not self._sas.isascii() or not self._sas.isprintable()):
            raise BadAddress("sas", gettext("This is not a shared access signature. One contains sv=, sp=rl and sig=."))

    def _pages(self, after: str) -> Iterator[Iterable[Entry]]:
        prefix = self._prefix
        query = {"restype": "container", "comp": "list", "prefix": prefix, "maxresults": str(PAGE)}
        if after:
            query["startFrom"] = prefix + after
        while True:
            page = self._list(self._signed(f"{self._place}?{urlencode(query)}"))
            yield [_entry(blob, prefix) for blob in page.iterfind("Blobs/Blob") if not _is_folder(blob)]
            marker = page.findtext("NextMarker")
            if not marker:
                return
            query["marker"] = marker

    def _url(self, key: str) -> str:
        return self._signed(f"{self._place}/{quote(self._full(key))}")

    def _signed(self, url: str) -> str:
        return f"{url}{'&' if '?' in url else '?'}{self._sas}" if self._sas else url

    def _name(self, key: str) -> str:
        return f"{self.address}/{key}" if key else self.address

    async def _headers(self, method: str, url: str) -> Mapping[str, str]:
        return {"x-ms-version": VERSION}

    async def _check(self, key: str, answer: Response) -> None:
        code = answer.headers.get("x-ms-error-code", "")
        if code == "ContainerNotFound":
            sentence = gettext("The container %(container)s does not exist. Check the URL.")
            raise SourceProblem(Reason.PLACE, sentence % {"container": self._bucket})
        if answer.status_code in (401, 403):
            sentence = gettext(
                "Azure rejected the shared access signature (%(code)s): it is wrong, has expired, or lacks Read "
                "or List. Enter another one."
            )
            raise SourceProblem(Reason.CREDENTIALS, sentence % {"code": code or answer.status_code})
        await super()._check(key, answer)


def _is_folder(blob: Element) -> bool:
    return blob.findtext("Name", "").endswith("/") or blob.findtext("Properties/ResourceType") == "directory"


def _entry(blob: Element, prefix: str) -> Entry:
    return Entry(
        blob.findtext("Name", "").removeprefix(prefix),
        number(blob.findtext("Properties/Content-Length", "")),
        moment(blob.findtext("Properties/Last-Modified", "")),
        blob.findtext("Properties/Etag", "").strip('"'),
    )
