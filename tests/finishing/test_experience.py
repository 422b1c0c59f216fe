"""An audit is planned with probabilities that people's answers to earlier predictions have corrected."""

import numpy as np
import pytest
from django.utils import timezone
from factories import make_items, make_open_batch, make_project

from labeling.finishing.experience import Experience, batch_experience, control_experience, corrected
from labeling.models import Batch, Item, ModelVersion
from labeling.storage.arrays.files import ProjectFiles, save_array
from tests.finishing.audit_rows import make_predicted

pytestmark = pytest.mark.django_db

SURE = 0.7


def answer_batch(version: ModelVersion, *, right: int, n: int = 60, prompted: bool = False) -> None:
    """Let people answer n items that the version took to be of class 1, with SURE: `right` of them are."""
    project = version.project
    items = make_items(project, n, first=project.items.count())
    batch = make_open_batch(project, items, number=project.batches.count() + 2)
    batch.selected_by, batch.done_at = version, timezone.now()
    batch.save(update_fields=["selected_by", "done_at"])
    batch.tasks.update(predicted=1, confidence=SURE, prompted=prompted)
    for place, item in enumerate(items):
        item.label = 1 if place < right else 2
    Item.objects.bulk_update(items, ["label"])


def known_of(version: ModelVersion) -> tuple[Experience, Experience]:
    return control_experience(version.project, version, within=0), batch_experience(version.project, within=0)


@pytest.mark.parametrize(("right", "low", "high"), [(60, 0.9, 1.0), (42, 0.6, 0.8), (20, 0.2, 0.5)])
def test_answers_about_earlier_predictions_correct_probabilities(right: int, low: float, high: float) -> None:
    version = make_predicted(make_project(), 40)
    answer_batch(version, right=right)
    found = corrected(np.array([0.99, SURE, 0.5]), *known_of(version))
    assert low < found[1] < high
    assert found[0] >= found[1] >= found[2]


def test_answers_of_people_who_saw_the_prediction_correct_nothing() -> None:
    version = make_predicted(make_project(), 40)
    answer_batch(version, right=60, prompted=True)
    assert corrected(np.array([SURE]), *known_of(version)) == pytest.approx([SURE])


@pytest.mark.parametrize("on_control", [True, False])
def test_a_label_counts_with_its_own_probability(on_control: bool) -> None:
    """Of 60 labels, 20 differ from the model. If they may be wrong, they say less against it."""
    project = make_project()
    version = make_predicted(project, 60)
    if on_control:
        answer_control(version, right=40)
    else:
        answer_batch(version, right=40)
    found = {}
    for probability in (0.99, 0.6):
        project.items.filter(label=2).update(label_probability=probability)
        Batch.objects.update(done_at=timezone.now())  # as when labels get their probabilities
        found[probability] = float(corrected(np.array([SURE]), *known_of(version))[0])
    assert found[0.99] < found[0.6]


def answer_control(version: ModelVersion, *, right: int) -> None:
    """Let people label the version's items as control items: 1, which it predicts, for `right` of them, else 2."""
    project = version.project
    best = ProjectFiles(project).pool(version, "best")
    save_array(best, np.ones_like(np.load(best)))
    items = list(project.items.unpicked().order_by("-row"))
    for place, item in enumerate(items):
        item.label, item.reserved = 1 if place < right else 2, True
    Item.objects.bulk_update(items, ["label", "reserved"])
    make_open_batch(project, items, number=2).tasks.update(is_control=True)


@pytest.mark.parametrize("asked", [0, 24])
def test_control_items_that_batches_would_have_picked_stand_for_fewer_open_ones(asked: int) -> None:
    """Of 60 other items, a batch has the 30 that the version doubts, or 6 of these and 24 that an audit asks. The
    version was calibrated since: tasks keep what it had said before.
    """
    version = make_predicted(make_project(), 60)
    project = version.project
    answer_control(version, right=50)
    answer_batch(version, right=20, n=30)
    batch = project.batches.latest("pk")
    project.batches.filter(pk=batch.pk).update(pool_size=120, control_share=0.5)
    batch.tasks.filter(rank__lt=asked).update(asked=True)
    rows = np.arange(94)
    said = np.where((rows < 34) | (rows >= 64 + asked), 0.4, 0.6)
    save_array(ProjectFiles(project).pool(version, "confidence"), said.astype(np.float32))
    project.control_share = 0.0
    weight = np.asarray(control_experience(project, version, within=0).weight)
    assert weight[:30] / weight[-1] == pytest.approx([0.0 if not asked else 1 - 6 / 30] * 30)
