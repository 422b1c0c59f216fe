"""Extensions of drf-spectacular that generate the published schema."""

import re
from typing import Any, NamedTuple

from django.urls import get_resolver
from drf_spectacular.authentication import SessionScheme
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from drf_spectacular.openapi import AutoSchema

from labeling.api.published.examples import add_examples
from labeling.api.shared.endpoints import SIGNED_IN, Pages
from labeling.api.shared.errors import Error
from labeling.api.shared.fields import MAX_ID, MAX_INT
from labeling.api.shared.visible import mark_in_schema
from labeling.models.roles import Ability, who_may


class _Token(KnoxTokenScheme):
    """Describes our token authentication in the schema as knox's."""

    target_class = "labeling.api.shared.authentication.Token"


class _SessionByHeader(SessionScheme):
    """Describes our session authentication in the schema as DRF's."""

    target_class = "labeling.api.shared.authentication.SessionByHeader"


# The headings of the schema in their order, each with its text.
SUBJECTS = {
    "Projects": "Create projects, change settings, manage members.",
    "Classes": "Add, rename, merge, split and archive classes.",
    "Items": "Import, find and correct items, and download their files.",
    "Labeling": "Claim tasks, answer or skip them, withdraw answers, release tasks.",
    "Batches": "Follow, divide, retry and end batches.",
    "Models": "Compare, choose and download model versions, and predict with them.",
    "Finish": "Forecast, start and stop the proof of a model’s labels; read certificates.",
    "Sources": "Add, change, test, look at and remove places outside that items come from.",
    "Webhooks": "Add, change, test and remove webhooks; read deliveries and send them again.",
    "Log": "Download the audit log: who changed what, and who took labels away.",
    "Export": "Download labels for training and analysis.",
}

# For each error status its meaning and an example.
ERRORS = {
    400: (
        "The request is invalid; `fields` says which fields and why.",
        "invalid",
        "page_size: Ensure this value is less than or equal to 1000.",
    ),
    401: ("The token or session is missing or has expired.", "not_authenticated", "Give a token or sign in."),
    403: ("The caller lacks the permission.", "permission_denied", "Only managers of this project may do that."),
    404: ("It does not exist, or the caller cannot see it.", "not_found", "This project does not exist."),
    409: ("The request conflicts with the present state.", "conflict", "Only an open batch can be ended."),
    413: ("The body is too large.", "too_large", "The body is larger than 5 MB. Send it in several requests."),
    415: (
        "The content type of the body is not accepted here.",
        "unsupported_media_type",
        "Unsupported media type: send JSON.",
    ),
    429: (
        "Too many such requests are under way; the header `Retry-After` has seconds.",
        "busy",
        "Too many requests are waiting for external servers. Try again in a few seconds.",
    ),
}


class PublishedSchema(AutoSchema):
    """Adds the caller's ability, the error responses and the bounds of address variables to each endpoint."""

    view: Any  # an `Endpoint`

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                parameter["schema"], parameter["description"], _ = variable(parameter["name"])
        error = self.resolve_serializer(Error, "response").ref
        for status in sorted(self._errors(operation)):
            operation["responses"].setdefault(str(status), _error_answer(status, error))
        return operation

    def _get_serializer_name(self, *args: Any, **kwargs: Any) -> str:
        return str(super()._get_serializer_name(*args, **kwargs)).replace("RequestRequest", "Request")

    def _get_paginator(self) -> Pages | None:
        return Pages() if getattr(getattr(self.view, self.method.lower()), "pages", False) else None

    def get_operation_id(self) -> str:
        """Return the method and the name of the address: `post_claim`, `get_batches`."""
        addresses = get_resolver("labeling.api.urls").url_patterns
        names = {each.callback.cls: each.name for each in addresses}  # type: ignore[union-attr]
        return f"{self.method.lower()}_{names[type(self.view)]}".replace("-", "_")

    def get_tags(self) -> list[str]:
        return [self.view.subject]

    def get_summary(self) -> str:
        """Return the first sentence of the description."""
        return re.split(r"(?<=[.:;])\s", self.get_description(), maxsplit=1)[0].rstrip(".:;")

    def get_extensions(self) -> dict[str, Any]:
        return {"x-who": self._who()}

    def _who(self) -> str:
        if hasattr(self.view, "who"):
            return str(self.view.who[self.method])
        return f"{who_may(self.view.ability(self.method))} of the project"

    def _errors(self, operation: dict[str, Any]) -> set[int]:
        writes = self.method != "GET"
        statuses = {401}
        if "{" in self.path or (hasattr(self.view, "missing") if writes else self._get_paginator()):
            statuses.add(404)
        if writes or self._who() not in (f"{who_may(Ability.PROJECT_READ)} of the project", SIGNED_IN):
            statuses.add(403)  # also for a session without its CSRF token
        if writes:
            statuses.add(409)
        if self.view.few:
            statuses.add(429)
        if "requestBody" in operation:
            statuses |= {400, 413, 415}
        if any(parameter["in"] == "query" for parameter in operation.get("parameters", [])):
            statuses.add(400)
        return statuses


