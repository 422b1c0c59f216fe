"""Test the page of a certificate, which is printed and sent to readers who do not know the product."""

import re
from pathlib import Path
from shutil import copytree

import pytest
from django.test import Client
from django.utils import timezone
from pages import manager, member, text_of
from pools import make_certificate, pool_project

from labeling.models import Certificate, LogEntry, Project, Role, User

pytestmark = pytest.mark.django_db

PAGE = "/p/pool/certificates/1/"


@pytest.fixture(scope="module")
def made(once: Path) -> Project:
    project = pool_project(name="Support tickets")
    make_certificate(project.versions.get())
    return project


@pytest.fixture
def project(made: Project, once: Path, db: None, data_dir: Path) -> Project:
    copytree(once, data_dir, dirs_exist_ok=True)
    return made


def test_it_says_what_was_proven_how_and_how_to_verify_it(project: Project) -> None:
    text = text_of(member(project, Role.ENGINEER).get(PAGE))
    assert "Of 2,500 labels that a model gave, at most 45 are wrong (1.8 %)." in text
    assert "This holds with a confidence of 95 %." in text
    assert "checked 300 labels, drawn at random, and found 4 wrong" in text
    assert "at most 0.1 % of cases" in text
    assert project.certificates.get().digest in text
    assert "sha256sum pool-certificate-1.json" in text
    assert "The goal of" not in text
    assert PAGE in manager(project).get("/p/pool/finish/").content.decode()


def test_it_says_why_more_may_be_wrong_than_the_goal_allows(project: Project) -> None:
    project.certificates.update(most_wrong=180)
    text = text_of(manager(project).get(PAGE))
    assert "The goal of 2 % counts all 4,000 items. People labeled the others" in text
    assert "0.3 % of their labels are assumed to be wrong" in text


def test_a_suspended_certificate_says_so_first(project: Project) -> None:
    project.certificates.update(suspended_at=timezone.now(), suspended_for="Classes were merged.")
    text = text_of(manager(project).get(PAGE))
    assert text.index("Since then it proves nothing. Classes were merged.") < text.index("at most 45 are wrong")
    project.certificates.update(digest="")
    assert manager(project).get(PAGE).status_code == 404


def path_of(page: str) -> str:
    """Return the path of the public link that the page shows."""
    [path] = re.findall(r'value="http://testserver(/certificate/[^"]+)"', page)
    return path


def test_a_public_link_shows_it_to_anyone_until_it_is_revoked(project: Project) -> None:
    project.certificates.update(most_wrong=180)
    client, stranger = manager(project), Client()
    assert "Make a public link" not in text_of(member(project, Role.ENGINEER).get(PAGE))
    made = client.post(PAGE).content.decode()
    link = path_of(made)
    assert link.split("/")[2] not in client.get(PAGE).content.decode(), "it is shown once"
    assert link.split("/")[2] not in str(list(Certificate.objects.values()))
    answer = stranger.get(link)
    page, text = answer.content.decode(), text_of(answer)
    for words in ("Of 2,500 labels that a model gave", "counts all 4,000 items", "Ask the person who sent you"):
        assert words in text
    assert project.certificates.get().digest in text
    assert answer["X-Robots-Tag"] == "noindex"
    assert "Download" not in text
    for name in (*User.objects.values_list("username", flat=True), "/p/pool/", "/api/"):
        assert name not in page
    newer = path_of(client.post(PAGE).content.decode())
    assert stranger.get(link).status_code == 404, "it was replaced"
    assert stranger.get(newer).status_code == 200
    Project.objects.update(deleted_at=timezone.now())
    assert stranger.get(newer).status_code == 404
    Project.objects.update(deleted_at=None)
    assert "no longer works" in text_of(client.post(f"{PAGE}unshare/", follow=True))
    assert stranger.get(newer).status_code == 404
    kinds = ["certificate.shared", "certificate.shared", "certificate.unshared"]
    assert [entry.kind for entry in LogEntry.objects.order_by("pk") if entry.kind.startswith("certificate")] == kinds
