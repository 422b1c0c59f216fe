"""Test that the batch page shows the reason of each task's selection: sorted, filtered, in pages by key, to the right
roles.
"""

import random
import re
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_items, make_open_batch, make_project
from pages import make_history, manager, member, text_of

from labeling.insight.picked import ORDERS, RANK, TaskFilter, page_of, read_task_filter
from labeling.models import AuditDraw, Batch, Copy, Project, Role, Task
from tests.extent import combinations
from tests.finishing.audit_rows import make_audit, make_predicted

pytestmark = pytest.mark.django_db


def address(project: Project, number: int, query: str = "") -> str:
    return reverse("project-batch", args=[project.slug, number]) + query


def picked_batch(size: int = 30) -> Batch:
    """Create a batch picked by a model, with ties among the margins, few clusters and some control tasks."""
    project = make_project()
    make_history(project, 1, size=size)
    Batch.objects.filter(number=2).update(clusters=9)
    batch = Batch.objects.get(number=2)
    rng = random.Random(3)
    tasks = list(batch.tasks.all())
    for task in tasks:
        task.is_control = rng.random() < 0.2
        task.margin = rng.choice([0.0, 0.0312, 0.1 + 0.2, rng.random(), 1e-7])
        task.cluster = rng.randrange(5)
        if not task.is_control:
            task.cluster_size, task.draw_pass = rng.randint(1, 9), rng.randrange(3)
    Task.objects.bulk_update(tasks, ["is_control", "margin", "cluster", "cluster_size", "draw_pass"])
    return batch


def ranks_on(response: Any) -> list[int]:
    return [int(rank) for rank in re.findall(r'<th scope="row" class="number">(\d+)</th>', response.content.decode())]


def test_each_task_says_why_it_was_picked() -> None:
    batch = picked_batch(3)
    project = batch.project
    batch.tasks.filter(rank=0).update(
        is_control=False, margin=0.03, cluster=17, cluster_size=5, draw_pass=1, predicted=4, confidence=0.52
    )
    batch.tasks.filter(rank=1).update(is_control=True, draw_pass=None, cluster_size=None, margin=0.9)
    for role in (Role.MANAGER, Role.ENGINEER):
        page = text_of(member(project, role).get(address(project, 2)))
        assert (
            "Picked in pass 2 from cluster 17, which held 5 candidates; margin 0.03. 4 52 % open 0.0300 17 5 2" in page
        )
        assert "Drawn at random for control: it measures the model, which does not learn from it. control" in page
    first = text_of(member(project, Role.ENGINEER).get(address(project, 1)))
    assert "Drawn at random: there was no model yet." in first


def text_of_page(page: str) -> str:
    return re.sub(r"<head>.*?</head>|<[^>]*>", " ", page, flags=re.DOTALL)


def test_other_strategies_say_it_in_their_way() -> None:
    project = make_project()
    make_history(project, 1)
    Task.objects.filter(batch__number=2).update(margin=0.25)
    client = manager(project)
    for strategy, sentence in {
        "margin": "the model could hardly decide between two answers; margin 0.25.",
        "entropy": "the model's probability is spread over many answers; margin 0.25.",
        "coreset": "it differs from everything labeled or picked before; margin 0.25.",
        "badge": "its answer would change the model a lot, in another way than the others picked; margin 0.25.",
        "typicality": "it is typical of a group of similar items that had few labels; margin 0.25.",
        "uniform": "Drawn at random.",
        "other": "Picked by other; margin 0.25.",
    }.items():
        Batch.objects.filter(number=2).update(strategy=strategy)
        page = text_of(client.get(address(project, 2)))
        assert sentence in page, strategy
        assert "Cluster" not in page.partition("Why each task was picked")[2].partition("Rank")[0]


def test_every_kind_of_label_and_prediction_is_shown() -> None:
    for question, cases in (
        ("multi", [([0, 2], "3 75 % 0, 2 –"), ([], "3 75 % none applies –")]),
        ("verify", [(True, "yes 75 % yes –"), (False, "yes 75 % no –")]),
    ):
        project = make_project(question, question=question)
        batch = make_open_batch(project, make_items(project, 1))
        batch.tasks.update(predicted=1 if question == "verify" else 3, confidence=0.75)
        for label, shown in cases:
            project.items.update(label=label)
            assert shown in text_of(manager(project).get(address(project, 1)))


def expected(tasks: list[Task], sort: str) -> list[int]:
    order = ORDERS[sort]
    key = {"": lambda task: 0, "margin": lambda task: task.margin, "cluster": lambda task: task.cluster}[order.field]
    sign = -1 if order.descending else 1
    return [task.rank for task in sorted(tasks, key=lambda task: (sign * key(task), task.rank))]


WANTED = [{}, {"part": "control"}, {"part": "picked"}, {"cluster": 2}, {"draw_pass": 1}, {"cluster": 3, "draw_pass": 0}]


