"""Test that refused requests become exceptions with the server's sentence, and that wrong addresses are named."""

import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

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


def test_a_wrong_token(live_server: Any, project: Project) -> None:
    with Marginalia(live_server.url, "wrong") as server, pytest.raises(NotSignedIn, match="Invalid token"):
        server.project("digits").settings()


def test_another_role(live_server: Any, token_of: Callable[[str], str]) -> None:
    with Marginalia(live_server.url, token_of(Role.ANNOTATOR)) as server, pytest.raises(NotPermitted) as refused:
        list(server.project("digits").labels())
    assert str(refused.value) == "Only engineers, auditors and managers of this project may do that."


def test_a_missing_project_and_a_missing_batch(server: Marginalia) -> None:
    with pytest.raises(NotFound):
        server.project("owls").settings()
    with pytest.raises(NotFound, match="There is no batch 7 in this project"):
        server.project("digits").batches.get(7)


def test_a_taken_slug(live_server: Any, project: Project, admin_user: Any) -> None:
    from knox.models import AuthToken

    with Marginalia(live_server.url, AuthToken.objects.create(admin_user)[1]) as server:
        with pytest.raises(Conflict, match="This slug is taken"):
            server.create_project("digits", kind="text", classes=["a", "b"])
        made = server.create_project("owls", kind="text", classes=["a", "b"], batch_size=50)
        assert made.settings()["batch_size"] == 50
        assert sorted(each.slug for each in server.projects()) == ["digits", "owls"]


def test_all_errors_have_one_base() -> None:
    assert issubclass(NotFound, Refused)
    assert issubclass(Refused, MarginaliaError)


@pytest.mark.parametrize("url", ["labels.example.org", "ftp://labels.example.org", ""])
def test_an_address_without_its_scheme_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="begins with http:// or https://"):
        Marginalia(url, "token")


def test_no_server_at_the_address() -> None:
    with (
        Marginalia("http://127.0.0.1:9", "token", retry_seconds=0.2) as server,
        pytest.raises(ServerAway, match=r"^The server at http://127\.0\.0\.1:9 does not answer \(.*refused\)\.$"),
    ):
        server.project("digits").settings()
    assert server.retries == 1


@pytest.fixture
def other_site() -> Iterator[str]:
    """Run a web server that is not Marginalia: it answers with a page, and moves `/moved`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            moved = self.path.startswith("/moved")
            self.send_response(301 if moved else 200)
            if moved:
                self.send_header("Location", "https://labels.example.org/")
            self.end_headers()
            self.wfile.write(b"<html>Welcome</html>")

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_another_site_and_another_address(other_site: str) -> None:
    with Marginalia(other_site, "token") as server, pytest.raises(NotMarginalia, match="is not Marginalia"):
        server.project("digits").settings()
    with (
        Marginalia(f"{other_site}/moved", "token") as server,
        pytest.raises(NotMarginalia, match=r"leads to https://labels\.example\.org/: use that address"),
    ):
        server.project("digits").settings()
