"""Test that labels that are imported again keep the privacy spent on them, by their content, and that unknown labels
are counted.
"""

import json
import zipfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bringing import bring_all
from django.utils import timezone
from factories import make_member, make_project
from import_files import picture
from pages import signed_in

from labeling.intake import label_writing
from labeling.intake.run import import_items
from labeling.loop.step import Step
from labeling.models import Batch, Item, Job, PrivateTraining, Project, Role, User
from labeling.outgoing.exports.rows import pages
from labeling.projects.classes import changing as classes
from labeling.projects.duplicating import duplicate
from labeling.projects.privacy import ledger
from labeling.queue import removing
from models_store.privacy.accounting import Phase, epsilon
from tests.extent import some

pytestmark = pytest.mark.django_db

CLASSES = ["cat", "dog", "owl"]
DELTA = 1e-6
N = 12


def project_of(slug: str, **settings: Any) -> Project:
    private = {"privacy_epsilon": 1.0, "privacy_delta": DELTA, "privacy_trainings": 1}
    return make_project(slug, classes=CLASSES, **{"control_share": 0.0, **private, **settings})


def bring(project: Project, rows: list[dict[str, Any]], folder: Path, user: User | None = None) -> None:
    path = folder / f"{project.slug}-{project.imports.count()}.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    bring_file(project, path, user)


def bring_file(project: Project, path: Path, user: User | None = None) -> None:
    bring_all(project, path, user=user)


def texts(n: int = N, **fields: Any) -> list[dict[str, Any]]:
    return [{"id": f"t{number}", "text": f"The {number}th text of the pool.", **fields} for number in range(n)]


def labeled_here(slug: str = "original", folder: Path | None = None, **settings: Any) -> Project:
    """Create a project whose items were labeled by its members."""
    assert folder is not None
    project = project_of(slug, **settings)
    bring(project, texts(), folder)
    answer_all(project)
    return project


def answer_all(project: Project) -> None:
    batch = Batch.objects.create(project=project, number=1, size=N, state=Batch.State.DONE)
    for rank, item in enumerate(project.items.order_by("external_id")):
        value = [rank % 3] if project.question == "multi" else rank % 3
        Item.objects.filter(pk=item.pk).update(label=value, agreement=1)
        batch.tasks.create(item=item, rank=rank, free=0, outstanding=0)


def exported(project: Project) -> list[dict[str, Any]]:
    return json.loads(json.dumps([row for page in pages(project) for row in page], default=str))


def train(project: Project) -> None:
    batch = project.batches.order_by("number").first()
    assert batch is not None
    ledger.start(project=project, batch=batch, labels=N)


def state_of(project: Project) -> ledger.Ledger:
    return ledger.ledger_of(Project.objects.get(pk=project.pk))


def all_spent(*projects: Project) -> float:
    trainings = PrivateTraining.objects.filter(project__in=projects).order_by("project", "pk")
    phases = chain.from_iterable(trainings.values_list("phases", flat=True))
    return epsilon([Phase(**each) for each in phases], DELTA)


Change = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def bare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the text and the label of each item, under another id."""
    return [
        {"id": f"x{n}", "text": json.loads(row["data"])["text"], "label": row["label"]} for n, row in enumerate(rows)
    ]


def respelled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "text": f"  {row['text'].upper().replace(' ', '  ')} "} for row in bare(rows)]


def test_they_are_known_by_content_whatever_they_are_called_also_of_excluded_items(tmp_path: Path) -> None:
    original = labeled_here(folder=tmp_path)
    rows = exported(original)
    train(original)
    mona = make_member(original, "mona", Role.MANAGER)
    for slug in ("again", "behind"):
        again = project_of(slug)
        bring(again, respelled(rows)[::-1][:3], tmp_path)
        state = state_of(again)
        assert (state.spent, state.flaw) == (all_spent(original), "")
        with pytest.raises(ledger.BudgetSpent):
            train(again)
        ids = list(original.items.values_list("pk", flat=True))
        removing.remove_items(project=original, ids=ids, user=mona)


def other_words(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "text": f"{row['text']} Or not."} for row in bare(rows)]


def other_labels(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "label": "owl" if row["label"] == "cat" else "cat"} for row in bare(rows)]


def one_more(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*bare(rows), {"id": "more", "text": "A text that nobody here has ever seen.", "label": "cat"}]


def undecided(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of two people who disagree may give a label once their accuracies are known."""
    answers = [{"annotator": "annie", "value": "cat"}, {"annotator": "bert", "value": "dog"}]
    return [*bare(rows)[1:], {"id": "tie", "text": bare(rows)[0]["text"], "annotations": answers}]


