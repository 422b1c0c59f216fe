"""Test that a manager makes a member the manager and steps down, in one transaction."""

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from factories import make_member, make_project, make_user
from pages import signed_in, text_of

from labeling.models import Membership, Project, Role
from labeling.projects.people.members import transfer

pytestmark = pytest.mark.django_db


def roles(project: Project) -> dict[str, str]:
    return dict(Membership.objects.filter(project=project).values_list("user__username", "role"))


def test_the_last_manager_hands_over_on_the_page() -> None:
    project = make_project()
    make_member(project, "ann")
    client = signed_in(make_member(project, "mona", Role.MANAGER))
    address = reverse("project-transfer", args=[project.slug, "ann"])
    assert "over to ann?" in text_of(client.get(address))
    assert roles(project) == {"mona": "manager", "ann": "annotator"}  # asked first
    assert client.post(address, {"role": "manager"}).status_code == 400
    page = client.post(address, {"role": "engineer"}, follow=True)
    assert "ann manages Digits now, and you are its engineer." in text_of(page)
    assert roles(project) == {"mona": "engineer", "ann": "manager"}
    assert client.get(address).status_code == 403


def test_nobody_else_can_be_handed_it_or_hands_it_over() -> None:
    project = make_project()
    mona = make_member(project, "mona", Role.MANAGER)
    for successor in (mona, make_user("stranger")):
        with pytest.raises(ValidationError):
            transfer(project=project, user=mona, successor=successor, role="annotator")
    with pytest.raises(ValidationError):
        transfer(project=project, user=mona, successor=make_member(project, "ann"), role="manager")
    assert roles(project) == {"mona": "manager", "ann": "annotator"}
    make_member(project, "mona", Role.MANAGER)
    make_member(project, "ann")
    client = signed_in(make_user("boss", is_superuser=True, is_staff=True))
    response = client.post(reverse("project-transfer", args=[project.slug, "ann"]), {"role": "engineer"})
    assert response.status_code == 400
    assert roles(project) == {"mona": "manager", "ann": "annotator"}
