"""The export endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import ValidationError

from labeling.api.shared.endpoints import ProjectView, answers, parameter, private_file, record_download
from labeling.api.shared.errors import Conflict, Error
from labeling.labels.items.filter import FilterError
from labeling.models import Ability, LogKind
from labeling.outgoing.exports import FILTERS, Choice, choose, export, formats_of
from labeling.outgoing.formats import DEFAULT, EXPORTS, FORMATS, Format
from labeling.outside.waiting import Held, Places
from labeling.storage.arrays.damage import report_damage
from labeling.storage.disk.files import FileDamaged

AT_SOURCES = Places(2, 1)
"""The exports that a process reads files for at sources at a time, and those of one person."""


def format_of(formats: Mapping[str, Format]) -> OpenApiParameter:
    """Return the parameter that chooses one of the formats."""
    return OpenApiParameter("format", OpenApiTypes.STR, enum=list(formats), default=DEFAULT, description="Of the file.")


def files_of(formats: Mapping[str, Format]) -> dict[tuple[int, str], OpenApiTypes]:
    """Return the responses with a file in one of the formats.

    The first stands for all formats: generated clients read the type that they know as bytes.
    """
    types = ["application/octet-stream", *(fmt.content_type.split(";")[0] for fmt in formats.values())]
    return dict.fromkeys(((200, each) for each in types), OpenApiTypes.BINARY)


PARAMETERS = [format_of(EXPORTS), *map(parameter, FILTERS.values())]


class Export(ProjectView):
    """Export labeled items with their annotations and lineage, as a stream in the format that `format` names.

    The other parameters filter the rows; a row must match all of them. Respond with 429 to an export with files that
    are at sources while you have another one.
    """

    few = True

    @answers(
        {
            **files_of(EXPORTS),
            409: OpenApiResponse(Error, description="A file of the dataset version was changed or is missing."),
        },
        needs=Ability.LABELS_READ,
        parameters=PARAMETERS,
    )
    def get(self) -> StreamingHttpResponse:
        name, choice = self._name_and_choice()
        fmt = EXPORTS[name]
        try:
            chunks = self._chunks(name, choice)
        except FileDamaged as damage:
            report_damage(self.project, damage)
            raise Conflict(f"The dataset version cannot be exported: {damage.path.name}: {damage.problem}.") from None
        try:
            after = {**self.request.query_params.dict(), "format": name}
            record_download(self.request, LogKind.LABELS_EXPORTED, self.project, after=after)
        except BaseException:
            if isinstance(chunks, Held):
                chunks.close()
            raise
        headers = private_file(choice.file_name(self.project, fmt.suffix))
        return StreamingHttpResponse(chunks, content_type=fmt.content_type, headers=headers)

    def _chunks(self, name: str, choice: Choice) -> Iterator[bytes] | Held:
        """Return the file. Raises `Busy` if its files are at sources, and others read some there."""
        chunks = export(self.project, name, choice)
        if name in FORMATS or not self.project.references.exists():
            return chunks
        return Held(AT_SOURCES.take([self.user.pk]), chunks)

    def _name_and_choice(self) -> tuple[str, Choice]:
        """Return the format and the rows. A parameter that does not exist is refused: misspelt, it would filter
        nothing.
        """
        known = ["format", *FILTERS]
        errors = {
            name: f"Unknown parameter. Known: {', '.join(known)}."
            for name in self.request.query_params
            if name not in known
        }
        name = self.request.query_params.get("format") or DEFAULT
        formats = formats_of(self.project)
        if name not in formats:
            errors["format"] = f"There is no format {name[:40]!r}; there are {', '.join(formats)}."
        choice = Choice()
        try:
            choice = choose(self.project, self.request.query_params)
        except FilterError as error:
            errors |= error.fields
        if errors:
            raise ValidationError({name: [text] for name, text in errors.items()})
        return name, choice
