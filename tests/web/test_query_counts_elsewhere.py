"""Test the number of queries of pages outside projects; test_query_counts.py has the others."""

from typing import Any

import pytest
from django.test import Client
from factories import make_member, make_project
from knox.models import AuthToken
from pages import make_history, signed_in

from labeling.models import Notice, NoticeKind, Project, Role, User

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("projects", [1, 5])
def test_home(projects: int, django_assert_num_queries: Any) -> None:
    for number in range(projects):
        project = make_project(f"project-{number}")
        make_history(project, 2)
        mona = make_member(project, "mona", Role.MANAGER)
    client = signed_in(mona)
    with django_assert_num_queries(7):
        assert client.get("/").status_code == 200


@pytest.mark.parametrize("tokens", [0, 5])
def test_account(tokens: int, django_assert_num_queries: Any) -> None:
    mona = make_member(make_project(), "mona", Role.MANAGER)
    for _ in range(tokens):
        AuthToken.objects.create(user=User.objects.get())
    client = signed_in(mona)
    with django_assert_num_queries(6):
        assert client.get("/account/").status_code == 200


@pytest.mark.parametrize(("notices", "queries"), [(0, 4), (1, 5), (5, 5)])
def test_notices(notices: int, queries: int, django_assert_num_queries: Any) -> None:
    mona = make_member(make_project(), "mona", Role.MANAGER)
    for number in range(notices):
        Notice.objects.tell_members(NoticeKind.BATCH_DONE, Project.objects.get(), number=number)
    client = signed_in(mona)
    with django_assert_num_queries(queries):
        assert client.get("/account/notices/").status_code == 200


def test_forms_without_a_project(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert Client().get("/setup/").status_code == 403
    client = signed_in(make_member(make_project(), "mona", Role.MANAGER))
    for path, queries in (("/new/", 4), ("/account/password/", 4), ("/account/notices/choices/", 5),
                          ("/account/second-factor/", 4), ("/api/docs/", 3)):  # fmt: skip
        with django_assert_num_queries(queries):
            assert client.get(path).status_code == 200
    for path, queries in (("/login/", 1), ("/login/forgotten/", 0)):
        with django_assert_num_queries(queries):
            assert Client().get(path).status_code == 200
