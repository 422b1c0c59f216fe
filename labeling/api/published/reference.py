"""The published schema for programs, and as values for the API's page for people."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.published.examples import name_of
from labeling.api.published.schema import ERRORS, variable

Values = dict[str, Any]
"""What the page shows of a subject, an endpoint, a shape, or an answer."""

MAX_DEPTH = 4
JSON = "application/json"
KINDS = {"integer": "whole number", "string": "text", "boolean": "true or false"}
FORMATS = {"uuid": "UUID", "date-time": "time", "uri": "address", "binary": "file"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object, or a parameter."""

    name: str
    kind: str
    needed: bool
    text: SafeString


@dataclass(frozen=True, slots=True)
class Content:
    """A request or response body: its media type, the name of its shape if it has one, its fields, an example."""

    media_type: str
    shape: str
    many: bool
    fields: list[Field]
    example: str


@cache
def published() -> dict[str, Any]:
    """Return the schema. It takes a second to generate and is cached for the life of the process."""
    return dict(SchemaGenerator().get_schema(public=True))


@cache
def subjects() -> list[Values]:
    """Return the endpoints, grouped by subject."""
    schema = published()
    endpoints: dict[str, list[Values]] = {tag["name"]: [] for tag in schema["tags"]}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            endpoints[operation["tags"][0]].append(_endpoint(method.upper(), path, operation))
    return [
        {
            "anchor": tag["name"].lower(),
            "name": tag["name"],
            "text": tag["description"],
            "endpoints": endpoints[tag["name"]],
        }
        for tag in schema["tags"]
    ]


@cache
def shapes() -> list[Values]:
    """Return the named shapes of response bodies."""
    answers = [
        answer for subject in subjects() for each in subject["endpoints"] for answer in each["answers"] + each["errors"]
    ]
    named = {content.shape for answer in answers for content in answer["contents"]} - {""}
    return [_shape(name, published()["components"]["schemas"][name]) for name in sorted(named)]


def _shape(name: str, schema: dict[str, Any]) -> Values:
    return {
        "anchor": f"shape-{name}",
        "name": name,
        "text": _marked(schema.get("description", "")),
        "fields": list(_fields(schema)),
        "example": _shown(_example(schema)),
    }


def errors() -> list[Values]:
    """Return the error statuses with their usual meaning."""
    return [_status(status, text, []) for status, (text, *_) in ERRORS.items()]


def _status(status: int, text: str, contents: list[Content]) -> Values:
    """Return the bodies of the answers with one status, such as 404, and their meaning."""
    return {"status": status, "phrase": HTTPStatus(status).phrase, "text": _marked(text), "contents": contents}


def _endpoint(method: str, path: str, operation: dict[str, Any]) -> Values:
    bodies = _all_contents(operation.get("requestBody", {}).get("content", {}))
    answers = [_answer(int(status), answer) for status, answer in operation["responses"].items()]
    parameters = operation.get("parameters", [])
    return {
        "anchor": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "text": [_marked(part) for part in _beyond(operation["summary"], operation["description"])],
        "who": operation["x-who"],
        "parameters": [_parameter(each) for each in sorted(parameters, key=lambda each: each["in"] != "path")],
        "bodies": bodies,
        "answers": [answer for answer in answers if answer["status"] < 400],
        "errors": [answer for answer in answers if answer["status"] >= 400],
        "curl": _curl(method, path, bodies, answers),
    }


def _beyond(summary: str, description: str) -> list[str]:
    """Return the paragraphs of the description without the sentence that is the summary."""
    first, *others = description.split("\n\n")
    tail = first.removeprefix(summary).lstrip(".")
    return [part for part in (tail if tail.startswith(" ") else first if tail else "", *others) if part.strip()]


def _parameter(parameter: dict[str, Any]) -> Field:
    text = _marked(parameter.get("description", ""))
    return Field(parameter["name"], _kind(parameter["schema"]), parameter.get("required", False), text)


def _curl(method: str, path: str, bodies: list[Content], answers: list[Values]) -> list[str]:
    """Return a `curl` command line in two parts: the text before the server's address, and the text after it."""
    words = ["curl"] if method == "GET" else ["curl", "-X", method]
    if any(content.media_type != JSON for answer in answers for content in answer["contents"]):
        words.append("-OJ")
    words += ["-H", '"Authorization: Token $TOKEN"']
    body = bodies[0] if bodies else None
    if body and body.example:
        compact = json.dumps(json.loads(body.example), ensure_ascii=False).replace("'", "'\\''")
        words += ["-H", f'"Content-Type: {body.media_type}"', "-d", f"'{compact}'"]
    return [" ".join(words), re.sub(r"\{(\w+)\}", lambda name: variable(name[1]).sample, path)]


def _answer(status: int, answer: dict[str, Any]) -> Values:
    text = answer.get("description", "")
    if status in ERRORS and text == ERRORS[status][0]:
        text = ""  # the page explains each usual error once
    return _status(status, text, _all_contents(answer.get("content", {})))


def _all_contents(contents: dict[str, Any]) -> list[Content]:
    return [_content(media_type, content) for media_type, content in contents.items()]


