"""What the endpoints below `projects/{slug}/` share."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.views import APIView

from labeling import access
from labeling.models import Membership, Project, User


class ProjectView(APIView):
    """Looks up the project and the caller's membership before the method runs.

    `needs` names the ability each method asks for; methods that are not named are open to every member.
    """

    needs: ClassVar[dict[str, str]] = {}
    membership: Membership
    project: Project

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.membership = access.membership_of(request.user, kwargs["slug"])
        self.project = self.membership.project
        # HEAD is answered by `get`: whoever may not read the body may not learn of it either.
        method = "GET" if request.method == "HEAD" else request.method or ""
        access.require(self.membership, self.needs.get(method, access.MEMBER))

    @property
    def user(self) -> User:
        return self.membership.user
