"""Test that refused requests become exceptions with the server's sentence, and that wrong addresses are named."""

from collections.abc import Callable
from typing import Any

import pytest
from receivers import receiver

from labeling.models import Project, Role
from marginalia_client import (
    Conflict,
    Invalid,
    Marginalia,
    MarginaliaError,
    NotFound,
    NotMarginalia,
    NotPermitted,
    NotSignedIn,
    Refused,
    ServerAway,
)


def test_an_invalid_setting_is_named_and_changes_nothing(server: Marginalia, project: Project) -> None:
    mine = server.project("digits")
    with pytest.raises(Invalid, match="batch_size") as refused:
        mine.update(batch_size=-1, name="New")
    assert (refused.value.status, refused.value.code) == (400, "invalid")
    assert list(refused.value.fields) == ["batch_size"]
    assert mine.settings()["name"] == project.name
    assert mine.update(batch_size=321)["batch_size"] == mine.settings()["batch_size"] == 321


def test_a_wrong_token_another_role_and_what_is_not_there(live_server: Any, token_of: Callable[[str], str]) -> None:
    with Marginalia(live_server.url, "wrong") as server, pytest.raises(NotSignedIn, match="Invalid token"):
        server.project("digits").settings()
    with Marginalia(live_server.url, token_of(Role.ANNOTATOR)) as server, pytest.raises(NotPermitted) as refused:
        list(server.project("digits").labels())
    assert str(refused.value) == "Only engineers, auditors and managers of this project may do that."
    with Marginalia(live_server.url, token_of(Role.ENGINEER)) as server:
        with pytest.raises(NotPermitted):
            server.project("digits").tasks.claim()
        with pytest.raises(NotFound):
            server.project("owls").settings()
        with pytest.raises(NotFound, match="There is no batch 7 in this project"):
            server.project("digits").batches.get(7)


def test_a_taken_slug(live_server: Any, project: Project, admin_user: Any) -> None:
    from knox.models import AuthToken

    with Marginalia(live_server.url, AuthToken.objects.create(admin_user)[1]) as server:
        with pytest.raises(Conflict, match="This slug is already in use"):
            server.create_project("digits", kind="text", classes=["a", "b"])
        made = server.create_project("owls", kind="text", classes=["a", "b"], batch_size=50)
        assert made.settings()["batch_size"] == 50
        assert sorted(each.slug for each in server.projects()) == ["digits", "owls"]


def test_no_server_at_the_address_and_an_address_without_its_scheme() -> None:
    assert issubclass(NotFound, Refused)
    assert issubclass(Refused, MarginaliaError)
    for url in ("labels.example.org", "ftp://labels.example.org", ""):
        with pytest.raises(ValueError, match="begins with http:// or https://"):
            Marginalia(url, "token")
    with (
        Marginalia("http://127.0.0.1:9", "token", retry_seconds=0.2) as server,
        pytest.raises(ServerAway, match=r"^The server at http://127\.0\.0\.1:9 does not answer \(.*refused\)\.$"),
    ):
        server.project("digits").settings()
    assert server.retries == 1


def test_another_site_and_another_address() -> None:
    with receiver(status=200, body=b"<html>Welcome</html>") as other:
        url = f"http://127.0.0.1:{other.port}"
        with Marginalia(url, "token") as server, pytest.raises(NotMarginalia, match="is not Marginalia"):
            server.project("digits").settings()
        other.status, other.location = 301, "https://labels.example.org/"
        with (
            Marginalia(url, "token") as server,
            pytest.raises(NotMarginalia, match=r"leads to https://labels\.example\.org/: use that address"),
        ):
            server.project("digits").settings()
