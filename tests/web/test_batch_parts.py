"""Test that the batch's page assigns a part to a group, warns if no member can answer it, and removes it."""

import pytest
from django.test import Client
from django.urls import reverse
from factories import make_items, make_member, make_open_batch, make_project

from labeling.models import BatchPart, Membership, Role
from labeling.queue import queue

pytestmark = pytest.mark.django_db


def test_a_manager_assigns_a_part_sees_that_it_waits_and_lifts_it(client: Client) -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 20))
    ann, bob = make_member(project, "ann"), make_member(project, "bob")
    client.force_login(make_member(project, "mona", Role.MANAGER))
    role = {"role": "annotator", "group": "doctors", "daily_limit": "5"}
    client.post(reverse("project-role", args=[project.slug, "ann"]), role)
    member = Membership.objects.get(user=ann)
    assert (member.group, member.daily_limit) == ("doctors", 5)
    take = reverse("project-batch-parts", args=[project.slug, 1])
    page = client.post(take, {"whom": "group:doctors", "share": "50"}, follow=True).content.decode()
    assert "10 tasks are assigned to doctors." in page
    assert min(task.rank for task in queue.claim(project=project, user=bob, count=5).tasks) == 10
    for wrong in ({"whom": "nobody", "share": "5"}, {"whom": "bob", "share": "nan"}, {}):
        client.post(take, wrong)
    assert BatchPart.objects.count() == 1

    client.post(reverse("project-role", args=[project.slug, "ann"]), {**role, "group": ""})
    assert "no member can answer these" in client.get(reverse("project-batch", args=[project.slug, 1])).content.decode()
    client.post(reverse("project-batch-part-lift", args=[project.slug, 1, BatchPart.objects.get().pk]))
    assert not BatchPart.objects.exists()
