"""Test the loop with every strategy, with and without the class guard, and the record of each on its batch."""

from collections import Counter
from pathlib import Path

import pytest
from digits import annotator, answer_batch, digits_project
from draining import drain
from test_kinds import start, text_rows

from labeling.models import Batch, Job, Project
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays.files import ProjectFiles, load_array
from selector import strategies
from selector.class_guard import limit
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)

ALWAYS = {"margins", "best", "confidence"}
QUICK = {"training": {"epochs": 5, "min_steps": 60, "learns_from": "labels"}}


def rounds(project: Project, n: int = 2) -> None:
    user = annotator(project)
    drain()
    for _ in range(n):
        answer_batch(project, user)
        drain()


def kept(project: Project, number: int) -> set[str]:
    """Return the names of the version's stored arrays."""
    folder = ProjectFiles(project).pool(project.versions.get(number=number), "margins").parent
    return {path.stem for path in folder.iterdir()}


def picked_rows(batch: Batch) -> list[int]:
    return list(batch.tasks.filter(is_control=False).order_by("rank").values_list("item__row", flat=True))


def test_projects_offer_what_the_selector_has() -> None:
    assert [name for name, _ in Project._meta.get_field("strategy").choices] == list(strategies.STRATEGIES)


@pytest.mark.parametrize(
    ("strategy", "guard"),
    some(
        [
            ("margin", 1.5),
            ("cluster-margin", None),
            *((name, 1.5) for name in strategies.STRATEGIES if name != "margin"),
        ]
    ),
)
def test_a_project_goes_round_with_it(tmp_path: Path, strategy: str, guard: float | None) -> None:
    project = digits_project(tmp_path, n=300, strategy=strategy, class_guard=guard, **QUICK)
    rounds(project)
    first, *others = Batch.objects.order_by("number")
    assert (first.strategy, first.class_guard, first.selected_by) == ("seed", None, None)
    assert [(batch.strategy, batch.class_guard, batch.size) for batch in others] == [(strategy, guard, 40)] * 2
    assert project.jobs.filter(kind=Job.Kind.CLUSTER).exists() == (strategy == "cluster-margin")
    names = {name for name in strategies.STRATEGIES[strategy].needs if name != "clusters"}
    assert kept(project, 2) == ALWAYS | names
    for batch in others:
        tasks = batch.tasks.select_related("item")
        assert len({task.item.row for task in tasks}) == 40
        assert all((task.cluster is not None) == (strategy == "cluster-margin") for task in tasks)
        assert all(task.margin is not None for task in tasks)
        if guard:
            best = load_array(ProjectFiles(project).pool(batch.selected_by, "best"))
            counts = Counter(best[picked_rows(batch)].tolist())
            assert max(counts.values()) <= limit(32, 10, guard), "the pool has enough of every class"


@pytest.mark.long
def test_wide_arrays_of_versions_before_are_not_kept(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=300, strategy="badge", **QUICK)
    rounds(project, 3)
    assert kept(project, 1) == kept(project, 2) == ALWAYS
    assert kept(project, 3) == ALWAYS | {"embeddings", "errors"}


@pytest.mark.long
def test_a_change_of_strategy_between_batches_keeps_what_the_clustering_needs(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=300, **QUICK)
    user = annotator(project)
    drain()
    strategies = ["entropy", "cluster-margin", "coreset", "cluster-margin"]
    for strategy in strategies:
        Project.objects.update(strategy=strategy)
        answer_batch(project, user)
        drain()
    assert [batch.strategy for batch in Batch.objects.order_by("number")[1:]] == strategies
    assert Batch.objects.get(number=3).clusters
    assert kept(project, 1) == ALWAYS | {"entropies"}
    assert kept(project, 2) == ALWAYS | {"embeddings"}
    assert kept(project, 3) == ALWAYS


@pytest.mark.long
def test_a_strategy_changed_while_a_batch_is_selected_holds_from_the_next_one(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=300, strategy="entropy", **QUICK)
    user = annotator(project)
    drain()
    answer_batch(project, user)
    worker = Worker(run_step)
    while not Job.objects.filter(kind=Job.Kind.SELECT, batch__number=2).exists():
        assert worker.run_next()
    Project.objects.update(strategy="coreset")
    drain()
    assert Batch.objects.get(number=2).strategy == "entropy"
    answer_batch(project, user)
    drain()
    assert Batch.objects.get(number=3).strategy == "coreset"


@pytest.mark.long
@pytest.mark.parametrize(
    ("question", "strategy"), some([("multi", "entropy"), ("verify", "badge"), ("multi", "coreset")])
)
def test_other_questions_go_round_with_it_too(tmp_path: Path, question: str, strategy: str) -> None:
    project = start(tmp_path, "text", text_rows(question), question=question, strategy=strategy, class_guard=1, **QUICK)
    rounds(project)
    for batch in Batch.objects.filter(number__gt=1):
        assert (batch.strategy, batch.class_guard, batch.size) == (strategy, 1, 30)
