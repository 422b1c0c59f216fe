"""A chart of the share of each class among the labels, compared with its share of the pool."""

from django.utils.translation import gettext, ngettext

from labeling.insight.balance import Balance, Frequency
from labeling.projects.people.invisible import isolated
from labeling.web.charts.drawing import (
    LETTERS,
    STRIPS_TOP,
    Box,
    Drawing,
    Figure,
    Mark,
    Scale,
    Text,
    shares_to,
    short,
    strips,
)
from labeling.web.shared.words import count, interval, number, percent

LEFT, RIGHT, ROW = 118, 356, 20


def class_balance(balance: Balance, batch: int | None = None) -> Figure | None:
    """Draw the most frequent classes of all labels, or of a batch's labels; None without labels."""
    if not balance.labeled:
        return None
    columns = [gettext("Class"), gettext("Labels"), gettext("Share of labels")]
    if balance.control:
        columns += [gettext("Control items"), gettext("Share of the pool, 95 % interval")]
    return Figure(
        name="balance",
        finding=finding(balance),
        note=_note(balance, batch),
        drawing=_draw(balance),
        columns=columns,
        texts=(0,),
        rows=[_class_row(each, balance) for each in balance.classes],
    )


def finding(balance: Balance) -> str:
    """Say in one sentence what the bars show."""
    first, labeled = balance.classes[0], count(balance.labeled, "labeled item")
    missing = balance.n_classes - balance.seen
    has = gettext("“%(name)s” is the most frequent label: %(share)s of %(labeled)s") % {
        "name": isolated(short(first.name, 40)),
        "share": percent(first.share),
        "labeled": labeled,
    }
    if missing > 0:
        return gettext("%(has)s; %(missing)s of %(classes)s have none yet") % {
            "has": has,
            "missing": number(missing),
            "classes": count(balance.n_classes, "class", "classes"),
        }
    if balance.n_classes > len(balance.classes):
        return gettext("%(has)s; all %(n_classes)s classes have some") % {
            "has": has,
            "n_classes": number(balance.n_classes),
        }
    last = balance.classes[-1]
    if first.labels == last.labels:
        return gettext("Every class has %(share)s of %(labeled)s") % {"share": percent(first.share), "labeled": labeled}
    rare, frequent = isolated(short(last.name, 24)), isolated(short(first.name, 24))
    return gettext("“%(frequent)s” has %(share)s of %(labeled)s, “%(rare)s” %(share2)s") % {
        "frequent": frequent,
        "share": percent(first.share),
        "labeled": labeled,
        "rare": rare,
        "share2": percent(last.share),
    }


def _note(balance: Balance, batch: int | None) -> str:
    sentences = [
        gettext("Bars: share of the labels so far.")
        if batch is None
        else gettext("Bars: share of the labels of batch %(batch)s.") % {"batch": batch}
    ]
    if balance.others:
        text = ngettext("%(n)s rarer class is not shown.", "%(n)s rarer classes are not shown.", balance.others)
        sentences.append(text % {"n": number(balance.others)})
    if balance.control:
        text = gettext(
            "Points with lines: share of all items with its 95 %% interval, estimated on %(items)s drawn at random. "
            "The two differ for classes that the model asks about more often."
        )
        sentences.append(text % {"items": count(balance.control, "control item")})
    else:
        sentences.append(gettext("The share in the pool appears once control items are labeled."))
    return " ".join(sentences)


def _draw(balance: Balance) -> Drawing:
    most = max(max(each.share, each.high if balance.control else 0) for each in balance.classes)
    ticks = shares_to(most)
    across = Scale(0, ticks[-1], LEFT, RIGHT)
    bottom = STRIPS_TOP + ROW * len(balance.classes)
    boxes, marks, texts = [], [], []
    for place, each in enumerate(balance.classes):
        y = STRIPS_TOP + ROW * place
        title = f"{isolated(each.name)}: {count(each.labels, 'label')}, {percent(each.share)}"
        boxes.append(Box(LEFT, y + 3, round(across(each.share) - LEFT, 1), ROW - 6, title=title))
        texts.append(Text(LEFT - 6, y + ROW / 2 + 4, short(each.name, LETTERS), "end", "name"))
        if balance.control:
            middle = y + ROW / 2
            hint = gettext("%(name)s in the pool: %(interval)s") % {
                "name": isolated(each.name),
                "interval": interval(each.low, each.high),
            }
            marks.append(
                Mark(across(each.pool), middle, across(each.low), middle, across(each.high), middle, hint, "over")
            )
    tick_texts = [(across(share), percent(share)) for share in ticks]
    return strips(bottom, RIGHT, tick_texts, texts, gettext("share of items"), boxes=boxes, marks=marks)


def _class_row(each: Frequency, balance: Balance) -> list[str]:
    cells = [each.name, number(each.labels), percent(each.share, exact=True)]
    return [*cells, number(each.control), interval(each.low, each.high)] if balance.control else cells
