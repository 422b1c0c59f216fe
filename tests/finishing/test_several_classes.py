"""A goal where an item may have several classes: whole labels are proven, or each class by itself."""

import json
from pathlib import Path

import numpy as np
import pytest
from factories import make_member
from goals import advance, answer_draws, answer_until_proven, make_goal

from labeling.finishing.audits import Outcome, outcomes, settle_classes
from labeling.finishing.candidates import load
from labeling.finishing.people import errors_of
from labeling.finishing.planning import most_wrong_of
from labeling.labels import corrections
from labeling.models import Audit, Certificate, CertifiedLabel, LogEntry, LogKind, Project, Role
from labeling.projects.classes import changing as classes
from labeling.storage.arrays.files import ProjectFiles
from tests.extent import some

pytestmark = pytest.mark.django_db

WRONG = 25
"""The version gives each such item a class too many: 4 % of whole labels, 0.4 % of the labels of each class."""


@pytest.fixture(scope="module")
def made(once: Path) -> Project:
    return make_goal(1200, question="multi", wrong=WRONG, goal={"by_class": True, "error": 0.05})


def wrong_by_class(project: Project) -> np.ndarray:
    """Return how many certified labels are wrong about each class."""
    wrong = np.zeros(project.answer_count, int)
    for label in CertifiedLabel.objects.standing().filter(certificate__project=project).select_related("item"):
        wrong[list(set(label.value) ^ set(label.item.truth))] += 1
    return wrong


@pytest.mark.parametrize(
    ("answers", "outcome", "about"),
    [
        ([], Outcome.UNDECIDED, None),
        ([{1, 2}], Outcome.RIGHT, set()),
        ([{1}], Outcome.UNDECIDED, None),
        ([{1}, {1}], Outcome.WRONG, {2}),
        ([{1}, {1, 2}], Outcome.UNDECIDED, None),
        ([{1}, {1, 2}, {1, 2, 5}], Outcome.RIGHT, set()),  # each class by itself, though no two answers are equal
        ([{1}, {1, 3}], Outcome.WRONG, {2}),  # the first answer without 3 agrees with the model
        ([{3}, {3}], Outcome.WRONG, {1, 2, 3}),
    ],
)
def test_each_class_of_a_draw_is_settled_by_itself(
    answers: list[set[int]], outcome: Outcome, about: set[int] | None
) -> None:
    found = settle_classes({1, 2}, answers)
    assert found.outcome is outcome
    assert found.about == about


def test_each_class_is_proven_by_one_audit_of_whole_labels(project: Project) -> None:
    audit = Audit.objects.get()
    assert (audit.of_class, audit.each_class) == (None, True)
    answers = answer_until_proven(project)
    certificate = Certificate.objects.get()
    wrong = wrong_by_class(project)
    assert certificate.labels == CertifiedLabel.objects.standing().count() > 700
    assert wrong.max() <= certificate.most_wrong < certificate.labels * 0.08
    assert all(len(label.value) in (1, 2) for label in CertifiedLabel.objects.all()[:50])
    written = json.loads(ProjectFiles(project).owned(certificate).read_bytes())
    assert "wrong about any one class" in written["statement"]
    assert written["plan"]["each_class"]
    found = [draw for draw in written["draws"] if draw["wrong"]]
    assert len(written["draws"]) == answers
    assert all(len(draw["wrong_about"]) == 1 for draw in found)
    assert len(found) == certificate.found
    whole, about_one = (most_wrong_of(project, by_class=by_class) for by_class in (False, True))
    assert (whole, about_one) == (10 * certificate.most_wrong, certificate.most_wrong)


def test_an_item_that_no_person_can_answer_counts_as_wrong_about_each_class(project: Project) -> None:
    answer_draws(project, 40)
    audit = Audit.objects.get()
    before = outcomes(audit)
    item = project.items.get(pk=int(load(audit).items[before.ranks[0]]))
    item.excluded_at = "2026-01-01T00:00:00Z"
    item.save(update_fields=["excluded_at"])
    found = outcomes(audit)
    assert found.wrong[0].all()
    assert found.wrong.shape == (40, len(found.classes) + 1)
    assert found.against.sum() == before.against.sum() + 1


@pytest.mark.parametrize("change", some(["add", "merge", "split", "restore"]))
def test_a_change_of_classes_suspends_all_certificates(project: Project, change: str) -> None:
    if change == "restore":
        classes.archive(project=project, user=None, index=9)
    answer_until_proven(project)
    assert Certificate.objects.standing().exists()
    if change == "add":
        classes.add(project=project, user=None, name="ten")
    elif change == "merge":
        classes.merge(project=project, user=None, index=3, into=4)
    elif change == "split":
        classes.split(project=project, user=None, index=3, into=["a", "b"])
    else:
        classes.restore(project=project, user=None, index=9)
    assert not Certificate.objects.standing().exists()
    assert "Its items are in the pool again" in Certificate.objects.get().suspended_for
    assert LogEntry.objects.get(kind=LogKind.CERTIFICATE_SUSPENDED).subject == "certificate 1"
    advance(project)
    assert not CertifiedLabel.objects.exists()


def test_a_new_class_ends_an_audit(project: Project) -> None:
    answer_draws(project, 20)
    classes.add(project=project, user=None, name="ten")
    advance(project)
    audit = Audit.objects.get(attempt=1)
    assert (audit.state, audit.reason) == ("ended", "Classes have changed.")


@pytest.mark.long
def test_corrections_count_by_class(project: Project) -> None:
    answer_until_proven(project)
    manager = make_member(project, "mona", Role.MANAGER)
    certificate = Certificate.objects.get()
    most = certificate.most_wrong
    labels = list(certificate.certified_labels.select_related("item").exclude(value=[0])[: 2 * most + 2])
    for place, label in enumerate(labels):
        other = place % 2  # half of them lack the class 0, half the class 1
        corrections.correct(item=label.item, user=manager, value=sorted({*label.value} ^ {other}))
        certificate.refresh_from_db()
        assert (certificate.suspended_at is not None) == (place >= 2 * most)
        if certificate.suspended_at:
            break
    assert f"{most + 1} of its labels were corrected about one class" in certificate.suspended_for


@pytest.mark.long
def test_whole_labels_are_proven_too() -> None:
    project = make_goal(1200, slug="whole", question="multi", wrong=100, goal={"error": 0.06})
    audit = Audit.objects.get(project=project)
    assert not audit.each_class
    answer_until_proven(project)
    certificate = Certificate.objects.get(project=project)
    labels = certificate.certified_labels.select_related("item")
    assert sum(label.value != label.item.truth for label in labels) <= certificate.most_wrong
    written = json.loads(ProjectFiles(project).owned(certificate).read_bytes())
    assert "wrong about one class or more" in written["statement"]
    assert "wrong_about" not in written["draws"][0]


def test_people_err_about_each_class(project: Project) -> None:
    whole = errors_of(project)
    assert whole.answer > 0.15, "3 % about each of eight classes"
    about_one = whole.stated_for(True)
    assert about_one.answer == pytest.approx(whole.answer / 8)
    assert about_one.missed == pytest.approx(whole.missed, rel=0.2)
    assert whole.stated_for(False) == whole
