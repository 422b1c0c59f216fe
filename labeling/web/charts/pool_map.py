"""A map of the pool that shows where the items of a batch lie among the clusters."""

from collections.abc import Callable, Sequence

import numpy as np
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_noop as _

from labeling.storage.arrays.stored import CONTROL, LABELED, PICKED, REST, PoolMap
from labeling.web.charts.drawing import Dots, Drawing, Figure, Group, Link, Text
from labeling.web.shared.words import count, number

WIDTH, HEIGHT, EDGE = 480, 340, 10
# The number of clusters with a name in the drawing, and with a row in the table.
NAMED, LISTED = 10, 20
KINDS = [(REST, "rest"), (LABELED, "labeled"), (CONTROL, "control"), (PICKED, "picked")]
LEGEND = [
    ("picked", _("picked in this batch")),
    ("control", _("drawn for control")),
    ("labeled", _("labeled before")),
    ("rest", _("the rest of the pool")),
]


Address = Callable[[int], str]
"""A function from a cluster to the address of the items that the batch picked from the cluster."""


def pool_map(pool: PoolMap, address: Address, chosen: int | None = None) -> Figure | None:
    """Draw the map, with the cluster `chosen` highlighted; None if the map has no items.

    Clusters that the batch picked from link to their items: all by a click, and the named and listed ones by keyboard.
    """
    if not len(pool.kinds):
        return None
    x = np.round(EDGE + pool.places[:, 0].astype(np.float64) * (WIDTH - 2 * EDGE), 1)
    y = np.round(HEIGHT - EDGE - pool.places[:, 1].astype(np.float64) * (HEIGHT - 2 * EDGE), 1)
    order = np.argsort(pool.clusters, kind="stable")
    names, starts = np.unique(pool.clusters[order], return_index=True)
    members = dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True))
    counts = {name: np.bincount(pool.kinds[rows], minlength=len(KINDS)) for name, rows in members.items()}
    # The clusters with the most picked items are drawn last, on top of the others.
    ranked = sorted(members, key=lambda name: (counts[name][PICKED], counts[name].sum(), -name))
    shown = chosen if chosen in members else None
    return Figure(
        name="map",
        finding=_finding(counts, shown),
        note=_note(pool),
        drawing=Drawing(
            width=WIDTH,
            height=HEIGHT,
            kind="map narrowed" if shown is not None else "map",
            groups=_groups(members, ranked, counts, pool.kinds, x, y, shown, address),
            texts=_texts(members, ranked, counts, x, y, shown),
        ),
        columns=[
            gettext("Cluster"), gettext("Picked"), gettext("For control"),
            gettext("Labeled before"), gettext("The rest"),
        ],
        rows=_rows(ranked, counts, address),
        legend=[(kind, gettext(meaning)) for kind, meaning in LEGEND],
        dotted=True,
    )  # fmt: skip


def _finding(counts: dict[int, np.ndarray], shown: int | None) -> str:
    if shown is not None:
        return gettext("Cluster %(shown)s: %(composition)s") % {
            "shown": shown,
            "composition": _composition(counts[shown]),
        }
    picked = sum(int(each[PICKED]) for each in counts.values())
    touched = sum(bool(each[PICKED]) for each in counts.values())
    return ngettext(
        "%(n)s picked item here lies in %(touched)s of %(clusters)s",
        "%(n)s picked items here lie in %(touched)s of %(clusters)s",
        picked,
    ) % {"n": number(picked), "touched": number(touched), "clusters": count(len(counts), "cluster")}


def _note(pool: PoolMap) -> str:
    return gettext(
        "%(items)s of the pool, drawn at random from each group. Items that look alike to the model of "
        "the clustering lie together; large distances mean little. Numbers are clusters: each opens the "
        "items that the batch picked from it."
    ) % {"items": count(len(pool.kinds), "item")}


def _composition(each: np.ndarray) -> str:
    picked, labeled, control, rest = (int(each[kind]) for kind in (PICKED, LABELED, CONTROL, REST))
    parts = [
        ngettext("%(n)s picked", "%(n)s picked", picked) % {"n": number(picked)},
        ngettext("%(n)s labeled before", "%(n)s labeled before", labeled) % {"n": number(labeled)},
        ngettext("%(n)s for control", "%(n)s for control", control) % {"n": number(control)} if control else "",
        ngettext("%(n)s others here", "%(n)s others here", rest) % {"n": number(rest)},
    ]
    return gettext(", ").join(filter(None, parts))


def _groups(
    members: dict[int, np.ndarray],
    ranked: Sequence[int],
    counts: dict[int, np.ndarray],
    kinds: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    shown: int | None,
    address: Address,
) -> list[Group]:
    """Make a group for each cluster. Clusters with a single unpicked item on the map share one group."""
    lone = [name for name in ranked if counts[name].sum() == 1 and counts[name][REST] and name != shown]
    groups = []
    if lone:
        groups.append(Group("", [Dots("rest", _path(np.concatenate([members[name] for name in lone]), x, y))]))
    passed, named = set(lone), set(_named(ranked, counts, shown))
    for name in [*(each for each in ranked if each != shown), *([] if shown is None else [shown])]:
        if name in passed:
            continue
        dots = []
        for kind, look in KINDS:
            rows = members[name][kinds[members[name]] == kind]
            if len(rows):
                path = _path(rows, x, y)
                dots.append(Dots(look, path))
                if kind == LABELED:
                    dots.append(Dots("hole", path))
                if kind == PICKED:  # an invisible target, large enough for a finger
                    dots.append(Dots("target", path))
        groups.append(
            Group(
                gettext("Cluster %(name)s: %(composition)s")
                % {"name": name, "composition": _composition(counts[name])},
                dots,
                "chosen" if name == shown else "cluster",
                address(name) if counts[name][PICKED] else "",
                stop=name in named and bool(counts[name][PICKED]),
            )
        )
    return groups


def _path(rows: np.ndarray, x: np.ndarray, y: np.ndarray) -> str:
    return "".join(f"M{left:g} {top:g}h0" for left, top in zip(x[rows].tolist(), y[rows].tolist(), strict=True))


def _texts(
    members: dict[int, np.ndarray],
    ranked: Sequence[int],
    counts: dict[int, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    shown: int | None,
) -> list[Text]:
    """Return names at the middle items of the clusters with the most picked items, or of the chosen one."""
    texts = []
    for name in _named(ranked, counts, shown):
        rows = members[name]
        middle = rows[np.argmin((x[rows] - x[rows].mean()) ** 2 + (y[rows] - y[rows].mean()) ** 2)]
        side, anchor = (-7, "end") if x[middle] > WIDTH - 50 else (7, "start")
        texts.append(Text(float(x[middle]) + side, float(y[middle]) + 4, str(name), anchor))
    return texts


def _named(ranked: Sequence[int], counts: dict[int, np.ndarray], shown: int | None) -> list[int]:
    return [name for name in reversed(ranked) if counts[name][PICKED]][:NAMED] if shown is None else [shown]


def _rows(ranked: Sequence[int], counts: dict[int, np.ndarray], address: Address) -> list[list[str | Link]]:
    listed = [name for name in reversed(ranked) if counts[name][PICKED]][:LISTED]
    order = (PICKED, CONTROL, LABELED, REST)
    return [[Link(str(name), address(name)), *(number(int(counts[name][kind])) for kind in order)] for name in listed]
