"""What the endpoints share."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import generics
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.models import Membership, Project, User
from labeling.projects import access

SIGNED_IN = "everybody who is signed in"


class AnswerAsPublished(DefaultContentNegotiation):
    """Every endpoint answers in the one format that the schema names, whatever the client says that it accepts."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Endpoint(APIView):
    """An address of the API. `subject` is its heading in the published schema.

    HEAD is answered by `get`; OPTIONS and TRACE are not: what there is stands in the schema.
    """

    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    content_negotiation_class: type[BaseContentNegotiation] = AnswerAsPublished
    subject: ClassVar[str] = ""


class ProjectView(Endpoint):
    """Looks up the project and the caller's membership before the method runs.

    `needs` names the ability each method asks for; methods that are not named are open to every member.
    Nothing but reading is allowed in an archived project, unless the view is for that (`in_archived`).
    """

    needs: ClassVar[dict[str, str]] = {}
    in_archived: ClassVar[bool] = False
    membership: Membership
    project: Project

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.membership = access.membership_of(request.user, kwargs["slug"])
        self.project = self.membership.project
        # HEAD is answered by `get`: whoever may not read the body may not learn of it either.
        method = "GET" if request.method == "HEAD" else request.method or ""
        access.require(self.membership, self.needs.get(method, access.MEMBER))
        if method != "GET" and not self.in_archived:
            access.require_unarchived(self.membership)

    @property
    def user(self) -> User:
        return self.membership.user

    def membership_in(self, instance: Any) -> Membership:
        """The caller's membership in the project that the instance is, or belongs to."""
        return self.membership


class ProjectListView(ProjectView, generics.ListAPIView[Any]):
    """A list in pages, of what `get_queryset` finds in the project."""

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "membership_in": self.membership_in}
