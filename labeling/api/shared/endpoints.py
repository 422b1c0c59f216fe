"""Base classes of the endpoints, pages of lists, and what many endpoints do."""

from collections.abc import Callable, Mapping
from functools import cached_property, wraps
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.shared import fields
from labeling.api.shared.errors import Error
from labeling.labels.items.filter import Filter
from labeling.models import Ability, LogKind, Membership, Project, User
from labeling.observing import auditlog
from labeling.projects.people import access

MAX_PAGE = 2**31 - 1


class PageRequest(serializers.Serializer[Any]):
    page = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, required=False)
    page_size = serializers.IntegerField(min_value=1, max_value=1000, required=False)


class Pages(PageNumberPagination):
    """Pagination by number. A page that is no number answers 400, a page after the last 404."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> Any:
        PageRequest(data=request.query_params.dict()).is_valid(raise_exception=True)
        return super().paginate_queryset(queryset, request, view)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            _parameter("page", "Which page.", maximum=MAX_PAGE, default=1),
            _parameter("page_size", "Entries on a page.", maximum=self.max_page_size, default=self.page_size),
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a page, in which all four keys are required."""
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["count", "next", "previous", "results"],
            "properties": {
                "count": {"type": "integer", "minimum": 0, "description": "Entries on all pages together."},
                "next": {**link, "description": "The address of the next page; null on the last."},
                "previous": {**link, "description": "The address of the page before; null on the first."},
                "results": schema,
            },
        }


def _parameter(name: str, text: str, *, maximum: int, default: int) -> dict[str, Any]:
    bounds = {"type": "integer", "minimum": 1, "maximum": maximum, "default": default}
    return {"name": name, "in": "query", "required": False, "description": text, "schema": bounds}


SIGNED_IN = "everybody who is signed in"
SAFE = ("GET", "HEAD")
AnyModel = TypeVar("AnyModel", bound=Model)


class AnswerAsPublished(DefaultContentNegotiation):
    """Renders every response in the format that the schema names and ignores the `Accept` header."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Endpoint(APIView):
    """The base of all endpoints. `subject` is the endpoint's heading in the published schema, which
    `labeling.api.urls` sets.

    HEAD runs `get`. OPTIONS and TRACE are not allowed, because the schema describes the endpoints.
    """

    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    content_negotiation_class = AnswerAsPublished
    subject: ClassVar[str] = ""
    few: ClassVar[bool] = False
    """Whether few requests are answered at a time, and others get 429."""
    takes: type[fields.Shape] | None = None
    takes_query: type[fields.Shape] | None = None
    """The shapes of body and parameters that the running method takes, as its `answers` says."""

    @cached_property
    def body(self) -> dict[str, Any]:
        """The body in the shape that the method takes. Raises DRF's `ValidationError`, which answers 400."""
        assert self.takes is not None
        return fields.read_body(self.takes, self.request.data)

    @cached_property
    def query(self) -> dict[str, Any]:
        """The parameters of the address in the shape that the method takes. Raises `ValidationError`, too."""
        assert self.takes_query is not None
        return fields.read_body(self.takes_query, self.request.query_params.dict())

    @property
    def user(self) -> User:
        """The signed-in caller. Methods run only for callers who are signed in."""
        user = self.request.user
        assert isinstance(user, User)
        return user

    def context_of(self, result: Any) -> dict[str, Any]:
        """Return the context of the serializer for what a method returns."""
        return {}


