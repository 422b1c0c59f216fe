"""Test that an empty project of each kind can be tried with examples, and that they tell no class."""

import pytest
from django.urls import reverse
from factories import make_project
from pages import manager, member, text_of

from labeling import kinds
from labeling.intake.examples import N_EXAMPLES
from labeling.models import Project, Role
from tests.extent import some

pytestmark = pytest.mark.django_db


def address(project: Project) -> str:
    return reverse("project-import", args=[project.slug])


@pytest.mark.parametrize("kind", [name for name, kind in kinds.KINDS.items() if kind.examples])
@pytest.mark.parametrize("question", some(["single", "verify"]))
def test_one_click_brings_examples_of_each_kind(kind: str, question: str) -> None:
    project = make_project(kind=kind, question=question)
    client = manager(project)
    page = text_of(client.get(address(project)))
    assert f"Import {N_EXAMPLES} examples" in page
    assert "0 KB waiting to be imported. Imports" in page
    page = text_of(client.post(address(project), {"examples": "1"}, follow=True))
    assert f"{N_EXAMPLES} items imported from examples.jsonl." in page
    assert "Or try it with examples" not in page
    items = project.items.all()
    assert len({f"{each.data}{each.media}" for each in items}) == N_EXAMPLES
    assert not items.labeled().exists()
    assert items.filter(proposed__isnull=False).count() == (N_EXAMPLES if question == "verify" else 0)


def test_only_managers_import_them() -> None:
    project = make_project()
    assert member(project, Role.ENGINEER).post(address(project), {"examples": "1"}).status_code == 403
    assert "Or try it" not in text_of(member(project, Role.ENGINEER).get(address(project)))
    assert not project.items.exists()