def test_pages_hold_every_task_once_and_annotators_learn_nothing_of_it() -> None:
    batch = picked_batch()
    for sort, wanted, n in combinations(list(ORDERS), WANTED, [1, 4, 100]):
        check_pages(batch, sort, wanted, n)
    for query in ("", "?part=control", "?cluster=1", "?sort=margin"):
        page = member(batch.project, Role.ANNOTATOR).get(address(batch.project, 2, query)).content.decode()
        words = text_of_page(page).lower().replace("cluster-margin", "").replace("marginalia", "")
        for word in ("control", "margin", "item-00", "cluster", "pass"):
            assert word not in words, word


def check_pages(batch: Batch, sort: str, wanted: dict[str, Any], n: int) -> None:
    asked = TaskFilter(**wanted, sort=sort)
    tasks = [
        task
        for task in batch.tasks.all()
        if (not asked.part or task.is_control == (asked.part == "control"))
        and (asked.cluster is None or task.cluster == asked.cluster)
        and (asked.draw_pass is None or task.draw_pass == asked.draw_pass)
    ]
    page = page_of(batch, asked, n)
    pages = [page]
    while page.after:
        page = page_of(batch, asked, n, after=page.after)
        pages.append(page)
    found = [task.rank for each in pages for task in each.tasks]
    # Those of a cluster or a pass come by rank.
    assert found == expected(tasks, RANK if asked.cluster is not None or asked.draw_pass is not None else sort)
    back = [[task.rank for task in page.tasks]]
    while page.before:
        page = page_of(batch, asked, n, before=page.before)
        back.append([task.rank for task in page.tasks])
    assert back[-1] == [task.rank for task in pages[0].tasks]
    assert len(back) <= len(pages) + 1


def test_the_page_filters_sorts_and_leads_on_in_few_queries(django_assert_max_num_queries: Any) -> None:
    batch = picked_batch(60)
    client = manager(batch.project)
    page = client.get(address(batch.project, 2, "?sort=-margin"))
    assert ranks_on(page)[:50] == expected(list(batch.tasks.all()), "-margin")[:50]
    later = re.search(r'rel="next" href="(\?[^"#]*)', page.content.decode())
    assert later
    rest = client.get(address(batch.project, 2, later[1].replace("&amp;", "&")))
    assert ranks_on(rest) == expected(list(batch.tasks.all()), "-margin")[50:]
    control = batch.tasks.filter(is_control=True).count()
    assert f"{control} tasks match" in text_of(client.get(address(batch.project, 2, "?part=control")))
    assert "No task matches" in text_of(client.get(address(batch.project, 2, "?cluster=8")))
    # Passes count from 1 on pages.
    first = client.get(address(batch.project, 2, "?pass=1"))
    assert set(ranks_on(first)) == set(batch.tasks.filter(draw_pass=0).values_list("rank", flat=True))
    for query in ("", "?part=control", "?cluster=2&sort=margin", "?pass=1&sort=-margin&after=0.5~3"):
        with django_assert_max_num_queries(28):
            client.get(address(batch.project, 2, query))


def test_what_cannot_be_read_counts_as_not_asked_for() -> None:
    batch = picked_batch(3)
    client = manager(batch.project)
    for query in ("?sort=x&part=y&cluster=z&pass=-1", "?cluster=99999999999999999999", "?pass=0", "?after=~",
                  "?after=nan~1", "?sort=margin&after=inf~1", "?sort=margin&before=x~2", "?after=%00",
                  "?cluster=%D9%A1", "?sort=cluster&after=1e400~1"):  # fmt: skip
        assert sorted(ranks_on(client.get(address(batch.project, 2, query)))) == [0, 1, 2], query


def test_a_batch_without_a_model_is_not_sorted_by_what_it_has_not() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 5))
    assert [task.rank for task in page_of(batch, TaskFilter(sort="margin"), 3).tasks] == [0, 1, 2]
    assert read_task_filter({"sort": "nonsense"}).sort == RANK


def test_a_task_that_was_asked_for_says_by_whom() -> None:
    project = make_project()
    items = make_items(project, 3)
    batch = make_open_batch(project, items, number=2)
    batch.tasks.update(asked=True)
    project.items.filter(task__rank=0).update(queued_at=timezone.now())
    Copy.objects.create(of=items[0], item=items[1], batch=batch, height=0.1, is_check=True)
    page = text_of(manager(project).get(address(project, 2)))
    assert page.count("A manager asked for it.") == page.count("It checks the label of a near-copy.") == 1
    assert page.count("A manager corrected its certified label.") == 1


def test_managers_see_which_tasks_are_of_an_audit() -> None:
    project = make_project()
    audit = make_audit(make_predicted(project, 4))
    batch = make_open_batch(project, list(project.items.unpicked()[:2]), number=2)
    for task in batch.tasks.all():
        AuditDraw.objects.create(audit=audit, place=task.rank, task=task, value=1, is_decoy=task.rank == 1)
    page = text_of(manager(project).get(address(project, 2)))
    assert page.count("An audit asks about it") == page.count("It keeps audit tasks from being recognized") == 1