def answers(
    shape: type[fields.Shape] | Mapping[Any, Any] | None = None,
    code: int = status.HTTP_200_OK,
    *,
    needs: Ability | None = None,
    many: bool = False,
    pages: bool = False,
    takes: type[fields.Shape] | None = None,
    query: type[fields.Shape] | None = None,
    meaning: str = "",
    errors: Mapping[int, str] = MappingProxyType({}),
    **published: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Publish the method of an endpoint, and answer what it returns in this shape, with this status code.

    With `many` the method returns several rows, with `pages` a queryset of which the caller gets a page. Without a
    shape the answer is 204. A response that the method makes itself is returned as it is; then `shape` may be the
    `responses` of `extend_schema`.

    In a project the caller `needs` the ability. The method gets the variables of the address, but for the project's
    `slug`. It reads the body in the shape `takes` by `self.body`, and the parameters in the shape `query` by
    `self.query`, once nothing else can refuse the request.

    `meaning` describes the answer, `errors` the statuses that mean something special here. What else is `published`
    goes to `extend_schema`.
    """
    many = many or pages
    answer: Any = shape(many=True) if many else shape  # type: ignore[operator, misc]  # many of a shape
    if meaning:
        answer = OpenApiResponse(answer, description=meaning)
    responses = dict(shape) if isinstance(shape, Mapping) else {code if shape else status.HTTP_204_NO_CONTENT: answer}
    responses |= {error: OpenApiResponse(Error, description=text) for error, text in errors.items()}
    published.setdefault("request", takes)
    if query:
        published["parameters"] = [query, *published.get("parameters", ())]

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @extend_schema(responses=responses, **published)
        @wraps(method)
        def run(self: Endpoint, request: Request, slug: str = "", **variables: Any) -> HttpResponseBase:
            self.takes, self.takes_query = takes, query
            result = method(self, **variables)
            if isinstance(result, HttpResponseBase):
                return result
            if shape is None:
                return Response(status=status.HTTP_204_NO_CONTENT)
            assert not isinstance(shape, Mapping)
            paginator = Pages() if pages else None
            rows = paginator.paginate_queryset(result, request, view=self) if paginator else result
            data = shape(rows, many=many, context=self.context_of(rows)).data
            return paginator.get_paginated_response(data) if paginator else Response(data, status=code)

        run.needs, run.pages = needs, pages  # type: ignore[attr-defined]  # for `ability`, and the published schema
        return run

    return decorate


class ProjectView(Endpoint):
    """Looks up the project and the caller's membership before the method runs.

    A method without an ability is not allowed; HEAD needs that of GET. An archived project is only read, unless the
    view is for archived ones (`in_archived`).
    """

    in_archived: ClassVar[bool] = False
    membership: Membership
    project: Project

    @classmethod
    def ability(cls, method: str) -> Ability | None:
        """Return the ability that the method needs, as its `answers` says."""
        handler = getattr(cls, "get" if method in SAFE else method.lower(), None)
        return getattr(handler, "needs", None)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.membership = access.membership_of(request.user, kwargs["slug"])
        self.project = self.membership.project
        ability = self.ability(request.method or "")
        if ability is None:
            raise MethodNotAllowed(request.method or "")
        access.require(self.membership, ability)
        if request.method not in SAFE and not self.in_archived:
            access.require_unarchived(self.membership)

    @property
    def user(self) -> User:
        return self.membership.user

    def context_of(self, result: Any) -> dict[str, Any]:
        return {"membership_in": lambda instance: self.membership}

    def one_of(self, rows: QuerySet[AnyModel], noun: str, **lookup: Any) -> AnyModel:
        """Return the project's row with this key. Raises `Http404` if there is none."""
        (value,) = lookup.values()
        return find_or_404(rows, f"There is no {noun} {value} in this project.", **lookup)


def parameter(each: Filter) -> OpenApiParameter:
    """Return the query parameter of a filter."""
    return OpenApiParameter(each.name, dict(each.schema), description=each.meaning)


def find_or_404(rows: QuerySet[AnyModel], missing: str, **lookup: Any) -> AnyModel:
    """Return the row that matches the lookup. Raises `Http404` with the text `missing` if none matches."""
    one = rows.filter(**lookup).first()
    if one is None:
        raise Http404(missing)
    return one


def private_file(name: str) -> dict[str, str]:
    """Return the headers of a file that the browser saves by this name and that no cache stores."""
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}


def attachment(content: str, name: str, content_type: str) -> HttpResponse:
    """Return a text as a file that the browser saves by this name."""
    return HttpResponse(content, content_type=content_type, headers=private_file(name))


def record_download(
    request: Request, kind: LogKind, project: Project | None, *, subject: str = "", after: Any = None
) -> None:
    """Record that the caller takes this file. HEAD takes none."""
    if request.method == "GET":
        auditlog.record(kind, project=project, subject=subject, after=after)
