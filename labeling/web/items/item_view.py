"""Items in words, for pages. Pure functions."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext, ngettext

from labeling import kinds
from labeling.intake.row_labels import UNASKED_SECONDS
from labeling.labels.items.item_filters import State
from labeling.labels.items.records import ItemLine, ItemRecord, Names
from labeling.models import Annotation, Item, Project
from labeling.models.batches import IMPORTED
from labeling.projects.people.invisible import isolated
from labeling.questions import Question, Stored
from labeling.queue.changing import (
    ACTIONS,
    AGAIN,
    DELETE,
    ERASE,
    EXCLUDE,
    GOLD,
    INCLUDE,
    QUEUE,
    RESTORE,
    UNGOLD,
    UNQUEUE,
)
from labeling.web.batches.reasons import reason
from labeling.web.shared.forms import translated
from labeling.web.shared.words import localized, number, percent
from models_store.metrics import points_off

EXCERPT = 240
NAMED = 3  # the most annotators by name; the others are counted


def card(project: Project, line: ItemLine, names: Names) -> dict[str, Any]:
    """Return an item in a list. `state` says why an unlabeled item has no label, `origin` who gave the label."""
    item, certified = line.item, line.certified
    return {
        "item": item,
        "excerpt": excerpt(project, item) or kinds.of(project).bare,
        "label": label_text(project.asks, certified.value if certified else item.label, names),
        "state": state_text(line.state),
        "origin": _origin(line),
        "marks": list(_marks(line)),
    }


def _origin(line: ItemLine) -> str:
    if line.task is None:
        return ""
    asked = any(seconds != UNASKED_SECONDS for _, seconds in line.answers)
    unasked = line.task.batch.strategy == IMPORTED and not asked
    by = gettext("imported") if unasked else _people([username for username, _ in line.answers])
    return " · ".join(filter(None, [gettext("batch %(number)s") % {"number": line.task.batch.number}, by]))


def _marks(line: ItemLine) -> Any:
    """Yield (text, look) of each mark."""
    if line.certified:
        yield gettext("certificate %(number)s") % {"number": line.certified.certificate.number}, "good"
    if line.flagged:
        yield gettext("flagged"), "warn"
    if line.item.agreement is not None and line.item.agreement < 1:
        yield gettext("%(agreement)s agree") % {"agreement": percent(line.item.agreement)}, "warn"
    if line.corrected:
        yield gettext("settled"), "good"
    if line.item.deleted_at:
        yield gettext("deleted"), "warn"
    elif line.item.excluded_at:
        yield gettext("excluded"), "warn"
    if line.item.gold is not None:
        yield gettext("gold"), ""
    if line.item.queued_at and line.task is None:
        yield gettext("queued"), "good"
    if line.item.reserved:
        yield gettext("control"), ""


def _people(usernames: list[str]) -> str:
    more = len(usernames) - NAMED
    names = gettext(", ").join(usernames[:NAMED])
    return gettext("%(names)s and %(more)s more") % {"names": names, "more": number(more)} if more > 0 else names


def label_text(asks: Question, value: Stored | None, names: Names) -> str:
    """Return a label in words; empty for None."""
    if value is None:
        return ""
    words = asks.words(asks.show(value, names))
    return gettext(", ").join(map(gettext if asks.answers else isolated, words)) or gettext("none applies")


def state_text(state: State | None) -> str:
    return gettext(state.label) if state else gettext("not encoded yet")


def excerpt(project: Project, item: Item) -> str:
    """Return the start of the item's text for a list; empty without text."""
    return kinds.of(project).excerpt(item.data)[:EXCERPT]


def annotation_rows(record: ItemRecord) -> list[dict[str, Any]]:
    return [_answer_row(each, record, record.item.label) for each in record.annotations]


def check_rows(record: ItemRecord) -> list[dict[str, Any]]:
    """Return the answers to the item as a gold item."""
    return [_answer_row(each, record, record.item.gold) for each in record.checks]


def _answer_row(each: Annotation, record: ItemRecord, right: Any) -> dict[str, Any]:
    skipped = each.value is None
    shown = translated(each.skip_reason) if skipped else _shown(each.value, record)
    agrees = not skipped and each.value == right
    return {"row": each, "what": shown, "skipped": skipped, "agrees": agrees}


def _shown(value: Any, record: ItemRecord) -> str:
    return label_text(record.item.project.asks, value, record.names)


def correction_rows(record: ItemRecord) -> list[dict[str, Any]]:
    return [{"row": each, "what": _shown(each.value, record)} for each in record.corrections]