def short(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": "short", "text": "fine", "label": "cat"}]


@pytest.mark.parametrize("change", some([other_words, other_labels, one_more, undecided, short], 2))
def test_where_it_cannot_be_known_what_was_spent_no_epsilon_is_stated(change: Change, tmp_path: Path) -> None:
    original = labeled_here(folder=tmp_path)
    train(original)
    again = project_of("again", privacy_epsilon=4.0)
    bring(again, change(exported(original)), tmp_path)
    state = state_of(again)
    assert state.spent is None
    assert "what was trained on them before is not known" in state.flaw
    train(again)  # in private all the same, and within the budget
    assert state_of(again).spent is None
    assert state_of(original).flaw == "", "of its own labels it is known"
    client = signed_in(make_member(again, "mona", Role.MANAGER))
    told = client.get("/api/v1/projects/again/privacy/").json()
    assert (told["spent"], [each["epsilon"] for each in told["trainings"]]) == (None, [None])


def test_the_same_short_text_ties_no_projects_together(tmp_path: Path) -> None:
    one, two = project_of("one"), project_of("two")
    for project in (one, two):
        bring(project, short([]), tmp_path)
    assert (state_of(one).elsewhere.trainings, Project.objects.exclude(family=None).count()) == (0, 0)


def test_an_import_tells_nothing_of_projects_that_the_importer_may_not_export(tmp_path: Path) -> None:
    original = labeled_here(folder=tmp_path)
    train(original)
    rows = exported(original)
    for role in (None, Role.ANNOTATOR, Role.REVIEWER, Role.ENGINEER, Role.MANAGER):
        again = project_of(f"again-{role}".lower())
        importer = make_member(again, f"mona-{role}", Role.MANAGER)
        if role is not None:
            make_member(original, importer.username, role)
        bring(again, rows, tmp_path, importer)
        state = state_of(again)
        if role in (Role.ENGINEER, Role.MANAGER):
            assert (state.spent, state.flaw) == (all_spent(original), "")
        else:
            assert (state.spent, state.elsewhere.trainings) == (None, 0)
            assert Project.objects.get(pk=original.pk).family is None


def test_labels_given_anew_to_the_same_items_are_labels_of_their_own(tmp_path: Path) -> None:
    original = labeled_here(folder=tmp_path)
    train(original)
    anew = labeled_here("anew", folder=tmp_path)
    state = state_of(anew)
    assert (state.spent, state.flaw, anew.family) == (0.0, "", None)


@pytest.mark.parametrize(
    ("budget", "flaw"),
    [(1.0, "without privacy"), (None, "not found in another project")],  # not traced without a budget
)
def test_no_epsilon_is_stated_where_the_labels_were_trained_on_without_privacy_or_a_budget(
    budget: float | None, flaw: str, tmp_path: Path
) -> None:
    original = labeled_here(folder=tmp_path, privacy_epsilon=budget)
    original.versions.create(number=1, batch=original.batches.get(), seed=1, labels=N, seconds=1)
    again = project_of("again")
    bring(again, bare(exported(original)), tmp_path)
    assert state_of(again).spent is None
    assert flaw in state_of(again).flaw


def test_a_label_that_comes_in_twice_counts_twice(tmp_path: Path) -> None:
    original = labeled_here(folder=tmp_path)
    in_one, in_two = project_of("one"), project_of("two")
    rows = bare(exported(original))
    twice = [{**row, "id": f"{row['id']}-2"} for row in rows]
    bring(in_one, [*rows, *twice], tmp_path)
    bring(in_two, rows, tmp_path)
    assert state_of(in_two).flaw == ""
    bring(in_two, twice[:1], tmp_path)
    for project in (in_one, in_two):
        assert "counts several times" in state_of(project).flaw
    assert state_of(original).flaw == "", "no training has counted one twice so far"
    train(in_one)
    assert "counted one label several times" in state_of(original).flaw


def test_a_label_that_comes_back_into_its_project_counts_twice(tmp_path: Path) -> None:
    original = labeled_here(folder=tmp_path, privacy_epsilon=4.0)
    bring(original, bare(exported(original)), tmp_path)
    assert state_of(original).spent is None
    assert "counts several times" in state_of(original).flaw


def test_items_that_are_alike_in_the_source_are_alike_in_the_copy(tmp_path: Path) -> None:
    original = project_of("original")
    bring(original, [*texts(N // 2), *({**row, "id": f"{row['id']}-2"} for row in texts(N // 2))], tmp_path)
    answer_all(original)
    again = project_of("again")
    bring(again, exported(original), tmp_path)
    assert state_of(again).flaw == ""


def test_what_is_unknown_stays_so_on_a_detour_and_in_a_copy(tmp_path: Path) -> None:
    first = project_of("first")
    bring(first, texts(label="cat"), tmp_path)
    second = project_of("second")
    bring(second, bare(exported(first)), tmp_path)
    assert "is not known" in state_of(second).flaw
    mona = make_member(first, "mona", Role.MANAGER)
    copy = duplicate(project=first, user=mona, slug="copy", name="Copy", items=True, labels=True)
    job = Job.objects.get(project=copy)
    assert Job.objects.take(job, "host:1:a", timezone.now())
    import_items(Step(job, gives_way=False))
    assert copy.items.labeled().count() == N
    assert "is not known" in state_of(copy).flaw


def test_classes_are_compared_by_name(tmp_path: Path) -> None:
    original = labeled_here(folder=tmp_path)
    classes.merge(project=original, user=None, index=0, into=2)
    again = make_project("again", classes=CLASSES[::-1], control_share=0.0, privacy_epsilon=1.0)
    bring(again, [row for row in bare(exported(original)) if row["label"] != "cat"], tmp_path)
    assert state_of(again).flaw == ""
    assert again.items.filter(label=1).exists()


@pytest.mark.parametrize(("question", "label"), [("multi", ["owl", "cat"]), ("verify", True), ("score", 2)])
def test_labels_of_all_questions_are_known_again(question: str, label: Any, tmp_path: Path) -> None:
    names = ["1", "2", "3"] if question == "score" else CLASSES
    made = [make_project(slug, classes=names, question=question, privacy_epsilon=1.0) for slug in ("one", "two")]
    rows = texts(label=label) if question != "verify" else texts(label=label, **{"class": "dog"})
    for project in made:
        bring(project, rows, tmp_path)
    assert Project.objects.filter(family=None).count() == 0


@pytest.mark.parametrize("kind", ["image", "vector"])
def test_files_and_vectors_are_known_by_what_they_hold(kind: str, tmp_path: Path) -> None:
    original, again = project_of("original", kind=kind), project_of("again", kind=kind)
    vectors = np.random.default_rng(0).normal(size=(4, 5)).tolist()
    pictures = [picture() for _ in range(4)]  # of noise
    for project in (original, again):
        if kind == "vector":
            rows = [{"id": f"{project.slug}-{n}", "vector": each, "label": "cat"} for n, each in enumerate(vectors)]
            bring(project, rows, tmp_path)
            continue
        path = tmp_path / f"{project.slug}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            lines = []
            for number, content in enumerate(pictures):
                name = f"{project.slug}-{number}.png"
                archive.writestr(name, content)
                lines.append(json.dumps({"file_name": name, "label": "cat"}))
            archive.writestr("metadata.jsonl", "\n".join(lines))
        bring_file(project, path)
    assert again.imports.get().labeled == 4
    assert Item.objects.values("fingerprint").distinct().count() == 4
    assert Project.objects.filter(family=None).count() == 0


def test_content_that_is_very_common_is_not_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_writing, "MOST_ALIKE", 1)
    alike = [{"id": f"t{number}", "text": "One and the same long text.", "label": "cat"} for number in range(4)]
    one, two = project_of("one"), project_of("two")
    bring(one, alike, tmp_path)
    bring(two, alike[:3], tmp_path)
    assert two.imports.get().untraced == 3
    assert Project.objects.exclude(family=None).count() == 0
