"""A real server with a project of texts, and clients of its manager."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from factories import make_member, make_project
from knox.models import AuthToken

from labeling.models import Project, Role
from marginalia_client import Marginalia


@pytest.fixture
def project(transactional_db: None) -> Project:
    return make_project()


@pytest.fixture
def token_of(project: Project) -> Callable[[str], str]:
    """Return a function that makes a token of a member with a role."""

    def token_of(role: str) -> str:
        return str(AuthToken.objects.create(make_member(project, f"{role}-1", role))[1])

    return token_of


@pytest.fixture
def token(token_of: Callable[[str], str]) -> str:
    return token_of(Role.MANAGER)


@pytest.fixture
def server(live_server: Any, token: str) -> Iterator[Marginalia]:
    with Marginalia(live_server.url, token) as server:
        yield server
