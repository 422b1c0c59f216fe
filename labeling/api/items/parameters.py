"""The parameters that the list of items can be narrowed and sorted by."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from labeling.items.filters import MARKS, STATES
from labeling.items.order import SORTS

MAX_PAGE_SIZE = 1000
PAGE_SIZE = 100
_ASKED = {
    "flagged": "Whether an annotator flagged them.",
    "disagreement": "Whether their answers differ from the label. `false`: all agree.",
    "skips": "Whether somebody skipped them.",
    "corrected": "Whether a manager has settled them.",
    "control": "Whether they are kept for the control slice.",
    "gold": "Whether their answer is known, and checks annotators.",
    "queued": "Whether a manager wants them in the next batch.",
    "propagated": "Whether they are near-copies that have the label of another item.",
    "excluded": "Whether they are out of the pool.",
    "deleted": "Deleted ones alone. Without it, and with `false`, there are none.",
}
_ANSWERED = {
    "answered": "A class that somebody (with `annotator`, this person) answered, or for `verify` yes or no.",
    "against": "A class that another person answered in the same task. As on the page of agreement, tasks with a known "
    "answer and those with a prediction in view do not count, here and for `divided` and `unlike`.",
    "divided": "A class that some people chose and some did not, in the same task.",
    "unlike": "Somebody who answered the same task differently.",
    "known": "The known answer of gold items: a class, or for `verify` yes or no.",
}
PARAMETERS = [
    OpenApiParameter(
        "q",
        OpenApiTypes.STR,
        description="What they say: text, external id and other fields. All words must occur, the last may go on; "
        '`"quoted words"` are a phrase; `key:value` asks for a field that begins so. Case and accents do not matter.',
    ),
    OpenApiParameter(
        "search",
        OpenApiTypes.STR,
        description="A part of their external id, or of their place in the import (a file's name), in any case.",
    ),
    OpenApiParameter(
        "like",
        {"type": "integer", "minimum": 1},
        description="The id of an item: only the 240 nearest to it, by the embeddings that the pool was clustered by, "
        "or else by the encoder's features. The nearest come first.",
    ),
    OpenApiParameter("label", OpenApiTypes.STR, description="Their label: a class, or for `verify` yes or no."),
    OpenApiParameter("state", OpenApiTypes.STR, enum=list(STATES), description="`skipped`: by everybody."),
    OpenApiParameter("batch", {"type": "integer", "minimum": 1}, description="The number of their batch."),
    OpenApiParameter(
        "cluster",
        OpenApiTypes.STR,
        description="`BATCH:CLUSTER`, as in `2:17`: picked from this cluster of this batch.",
    ),
    OpenApiParameter(
        "predicted",
        OpenApiTypes.STR,
        description="`VERSION:CLASS`, as in `3:owl`, or for `verify` `3:yes`: labeled control items that this model "
        "version predicts to be of this class. With `label`, a cell of its confusion matrix. Not for `multi`.",
    ),
    OpenApiParameter("annotator", OpenApiTypes.STR, description="Somebody who answered or skipped them."),
    *(OpenApiParameter(name, OpenApiTypes.STR, description=text) for name, text in _ANSWERED.items()),
    *(OpenApiParameter(name, OpenApiTypes.BOOL, description=_ASKED[name]) for name in MARKS),
    OpenApiParameter(
        "sort",
        OpenApiTypes.STR,
        enum=list(SORTS),
        description="Their order: `newest` by default, and with `like` that of `alike`.",
    ),
    OpenApiParameter("page_size", OpenApiTypes.INT, default=PAGE_SIZE, description=f"1 to {MAX_PAGE_SIZE}."),
    OpenApiParameter("after", OpenApiTypes.STR, description="From `next`: the page behind this place."),
    OpenApiParameter("before", OpenApiTypes.STR, description="From `previous`: the page in front of this place."),
]
