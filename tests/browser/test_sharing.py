"""Test the page of an annotator whose items go to others and come back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect
from processes import wait_until

from labeling.models import Annotation, Assignment, Batch, Task
from labeling.queue import queue

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_who_has_nothing_shares_with_a_page_where_nothing_happens(open_screen: Any) -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 10))
    annie = open_screen(project, make_member(project, "annie"))
    first = annie.task
    Assignment.objects.update(lease_expires_at=F("lease_expires_at") - timedelta(seconds=31))
    bert = open_screen(project, make_member(project, "bert"))
    assert Task.objects.get(pk=bert.task).rank == 5
    # Annie is awake again: or bert's page, as it asks for more, would be given half of what she still holds.
    Assignment.objects.update(lease_expires_at=F("lease_expires_at") + timedelta(seconds=31))
    bert.answer(*"12345")
    bert.wait_until_sent()
    assert annie.task == first, "what is on the screen stays"
    annie.answer(*"67890")
    annie.wait_until_sent()
    wait_until(lambda: Batch.objects.get().state == Batch.State.TRAINING)
    given = Annotation.objects.order_by("task__rank").values_list("user__username", "value")
    assert list(given) == [
        *zip(["annie"] * 5, (6, 7, 8, 9, 0), strict=True),
        *zip(["bert"] * 5, range(1, 6), strict=True),
    ]


def test_an_item_that_another_had_first_comes_back_when_it_is_free_again(open_screen: Any) -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3))
    user, bert = make_member(project, "annie"), make_member(project, "bert")
    annie = open_screen(project, user)
    task = annie.task
    queue.release(project=project, user=user, task_ids=[task])
    assert [each.pk for each in queue.claim(project=project, user=bert, count=1).tasks] == [task]
    annie.answer("1")
    expect(annie.told).to_contain_text("That item was already answered")
    queue.release(project=project, user=bert)
    annie.answer("2", "3")
    expect(annie.page.locator(f'#stage[data-task="{task}"]')).to_be_visible()
    annie.answer("4")
    annie.wait_until_sent()
    wait_until(lambda: Batch.objects.get().state == Batch.State.TRAINING)
    assert list(Annotation.objects.order_by("task__rank").values_list("value", flat=True)) == [4, 2, 3]
