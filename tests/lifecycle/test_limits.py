"""Test the limits on the items and members of a project: each way in asks, and two at once do not pass it together."""

import threading
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from buckets import make_source, work
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from factories import make_member, make_project, make_user
from pages import signed_in, text_of

from labeling.intake import uploads
from labeling.kinds.text import Text
from labeling.models import Invitation, Item, ItemImport, Membership, Project, Role, Source, User
from labeling.observing import auditlog
from labeling.projects import create, limits, quota
from labeling.projects.people import invitations, members

pytestmark = pytest.mark.django_db
at_once = pytest.mark.django_db(transaction=True)

PAGE, API = "/p/digits/import/", "/api/v1/projects/digits/items/"
FULL_OF_ITEMS = "This project may have 3 items, and has 3: there is no room for 1 more."
FULL_OF_MEMBERS = "This project may have 2 members, and has 2: there is no room for 1 more."


def rows(first: int, number: int) -> bytes:
    return b"id,text\n" + b"".join(b"%d,text %d\n" % (n, n) for n in range(first, first + number))


def send(client: Client, number: int, first: int = 0, **more: str) -> Any:
    return client.post(API, {"file": SimpleUploadedFile("a.csv", rows(first, number)), **more})


@pytest.fixture
def three(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Return the manager of a project that may have three items, which imports store one by one."""
    settings.PROJECT_ITEMS = 3
    monkeypatch.setattr(Text, "chunk", 1)
    monkeypatch.setattr(Text, "chunks_at_once", 1)
    return signed_in(make_member(make_project(), "mona", Role.MANAGER))


def test_an_import_stops_at_the_limit_or_is_refused_whole(three: Client) -> None:
    told = send(three, 4, strict="1").json()["detail"]
    assert told.startswith("This project may have 3 items, and has 0: there is no room for 4 more.")
    assert not Item.objects.exists()
    told = send(three, 5).json()["detail"]
    assert told.startswith(f"The 3 items before that are imported. {FULL_OF_ITEMS}")
    assert "raise PROJECT_ITEMS or the project's own limit" in told
    assert Item.objects.count() == 3
    assert "It has 3 of 3 items." in text_of(three.get(PAGE))


def test_each_door_is_closed_once_the_project_is_full(three: Client, tmp_path: Path, settings: Any) -> None:
    assert send(three, 3).status_code == 201
    assert FULL_OF_ITEMS in send(three, 1, first=9).json()["detail"]
    page = three.post(PAGE, {"file": SimpleUploadedFile("a.csv", rows(9, 1))})
    assert (page.status_code, FULL_OF_ITEMS in text_of(page)) == (400, True)
    body = three.post(API, b'{"id": "9", "text": "nine"}\n', content_type="application/x-ndjson")
    assert FULL_OF_ITEMS in body.json()["detail"]
    (tmp_path / "a.csv").write_bytes(rows(9, 1))
    with pytest.raises(CommandError, match="may have 3 items, and has 3"):
        call_command("import_items", "digits", str(tmp_path / "a.csv"))
    assert Item.objects.count() == 3
    assert ItemImport.objects.filter(state=ItemImport.State.REFUSED).count() == 1, "the command's alone was begun"
    settings.OUTGOING_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    address = "http://127.0.0.1:9/a.csv"  # where no server is: a full project asks none
    source = make_source(Project.objects.get(), address, {}, content=Source.Content.FILE)
    work()
    source.refresh_from_db()
    assert source.problem.startswith(FULL_OF_ITEMS)
    Project.objects.update(purged_rows=1)
    assert send(three, 1, first=3).status_code == 201


def test_a_copy_with_items_is_refused_whole(three: Client) -> None:
    send(three, 3)
    Project.objects.update(item_limit=9)
    assert send(three, 2, first=3).status_code == 201, "the project's own limit counts"
    body = {"slug": "copy", "name": "copy", "items": True}
    refused = three.post("/api/v1/projects/digits/duplicate/", body, content_type="application/json")
    assert refused.status_code == 409
    assert refused.json()["detail"].startswith("This project may have 3 items, and has 0: there is no room for 5 more.")
    assert Project.objects.count() == 1


def by_api(user: User) -> None:
    client = signed_in(make_user("root", is_superuser=True))
    body = {"username": user.username, "role": "annotator"}
    answer = client.post("/api/v1/projects/digits/members/", body, content_type="application/json")
    assert (answer.status_code, FULL_OF_MEMBERS in answer.json()["detail"]) == (409, True)


def by_command(user: User) -> None:
    with pytest.raises(CommandError, match="may have 2 members, and has 2"):
        call_command("add_member", "digits", user.username, role="annotator")


def invited(**more: Any) -> tuple[Invitation, str]:
    manager = User.objects.get(username="mona")
    return invitations.invite(project=Project.objects.get(), user=manager, role=Role.ANNOTATOR, **more)


def by_link(user: User) -> None:
    invitation, token = invited()
    refused = signed_in(user).post(f"/invitation/{token}/")
    assert (refused.status_code, FULL_OF_MEMBERS in text_of(refused)) == (400, True)
    assert Invitation.objects.open().get() == invitation, "the link stays good"


def by_new_account(user: User) -> None:
    _, token = invited()
    form = {"username": "new", "password1": "long-and-odd-7", "password2": "long-and-odd-7"}
    assert FULL_OF_MEMBERS in text_of(Client().post(f"/invitation/{token}/", form))
    assert not User.objects.filter(username="new").exists()


def by_home_page(user: User) -> None:
    invitation, _ = invited(name=user.username, to_account=True)
    page = signed_in(user).post(f"/invitations/{invitation.pk}/", follow=True)
    assert FULL_OF_MEMBERS in text_of(page)


def by_group(user: User) -> None:
    members.apply_group_roles(user=user, groups=["signs"])


@pytest.mark.parametrize("way", [by_api, by_command, by_link, by_new_account, by_home_page, by_group])
def test_nobody_becomes_one_member_too_many(way: Callable[[User], None], settings: Any) -> None:
    settings.PROJECT_MEMBERS, settings.OIDC_GROUPS = 2, [("signs", "digits", "annotator")]
    project = make_project()
    for name in ("mona", "ann"):
        make_member(project, name, Role.MANAGER)
    way(make_user("bert"))
    assert project.memberships.count() == 2
    members.set_role(project=project, user=User.objects.get(username="ann"), role=Role.ANNOTATOR)
    Project.objects.update(member_limit=3)
    members.set_role(project=Project.objects.get(), user=User.objects.get(username="bert"), role=Role.ANNOTATOR)


def test_a_copy_with_too_many_members_is_refused_whole(settings: Any) -> None:
    project = make_project(member_limit=3)
    for name in ("ann", "bert"):
        make_member(project, name)
    client = signed_in(make_member(project, "mona", Role.MANAGER))
    settings.PROJECT_MEMBERS = 2
    assert "3 of at most 3." in text_of(client.get("/p/digits/members/"))
    form = {"copy-slug": "copy", "copy-name": "copy", "copy-members": "on"}
    assert "This project may have 2 members, and has 1: there is no room for 2 more." in text_of(
        client.post("/p/digits/duplicate/", form)
    )
    assert Project.objects.count() == 1


def test_the_page_of_the_server_shows_what_is_used_of_what_is_allowed(three: Client, settings: Any) -> None:
    send(three, 2)
    settings.MAX_PROJECTS = 7
    Project.objects.update(member_limit=4)
    text = text_of(signed_in(make_user("olga", is_staff=True)).get("/server/"))
    assert "1 of 7," in text
    assert "2 of 3" in text
    assert "1 of 4" in text
    for limit in limits.LIMITS:
        setattr(settings, limit.setting, 0)
        assert limit.allowed() is None
        assert limit.problem(10**9) == ""
        assert limit.allowed(own=5) == 5


def outcomes(*acts: Callable[[], object]) -> list[str]:
    """Run these at once, and return for each whether it was done or refused."""
    told: list[str] = []
    begin = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        begin.wait()
        try:
            act()
            told.append("done")
        except (members.ProjectFull, create.TooManyProjects, quota.NoRoom):
            told.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(told)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let transactions wait between their checks and their end: others come in between if nothing holds them."""

    def slowed(act: Callable[..., Any]) -> Callable[..., Any]:
        def later(*args: Any, **more: Any) -> Any:
            time.sleep(0.1)
            return act(*args, **more)

        return later

    monkeypatch.setattr(auditlog, "record", slowed(auditlog.record))
    monkeypatch.setattr(quota, "count", slowed(quota.count))


@at_once
@pytest.mark.usefixtures("slow")
def test_two_at_once_do_not_pass_the_limit_of_members_together(settings: Any) -> None:
    settings.PROJECT_MEMBERS = 2
    project = make_project()
    make_member(project, "mona", Role.MANAGER)
    ann, bert = make_user("ann"), make_user("bert")
    invitation, _ = invited()
    assert outcomes(
        lambda: members.set_role(project=project, user=ann, role=Role.ANNOTATOR),
        lambda: invitations.join(invitation=invitation, user=bert),
    ) == ["done", "refused"]
    assert Membership.objects.count() == 2


@at_once
@pytest.mark.usefixtures("slow")
def test_two_at_once_do_not_pass_the_limit_of_projects_together(settings: Any) -> None:
    settings.MAX_PROJECTS = 2
    make_project()

    def creates(name: str) -> Callable[[], object]:
        user = make_user(name)
        return lambda: create.create_project(
            slug=name, kind="text", classes=["a", "b"], manager=user, creator=user, settings={"question": "single"}
        )

    assert outcomes(creates("ann"), creates("bert")) == ["done", "refused"]
    assert Project.objects.count() == 2


@at_once
@pytest.mark.usefixtures("slow")
def test_two_imports_at_once_do_not_pass_the_limit_of_items_together(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PROJECT_ITEMS = 30
    monkeypatch.setattr(Text, "chunk", 10)
    project = make_project()
    mona = make_member(project, "mona", Role.MANAGER)

    def imports(first: int) -> Callable[[], object]:
        content = rows(first, 20)
        return lambda: uploads.receive(project=project, user=mona, name="a.csv", chunks=[content], strict=False)

    assert outcomes(imports(0), imports(100)) == ["done", "done"]
    assert Item.objects.count() == quota.use_of(project).items == 20
    assert {each.state for each in ItemImport.objects.all()} == {"done", "refused"}