def _error_answer(status: int, schema: dict[str, Any]) -> dict[str, Any]:
    text, code, detail = ERRORS[status]
    example: dict[str, Any] = {"code": code, "detail": detail}
    if status == 400:
        field, _, sentence = detail.partition(": ")
        example["fields"] = {field: [sentence]}
    return {"description": text, "content": {"application/json": {"schema": schema, "example": example}}}


def finish(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Complete the schema: headings, readers of fields, examples, and patterns that forbid NUL and blank texts in
    requests.
    """
    result["tags"] = [{"name": name, "description": text} for name, text in SUBJECTS.items()]
    mark_in_schema(result["components"]["schemas"])
    for name, component in result["components"]["schemas"].items():
        if name.endswith("Request"):
            _bound_texts(component)
    add_examples(result)
    return result


def _bound_texts(schema: Any) -> None:
    for value in list(schema.values()) if isinstance(schema, dict) else schema if isinstance(schema, list) else []:
        _bound_texts(value)
    if isinstance(schema, dict) and schema.get("type") == "string" and not {"enum", "format", "pattern"} & set(schema):
        schema["pattern"] = r"^[^\u0000]*\S[^\u0000]*$" if schema.get("minLength") else r"^[^\u0000]*$"


class Variable(NamedTuple):
    """The schema and meaning of a variable, and its value in examples."""

    schema: dict[str, Any]
    text: str
    sample: str = "3"


VARIABLES = {
    "slug": Variable(
        {"type": "string", "pattern": "^[a-z0-9]+(?:-[a-z0-9]+)*$", "maxLength": 60},
        "The project's short name.",
        "owls",
    ),
    "username": Variable(
        {"type": "string", "pattern": r"^[A-Za-z0-9_.@+-]+$", "maxLength": 150}, "The member's username.", "ann"
    ),
    "index": Variable({"type": "integer", "minimum": 0, "maximum": MAX_INT}, "The index of the class: it stays.", "1"),
    "number": Variable({"type": "integer", "minimum": 1, "maximum": MAX_INT}, "The number within the project."),
    "item_id": Variable({"type": "integer", "minimum": 1, "maximum": MAX_ID}, "The item's id.", "812"),
    "image": Variable(
        {"type": "string", "pattern": "^[a-z0-9_-]+[.][a-z]+$", "maxLength": 100}, "The image's name.", "barn-owl.png"
    ),
    "annotation_id": Variable(
        {"type": "string", "format": "uuid"},
        "The annotation's id, which its sender made.",
        "0b6f4b1c-6f0e-4a57-9c53-8c1b3c1f3d52",
    ),
}


def variable(name: str) -> Variable:
    """Return the variable of this name. Unless `VARIABLES` has it, it is the id of a row: `import_id` of an import."""
    row = name.removesuffix("_id")
    return VARIABLES.get(name) or Variable({"type": "integer", "minimum": 1, "maximum": MAX_ID}, f"The {row}'s id.")
