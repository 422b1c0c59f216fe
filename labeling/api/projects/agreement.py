"""Endpoints that measure how well annotators agree, and how often the labels of near-copies are right."""

from dataclasses import asdict
from typing import Any

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.insight.agreement import agreement_of
from labeling.insight.anchoring import anchoring_of
from labeling.insight.copy_figures import CopyFigures, copy_figures
from labeling.models import Ability
from labeling.storage.db.replica import reads


class IntervalFigures(fields.Shape):
    """A value with the ends of its 95 % interval."""

    value = fields.Float()
    low = fields.Float()
    high = fields.Float()


class PairFigures(fields.Shape):
    """The agreement of two annotators; null where they share too few items."""

    people = fields.Texts(min_length=2, max_length=2)
    items = fields.Count("That both answered.")
    differing = fields.Count("Of these, items that they answered differently.")
    percent = IntervalFigures(allow_null=True)
    kappa = IntervalFigures(allow_null=True, help_text="Cohen's κ.")


class ClassFigures(fields.Shape):
    """The answers of one class."""

    index = fields.Count()
    name = fields.Text()
    items = fields.Count("The number of items for which at least one person chose it.")
    divided = fields.Count("Of these, items for which another person did not choose it.")
    same = IntervalFigures(allow_null=True, help_text="How often another person chose it, too, if one person did.")


class ConfusionFigures(fields.Shape):
    """Two classes that different annotators gave to the same items."""

    classes = fields.Texts(min_length=2, max_length=2)
    items = fields.Count()


class CellFigures(fields.Shape):
    """How often an annotator answered one class where another was right; null: a class of `multi` not chosen."""

    answered = fields.Text(allow_null=True)
    expected = fields.Text(allow_null=True)
    n = fields.Count()


class RightFigures(fields.Shape):
    """The number of right answers, with the 95 % interval of their share."""

    right = fields.Count()
    n = fields.Count()
    low = fields.Share()
    high = fields.Share()


class PersonFigures(fields.Shape):
    """One annotator's answers compared with the right ones."""

    username = fields.Text()
    right = RightFigures()
    cells = CellFigures(many=True)


class ChosenShare(fields.Shape):
    """The number of tasks with this answer, with the 95 % interval of their share."""

    chosen = fields.Count()
    n = fields.Count()
    low = fields.Share()
    high = fields.Share()


class ChosenFigures(fields.Shape):
    """How often annotators chose the model's prediction when the page showed it, and when not."""

    prompted = ChosenShare()
    unprompted = ChosenShare()
    difference = IntervalFigures(help_text="Of the two shares.")


class AnchoringFigures(fields.Shape):
    """Whether annotators lean towards the shown predictions; null for fewer than 20 tasks with or without one."""

    first = ChosenFigures(allow_null=True, help_text="The model's first choice.")
    listed = ChosenFigures(allow_null=True, help_text="One of the five classes that are suggested, where several are.")


class AgreementSerializer(fields.Shape):
    """The agreement of a project. A coefficient is null for too few items, or if all answers are the same."""

    items = fields.Count("Items that several people answered, the newest 20,000.")
    answers = fields.Count()
    people = fields.Count()
    whole = fields.Boolean("Whether these are all items with several answers.")
    percent = IntervalFigures(allow_null=True, help_text="Share of pairs of answers to an item that are the same.")
    cohen = IntervalFigures(allow_null=True, help_text="The mean of Cohen's κ over pairs of people.")
    fleiss = IntervalFigures(allow_null=True, help_text="Fleiss' κ.")
    alpha = IntervalFigures(allow_null=True, help_text="Krippendorff's α for names.")
    ordinal = IntervalFigures(allow_null=True, help_text="Krippendorff's α for the points of a scale (`score`).")
    pairs = PairFigures(many=True)
    classes = ClassFigures(many=True)
    confusions = ConfusionFigures(many=True, help_text="The most frequent 100; none for `multi`.")
    others = PersonFigures(many=True, help_text="Against the label of the others' answers.")
    gold = PersonFigures(many=True, help_text="Against known answers.")
    anchoring = AnchoringFigures(
        allow_null=True, help_text="Of the newest 20,000 answers; null where annotators are shown no predictions."
    )


class AgreementDetail(ProjectView):
    """Return how well annotators agree beyond chance, by pair and class, and which classes each one confuses."""

    @reads()
    @answers(AgreementSerializer, needs=Ability.LABELS_READ)
    def get(self) -> dict[str, Any]:
        return asdict(agreement_of(self.project)) | {"anchoring": anchoring_of(self.project)}


class ClassCopiesFigures(fields.Shape):
    """The figures for the near-copies with one class as their label."""

    name = fields.Text()
    propagated = fields.Count("Near-copies that have it as their label.")
    right = RightFigures(help_text="Of the checked ones, those that people gave it too.")


class CopiesSerializer(fields.Shape):
    """The number of near-copies, of labels propagated to them, and of checks that confirm these labels."""

    shown = fields.Count("Near-copies that were chosen to be shown.")
    answered = fields.Count("Of these, near-copies that at least one person saw.")
    same = fields.Count("Of these, near-copies that no person took out.")
    propagated = fields.Count("Near-copies that have the label of their source.")
    due = fields.Count("Checks that wait for a batch.")
    right = RightFigures(help_text="Of the checked ones, those that people gave their source's label.")
    radius = fields.Float(
        "The greatest distance at which near-copies get the label of their source; null if none gets it yet.",
        allow_null=True,
    )
    reach = fields.Float("The greatest distance at which near-copies are shown.", allow_null=True)
    classes = ClassCopiesFigures(many=True)


class NearCopies(ProjectView):
    """Return how many near-copies have the label of their source, and how many checks confirm these labels."""

    @reads()
    @answers(CopiesSerializer, needs=Ability.LABELS_READ)
    def get(self) -> CopyFigures:
        return copy_figures(self.project)
