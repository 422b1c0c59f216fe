"""Filter items by their answers: the figures of the agreement page link to these items."""

from dataclasses import dataclass, fields

from django.db.models import Exists, OuterRef, Q, TextField
from django.db.models.functions import Cast

from labeling.models import Annotation, Project, User
from labeling.models.items import ItemQuerySet

Choice = int | bool


@dataclass(frozen=True, slots=True)
class Answered:
    """Conditions on one answer to an item. Conditions that are None are not checked.

    Parameters
    ----------
    annotator: the person who gave the answer; None for any person.
    answered: the class of the answer.
    against: another person answered the same task with this class.
    divided: some people chose this class for the same task, and some did not.
    unlike: this person answered the same task differently.
    known: the known answer of the gold item is this class.
    """

    annotator: User | None = None
    answered: Choice | None = None
    against: Choice | None = None
    divided: Choice | None = None
    unlike: User | None = None
    known: Choice | None = None

    def among(self, project: Project, items: ItemQuerySet) -> ItemQuerySet:
        """Return the items with an answer that meets all conditions; all items if no condition is set."""
        if all(each is None for each in (self.answered, self.against, self.divided, self.unlike, self.known)):
            return items if self.annotator is None else items.answered_by(self.annotator)
        if self.known is not None:
            items = items.filter(holds(project, "gold", self.known))
            if self.annotator is None and self.answered is None:
                return items
        answers = Annotation.objects.deciding().filter(task__batch__project=project)
        if self.annotator is not None:
            answers = answers.filter(user=self.annotator)
        if self.answered is not None:
            answers = answers.filter(holds(project, "value", self.answered))
        if self.known is not None:
            answers = answers.filter(task__is_gold=True)
        elif self.against is not None or self.divided is not None or self.unlike is not None:
            answers = answers.filter(task__is_gold=False, task__prompted=False)
        others = Annotation.objects.deciding().filter(task=OuterRef("task")).exclude(user=OuterRef("user"))
        if self.against is not None:
            answers = answers.filter(Exists(others.filter(holds(project, "value", self.against))))
        if self.divided is not None:
            chosen = holds(project, "value", self.divided)
            with_it, without_it = others.filter(chosen), others.exclude(chosen)
            answers = answers.filter((chosen & Q(Exists(without_it))) | (~chosen & Q(Exists(with_it))))
        if self.unlike is not None:
            # Compare JSON values as text: both databases write a value in one way only.
            text = Cast("value", TextField())
            differing = others.filter(user=self.unlike).annotate(text=text).exclude(text=OuterRef("text"))
            answers = answers.annotate(text=text).filter(Exists(differing))
            for target in set() if project.asks.several else set(project.merges.values()):
                merged = holds(project, "value", target)  # two different classes that are merged now agree
                answers = answers.exclude(merged & Q(Exists(others.filter(merged, user=self.unlike))))
        # Gold tasks, and tasks that ask about an item again, have the item in `repeats`.
        return items.filter(Q(pk__in=answers.values("task__item")) | Q(pk__in=answers.values("task__repeats")))


FIELDS = tuple(each.name for each in fields(Answered))


def holds(project: Project, field: str, choice: Choice) -> Q:
    """Return the condition that a stored value is this class or a list with it. Classes merged into it count, too."""
    return project.asks.holding(field, [choice, *(old for old, new in project.merges.items() if new == choice)])
