"""A forecast, audits and certificates in words. Pure functions."""

from collections.abc import Sequence

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_noop as _

from labeling.finishing.forecasts import Forecast
from labeling.finishing.goal import Goal
from labeling.finishing.progress import PoolProgress
from labeling.finishing.state import AuditState
from labeling.insight.pace import Pace
from labeling.labels.label_counts import counts_of
from labeling.models import Audit, Project
from labeling.questions import Question
from labeling.web.charts.payoff import about
from labeling.web.shared.words import HOUR, MINUTE, count, duration, figure, money, number, percent

CLASSES_SHOWN, RARE_SHOWN = 50, 5
IN_WORDS = (
    *("", _("one person"), _("two people"), _("three people"), _("four people")),
    *(_("five people"), _("six people"), _("seven people")),
)


def sentence(progress: PoolProgress, *, with_work: bool = True) -> str:
    """Say how far the pool is from finished, and people's work until then unless a forecast says it."""
    labeled = progress.labeled + progress.certified
    parts = [gettext("%(part)s of %(all)s labeled") % {"part": number(labeled), "all": number(progress.pool)}]
    if progress.wrong is not None:
        by_class = gettext("%(share)s wrong at most about any one class")
        text = by_class if progress.by_class else gettext("%(share)s wrong at most")
        wrong = text % {"share": percent(progress.wrong)}
        if not progress.by_gold and progress.people_wrong:
            expected = gettext("%(wrong)s if %(share)s of people’s labels are wrong")
            wrong = expected % {"wrong": wrong, "share": percent(progress.people_wrong)}
        parts.append(wrong)
    if progress.later:
        text = ngettext(
            "%(n)s item added since the last audit", "%(n)s items added since the last audit", progress.later
        )
        parts.append(text % {"n": number(progress.later)})
    if progress.seconds and with_work:
        work = _work(progress.seconds, progress.people)
        parts.append(gettext("%(work)s to the end") % {"work": work})
    return gettext("; ").join(parts) + "."


def _work(seconds: float, people: int) -> str:
    """Say how long so many people work who share these seconds."""
    shown = gettext(IN_WORDS[people]) if people < len(IN_WORDS) else count(people, "person", "people")
    return gettext("about %(time)s of %(people)s") % {"time": _time(seconds / people), "people": shown}


def _time(seconds: float) -> str:
    """Format people's time: hours, as work is counted, however many there are."""
    if seconds >= 90 * MINUTE:
        return count(round(seconds / HOUR), "hour")
    return count(max(round(seconds / MINUTE), 1), "minute")


def goal_words(goal: Goal, asks: Question) -> str:
    """Return the goal for a sentence: at most 2 % wrong in the whole pool, with 95 % confidence."""
    if asks.per_class and goal.by_class:
        text = gettext("at most %(error)s of the items wrong about each class, with %(sure)s confidence")
    elif asks.per_class:
        text = gettext("at most %(error)s of the items wrong about one class or more, with %(sure)s confidence")
    elif goal.by_class:
        text = gettext("at most %(error)s wrong of each class, with %(sure)s confidence")
    else:
        text = gettext("at most %(error)s wrong in the whole pool, with %(sure)s confidence")
    words = text % {"error": percent(goal.error), "sure": percent(goal.confidence)}
    near = gettext("%(goal)s, a score one point off counting as right")
    return near % {"goal": words} if goal.within else words


def figures(project: Project, forecast: Forecast, pace: Pace, *, with_cost: bool) -> list[tuple[str, str, str]]:
    """Return rows (name, value, detail). `with_cost` adds the cost if the project has an hourly cost."""
    seconds, by_hand = forecast.seconds(pace), forecast.seconds_by_hand(pace)
    people = max(pace.active, 1)
    left = {"items": count(forecast.left, "item"), "error": percent(forecast.error)}
    rows = [
        (
            gettext("The model labels"),
            _about(about(forecast.labels)) if forecast.labels else gettext("none"),
            gettext("of %(items)s without a label; about %(error)s of them wrong") % left
            if forecast.labels
            else gettext("of %(items)s without a label") % left,
        ),
        (
            gettext("The audit asks"),
            _about_items(forecast.audit) if forecast.audit else gettext("nothing"),
            gettext("in ordinary tasks") if forecast.audit else "",
        ),
        (gettext("People look at"), _about_items(forecast.asked), gettext("in all, the audit included")),
        (
            gettext("Work"),
            _work(seconds, people),
            gettext("without the model %(amount)s") % {"amount": _work(by_hand, people)},
        ),
    ]
    if with_cost and project.hourly_cost is not None:
        cost = [money(float(project.hourly_cost) * each / HOUR, project.currency) for each in (seconds, by_hand)]
        rows.append((gettext("Cost"), _about(cost[0]), gettext("without the model %(amount)s") % {"amount": cost[1]}))
    return rows