def came_to_be(record: ItemRecord) -> str:
    """Say in one sentence how the label came about."""
    task = record.decides
    standing = [each for each in record.annotations if each.undone_at is None and task and each.task_id == task.pk]
    answers = [each for each in standing if each.value is not None]
    if record.correction:
        confirmed = answers and all(each.value == record.item.label for each in answers)
        text = gettext("Confirmed by %(name)s.") if confirmed else gettext("Settled by %(name)s.")
        return text % {"name": record.correction.user.username}
    if task is None:
        return ""
    if record.item.again_at is not None:
        return gettext("It will be asked again in the next batch.")
    if not task.has_all_answers:
        again = gettext("%(n)s of %(all)s have answered again.")
        text = gettext("%(n)s of %(all)s have answered.") if task is record.task else again
        return text % {"n": number(len(standing)), "all": number(task.batch.overlap + task.extra)}
    if not answers:
        people = _people([each.user.username for each in standing])
        return gettext("All annotators skipped it: %(people)s.") % {"people": people} if standing else ""
    if task.batch.strategy == IMPORTED and not any(each.seconds for each in answers):
        return gettext("Imported.")
    if len(answers) == 1:
        return gettext("%(username)s’s answer.") % {"username": answers[0].user.username}
    n = len(answers)
    agreeing = sum(each.value == record.item.label for each in answers)
    if record.item.label is None:
        text = ngettext(
            "%(n)s person answered, and no answer is certain enough.",
            "%(n)s people answered, and no answer is certain enough.",
            n,
        )
    elif agreeing == n:
        text = ngettext("All %(n)s answers agree.", "All %(n)s answers agree.", n)
    else:
        text = ngettext("%(part)s of %(n)s answers agree.", "%(part)s of %(n)s answers agree.", n)
    return text % {"n": number(n), "part": number(agreeing)}


def changes(record: ItemRecord, *, labeled: bool) -> list[tuple[str, str, str]]:
    """Return (action, title, look) of each button that changes the item, in their order."""
    if record.removal:
        if record.removal.at_once:
            return []
        return _buttons((RESTORE, ERASE) if record.removal.deleted else (INCLUDE, DELETE, ERASE))
    gold = record.item.gold is not None
    offered = {
        UNQUEUE if record.item.queued_at else QUEUE: record.task is None,
        AGAIN: labeled and not record.correction,
        UNGOLD if gold else GOLD: gold or labeled,
        EXCLUDE: True,
        DELETE: True,
        ERASE: True,
    }
    return _buttons(action for action, fits in offered.items() if fits)


def _buttons(actions: Iterable[str]) -> list[tuple[str, str, str]]:
    return [(each, gettext(ACTIONS[each].title), "danger" if each in (DELETE, ERASE) else "") for each in actions]


def why_picked(record: ItemRecord) -> list[tuple[str, str, str]]:
    """Return the facts about the item's selection, as (name, value, meaning)."""
    task = record.task
    if task is None:
        return []
    version = task.batch.selection_numbered(task.selection).selected_by
    facts: list[tuple[str, Any, str]] = [
        (gettext("Picked"), reason(task.batch, task), ""),
        (
            gettext("Replaces"),
            task.replaces.shown.title if task.replaces else None,
            gettext("all annotators skipped it"),
        ),
        (gettext("Rank"), number(task.rank), gettext("the order in which a batch is given out")),
        (
            gettext("Margin"),
            None if task.margin is None else localized(f"{task.margin:.4f}"),
            gettext("best class minus second best"),
        ),
        (
            gettext("Predicted"),
            _prediction(record),
            gettext("by version %(number)s") % {"number": version.number} if version else "",
        ),
        (gettext("Cluster"), task.cluster, ""),
        (gettext("Cluster size"), task.cluster_size, gettext("candidates in it")),
        (
            gettext("Pass"),
            None if task.draw_pass is None else task.draw_pass + 1,
            gettext("of the round-robin over the clusters"),
        ),
    ]
    return [
        (name, number(value) if isinstance(value, int) else value, meaning)
        for name, value, meaning in facts
        if value is not None
    ]


def model_says(record: ItemRecord) -> list[str]:
    """Return sentences with the models' predictions for the item."""
    sentences = []
    item, taken_for = record.item, _prediction(record)
    if taken_for is not None and record.task is not None:
        version = record.task.batch.selection_numbered(record.task.selection).selected_by
        text = gettext("Before it was labeled, the model predicted %(taken_for)s.")
        if version:
            text = gettext("Before it was labeled, version %(number)s predicted %(taken_for)s.")
        sentences.append(text % {"number": version.number if version else "", "taken_for": taken_for})
    if item.likely_label is not None and item.label_quality is not None:
        sentences.append(_doubt(item, item.likely_label, percent(item.label_quality)))
    return sentences


def _doubt(item: Item, likely: int, share: str) -> str:
    """Describe the models' doubt about a label that looks wrong, with the share that they give it."""
    project = item.project
    answer = project.asks.as_answer(likely)
    name = label_text(project.asks, answer, project.names_in([answer]))
    if project.asks.per_class and item.label is not None and likely in project.asks.classes_in(item.label):
        text = gettext(
            "Models trained without this label give only %(share)s probability that it should have %(name)s."
        )
    elif project.asks.per_class:
        text = gettext(
            "Models trained without this label give only %(share)s probability that it should lack %(name)s."
        )
    elif project.asks.ordered and points_off(project.answer_count):
        text = gettext(
            "Models trained without this label predict %(name)s, and give %(share)s probability that the label is "
            "at most one point off."
        )
    else:
        text = gettext(
            "Models trained without this label predict %(name)s, and give the label only %(share)s probability."
        )
    return text % {"name": name, "share": share}


def _prediction(record: ItemRecord) -> str | None:
    if record.task is None or record.task.predicted is None:
        return None
    asks = record.item.project.asks
    name = label_text(asks, asks.as_answer(record.task.predicted), record.names)
    if record.task.confidence is None:
        return name
    return gettext("%(name)s (%(share)s sure)") % {"name": name, "share": percent(record.task.confidence)}