def _content(media_type: str, content: dict[str, Any]) -> Content:
    schema = content["schema"]
    many = schema.get("type") == "array"
    name = name_of(schema["items"] if many else schema)
    example = content.get("example")
    if example is None and "examples" in content:
        example = next(iter(content["examples"].values()))["value"]
    if example is None:
        example = _example(schema)
    return Content(media_type, name, many, list(_fields(schema)), _shown(example))


def _shown(example: Any) -> str:
    return "" if example is None else json.dumps(example, indent=2, ensure_ascii=False)


def _example(schema: dict[str, Any]) -> Any:
    """Return the example of a schema, or one built from the examples of its parts; None without examples."""
    if "example" in schema:
        return schema["example"]
    resolved = _resolve(schema)
    if "example" in resolved:
        return resolved["example"]
    if resolved.get("type") == "array":
        inner = _example(resolved["items"])
        return None if inner is None else [inner]
    results = resolved.get("properties", {}).get("results")
    if results is not None:  # a page of a list
        return {"count": 1, "next": None, "previous": None, "results": _example(results)}
    return None


def _fields(schema: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterator[Field]:
    """Yield the fields of an object; a nested field is named by its path: `tasks[].item.id`."""
    schema = _resolve(schema)
    if schema.get("type") == "array":
        schema, prefix = _resolve(schema["items"]), f"{prefix}[]."
    needed = schema.get("required", [])
    for name, inner in schema.get("properties", {}).items():
        text = inner.get("description") or _resolve(inner).get("description", "")
        choices = "enum" in _resolve(inner) and "description" not in inner
        yield Field(prefix + name, _kind(inner), name in needed, _marked("" if choices else text))
        resolved = _resolve(inner)
        if depth < MAX_DEPTH and resolved.get("type") == "array" and "properties" in _resolve(resolved["items"]):
            yield from _fields(resolved["items"], f"{prefix}{name}[].", depth + 1)
        elif depth < MAX_DEPTH and "properties" in resolved:
            yield from _fields(resolved, f"{prefix}{name}.", depth + 1)


def _kind(schema: dict[str, Any]) -> str:
    """Return the type of a value, in words."""
    resolved = _resolve(schema)
    words = ", ".join(part for part in (_type(resolved), _bounds(resolved)) if part)
    if schema.get("nullable") or resolved.get("nullable"):
        words += ", or null"
    default = schema.get("default", resolved.get("default"))
    return words if default is None else f"{words}; {json.dumps(default)} if left out"


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " · ".join(json.dumps(value) if value is None else str(value) for value in schema["enum"])
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            kinds = dict.fromkeys(_type(_resolve(each)) for each in schema[choice])
            return " or ".join(kind for kind in kinds if kind != "anything")
    if schema.get("type") == "array":
        return f"list of: {_type(_resolve(schema['items']))}"
    kind = schema.get("type", "")
    return FORMATS.get(schema.get("format", ""), KINDS.get(kind, kind or "anything"))


def _bounds(schema: dict[str, Any]) -> str:
    """Return the limits of a number, a text or a list, in words."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None and high < 2**63 - 1:
        return f"{low:,} to {high:,}"
    if low is not None:
        return f"{low:,} or more"
    if "maxLength" in schema:
        return f"at most {schema['maxLength']:,} characters"
    return f"at most {schema['maxItems']:,}" if "maxItems" in schema else ""


def _resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema behind a reference."""
    if "$ref" in schema:
        return dict(published()["components"]["schemas"][name_of(schema)])
    if len(schema.get("allOf", [])) == 1:
        return {**_resolve(schema["allOf"][0]), **{key: value for key, value in schema.items() if key != "allOf"}}
    if [each for each in schema.get("oneOf", []) if name_of(each) == "NullEnum"]:
        resolved = next(_resolve(each) for each in schema["oneOf"] if name_of(each) != "NullEnum")
        return {**resolved, "nullable": True, "description": schema.get("description", "")}
    return schema


def _marked(text: str) -> SafeString:
    """Return the text as HTML, with `words` in backticks as code."""
    parts = re.split(r"`([^`]*)`", " ".join(text.split()))
    return format_html_join("", "{}", ((_code(part) if at % 2 else part,) for at, part in enumerate(parts)))


def _code(text: str) -> SafeString:
    return format_html("<code>{}</code>", text)


class SchemaView(SpectacularAPIView):
    """Serve GET /api/schema/ as YAML, or as JSON with `?format=json`."""

    content_negotiation_class = DefaultContentNegotiation

    def _get_schema_response(self, request: Request) -> Response:
        return Response(published())


@require_safe
@login_required
def api_docs(request: HttpRequest) -> HttpResponse:
    """Render the page that lists every endpoint by subject. It queries the database for the session alone."""
    context = {
        "operations": _operations(request.build_absolute_uri("/").rstrip("/")),
        "version": published()["info"]["version"],
    }
    return render(request, "api/docs.html", context)


@lru_cache(maxsize=4)
def _operations(origin: str) -> SafeString:
    """Render all operations, with the server's address in their commands. It takes 0.3 s; all users get the same."""
    context = {"subjects": subjects(), "shapes": shapes(), "errors": errors(), "origin": origin}
    return render_to_string("api/operations.html", context)