def _about(amount: str) -> str:
    return gettext("about %(amount)s") % {"amount": amount}


def _about_items(n: int) -> str:
    return gettext("about %(n)s items") % {"n": about(n)}


def class_rows(project: Project, forecast: Forecast) -> list[tuple[str, str, str, str]]:
    """Return the classes with the most candidates: name, candidates, labels of the model, items of the audit."""
    shown = forecast.classes[:CLASSES_SHOWN]
    names = project.answer_names({each.index for each in shown})
    return [
        (
            names.get(each.index, str(each.index)),
            number(each.candidates),
            _about(about(each.labels)) if each.labels else gettext("people label it"),
            _about(about(each.audit)) if each.audit else "–",
        )
        for each in shown
    ]


def rare_classes(project: Project, goal: Goal) -> str:
    """Name the classes of which the goal says little, since fewer items have them than may be wrong; "" if none.

    Only where each class of an item is a decision of its own: a model that never gives such a class keeps the goal.
    """
    if not project.asks.per_class:
        return ""
    counts = counts_of(project.asks, project.batches.select_related("label_counts"))
    offered = list(project.classes.offered().order_by("index").values_list("index", "name"))
    rare = [name for index, name in offered if counts.classes.get(index, 0) <= goal.error * counts.items]
    if not rare:
        return ""
    values = {
        "share": percent(goal.error),
        "names": ", ".join(f"“{name}”" for name in rare[:RARE_SHOWN]),
        "others": count(len(rare) - RARE_SHOWN, "other"),
    }
    if len(rare) > RARE_SHOWN:
        return (
            gettext(
                "The goal says little about classes that at most %(share)s of the labeled items have: a model that "
                "never predicts them can still reach the goal. Here: %(names)s and %(others)s."
            )
            % values
        )
    return (
        gettext(
            "The goal says little about classes that at most %(share)s of the labeled items have: a model that "
            "never predicts them can still reach the goal. Here: %(names)s."
        )
        % values
    )


def basis(forecast: Forecast, pace: Pace) -> str:
    """Say what the forecast stands on."""
    each = forecast.answers_each
    sentence = (
        gettext("Estimated with version %(version)s from %(items)s, at %(pace)s per answer and %(answers)s per item.")
        if pace.seconds is not None
        else gettext(
            "Estimated with version %(version)s from %(items)s, at an assumed %(pace)s per answer and %(answers)s "
            "per item."
        )
    ) % {
        "version": forecast.version,
        "items": count(forecast.control, "control item"),
        "pace": duration(pace.estimate),
        "answers": gettext("one answer") if each == 1 else gettext("%(n)s answers") % {"n": figure(round(each, 1))},
    }
    proof = gettext("Only the audit proves it: if the model is worse, the audit asks more or proves less.")
    return f"{sentence} {proof}"


def stage(audits: Sequence[AuditState], progress: PoolProgress, *, is_over: bool) -> str:
    """Say what a running goal does now. `is_over`: no batch is at work, and none follows."""
    asking = [each for each in audits if each.audit.state == Audit.State.ASKING]
    if is_over and not progress.left:
        return gettext("The goal is reached: all items have a label.")
    if is_over:
        text = ngettext(
            "No batch follows. %(left)s item without a label waits for a manager.",
            "No batch follows. %(left)s items without a label wait for a manager.",
            progress.left,
        )
        return text % {"left": number(progress.left)}
    if not asking:
        return gettext(
            "No audit is running. The next one begins when further training would take more answers than it saves."
        )
    answered, asked = (sum(getattr(each, name) for each in asking) for name in ("answered", "asked"))
    return gettext("Audit %(attempt)s is under way: %(answered)s of %(items)s asked so far.") % {
        "attempt": asking[0].audit.attempt,
        "answered": number(answered),
        "items": count(asked, "item"),
    }


def one_more(n: int) -> str:
    """Say that n items need one more person; "" if none does."""
    sentence = ngettext(
        "%(n)s item needs one more person: all who can be asked have answered already.",
        "%(n)s items need one more person: all who can be asked have answered already.",
        n,
    )
    return sentence % {"n": number(n)} if n else ""
