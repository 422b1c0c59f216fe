"""Numbers, times and steps in words, in the language of the page. Pure functions."""

import datetime
import re

from django.utils.formats import get_format
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy, ngettext

from labeling.insight.share_intervals import ENOUGH

NBSP = "\u00a0"
TOO_FEW = gettext_lazy("not enough data yet to tell")
MINUTE, HOUR, DAY = 60, 3600, 86_400


def number(n: int) -> str:
    """Format a whole number, in the language of the page: 1,797."""
    return localized(f"{n:,}")


def localized(text: str) -> str:
    """Return the text of a number with the separators of the page's language: 1,250.5 is 1.250,5 in German."""
    signs = {",": str(get_format("THOUSAND_SEPARATOR")), ".": str(get_format("DECIMAL_SEPARATOR"))}
    return "".join(signs.get(sign, sign) for sign in text)


def figure(value: float) -> str:
    """Format a number with at most six decimals and no trailing zeros: 0.9, 1,000, 0.000001."""
    return localized(f"{value:,.6f}".rstrip("0").rstrip("."))


def typed(value: float) -> str:
    """Format a number for a field of a form: like `figure`, with a point in every language and without groups."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def count(n: int, one: str, many: str = "") -> str:
    """Format a number with its noun: 1 item, 1,797 items.

    `scripts/messages.py` extracts the nouns of calls. Nouns that come in a variable need a mark of their own.
    """
    one, many = f"%(n)s {one}", f"%(n)s {many or one + 's'}"
    return ngettext(one, many, n) % {"n": number(n)}


def percent(share: float, *, exact: bool = False) -> str:
    """Format a share: 93.4 %, 94 %; with `exact`, for columns: 94.0 %. Only exact shares are shown as 0 % or 100 %."""
    text = f"{100 * share:.1f}"
    if text == "100.0" and share < 1:
        text = "99.9"
    if text == "0.0" and share > 0:
        text = "< 0.1"
    return f"{localized(text if exact else text.removesuffix('.0'))}{NBSP}%"


def accuracy(share: float, n: int, sample: str = "") -> str:
    """Format an accuracy: 94.0 %; for few items "not enough data yet to tell: 3 control items", or another sample."""
    return percent(share, exact=True) if n >= ENOUGH else f"{TOO_FEW}: {sample or count(n, 'control item')}"


def span(low: str, high: str) -> str:
    """Format a range of two numbers in words: 90.1 % to 95.2 %."""
    return gettext("%(low)s to %(high)s") % {"low": low, "high": high}


def interval(low: float, high: float) -> str:
    """Format an interval of shares: 90.1 % to 95.2 %."""
    return span(percent(low, exact=True), percent(high, exact=True))


def part(right: int, n: int) -> str:
    """Format a share of right answers: 94.0 %; for few items 4 of 5; for none –."""
    if n >= ENOUGH:
        return percent(right / n, exact=True)
    return gettext("%(part)s of %(all)s") % {"part": number(right), "all": number(n)} if n else "–"


def money(amount: float, currency: str) -> str:
    """Format an amount of money: EUR 12.50, EUR 1,250; large amounts have no cents."""
    text = localized(f"{amount:,.2f}" if amount < 100 else f"{amount:,.0f}")
    return f"{currency}{NBSP}{text}" if currency else text


def duration(seconds: float) -> str:
    """Format a duration: 0.8 s, 12 s, 3 min, 2 h 5 min, 3 days."""
    if seconds < 9.95:
        return _seconds(localized(f"{seconds:.1f}"))
    if seconds < 90:
        return _seconds(f"{seconds:.0f}")
    minutes = round(seconds / MINUTE)
    if minutes < 60:
        return _minutes(f"{minutes}")
    if seconds < DAY:
        return _hours(f"{minutes // 60}") + (f" {_minutes(f'{minutes % 60}')}" if minutes % 60 else "")
    return count(round(seconds / DAY), "day")


def phase_in_words(phase: str) -> str:
    """Translate a phase as a step reports it, such as "training the model" or "importing cats.zip".

    The phase's object, such as the name of a file, follows the translation. `scripts/messages.py` extracts the phases.
    """
    words = phase.split(" ")
    for end in range(len(words), 0, -1):
        known = " ".join(words[:end])
        if (translated := gettext(known)) != known:
            return " ".join([translated, *words[end:]])
    return phase


_TRAINING = re.compile(r"(?:training (?P<training>\d+), )?step (?P<n>[\d,]+) of (?P<all>[\d,]+), loss (?P<loss>\S+)")


def detail_in_words(detail: str) -> str:
    """Translate the detail that a training reports: "step 480 of 1,200, loss 0.31"."""
    if not (found := _TRAINING.fullmatch(detail)):
        return detail
    values = {name: localized(value or "") for name, value in found.groupdict().items()}
    text = gettext("step %(n)s of %(all)s, loss %(loss)s") % values
    return gettext("training %(training)s, %(step)s") % {**values, "step": text} if found["training"] else text


def phase_as_title(phase: str) -> str:
    """Translate a phase, with a capital letter."""
    return str(capfirst(phase_in_words(phase)))


def exact_time(at: datetime.datetime) -> str:
    """Format a time with its seconds: 2025-03-01 12:00:00 UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def distance(at: datetime.datetime, now: datetime.datetime) -> str:
    """Format a time as its distance from now: 5 min ago, in 2 days."""
    seconds = (now - at).total_seconds()
    if seconds <= -36 * HOUR:
        # By the calendar: what ends with a day ends in as many days as that day is away.
        days = ((at - datetime.timedelta.resolution).date() - now.date()).days
        return ngettext("in %(n)s day", "in %(n)s days", days) % {"n": number(days)}
    if seconds >= 36 * HOUR:
        days = round(seconds / DAY)
        return ngettext("%(n)s day ago", "%(n)s days ago", days) % {"n": number(days)}
    if 0 <= seconds < 5:
        return gettext("just now")
    sentence = gettext("in %(time)s") if seconds < 0 else gettext("%(time)s ago")
    return sentence % {"time": _rough(abs(seconds))}


def _rough(seconds: float) -> str:
    """Format a duration of less than two days with its largest unit alone."""
    if seconds < 90:
        return _seconds(f"{seconds:.0f}")
    if seconds < 90 * MINUTE:
        return _minutes(f"{seconds / MINUTE:.0f}")
    return _hours(f"{seconds / HOUR:.0f}")


def _seconds(n: str) -> str:
    return gettext("%(n)s\u00a0s") % {"n": n}


def _minutes(n: str) -> str:
    return gettext("%(n)s\u00a0min") % {"n": n}


def _hours(n: str) -> str:
    return gettext("%(n)s\u00a0h") % {"n": n}
