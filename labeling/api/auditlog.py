"""Endpoints for the audit log of a project, and of the server."""

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError

from labeling.api.shared import fields
from labeling.api.shared.endpoints import Endpoint, ProjectView, answers, private_file, record_download
from labeling.models import Ability, LogKind, Project
from labeling.observing.auditlog import writing
from labeling.projects.people import access

LINES = "application/x-ndjson"
KINDS = [(kind.value, kind.meaning) for kind in LogKind]


class LogQuery(fields.Shape):
    """Filters of the entries; an entry must match all of them."""

    kind = serializers.ChoiceField(choices=KINDS, required=False, help_text="The kind of the entries.")
    person = serializers.CharField(
        max_length=150, required=False, help_text="The username of whom acted, or whom the act is about."
    )
    since = fields.Time("The earliest time.", required=False)
    until = fields.Time("The time before which entries end.", required=False)


def _file(view: Endpoint, project: Project | None, name: str) -> StreamingHttpResponse:
    texts = view.request.query_params.dict()
    if unknown := sorted(texts.keys() - LogQuery().fields.keys()):  # misspelt, it would filter nothing
        raise ValidationError({unknown[0][:60]: ["There is no such filter."]})
    lines = writing.lines(writing.entries_of(project, **view.query))
    texts.pop("person", None)  # the log names no people
    record_download(view.request, LogKind.LOG_EXPORTED, project, after=texts or None)
    return StreamingHttpResponse(lines, content_type=LINES, headers=private_file(f"{name}-auditlog.jsonl"))


class LogFile(ProjectView):
    """Download the entries of the project's audit log as JSON lines, the oldest first.

    The hash of an entry is the SHA-256 of its line without `hash`, `address` and `salt`, as JSON with sorted keys and
    without spaces. `previous` is the hash of the entry before.
    """

    @answers({(200, LINES): OpenApiTypes.BINARY}, needs=Ability.AUDITLOG_READ, query=LogQuery)
    def get(self) -> StreamingHttpResponse:
        return _file(self, self.project, self.project.slug)


class ServerLogFile(Endpoint):
    """Download the entries of the server's audit log as JSON lines: sign-ins, accounts, tokens, and the admin."""

    who = {"GET": "staff"}

    @answers({(200, LINES): OpenApiTypes.BINARY}, query=LogQuery)
    def get(self) -> StreamingHttpResponse:
        if not access.is_operator(self.user):
            raise PermissionDenied("Only staff may read the audit log of the server.")
        return _file(self, None, "server")
