"""Import example items into a project, as a file that its manager could have sent."""

import random

import orjson

from labeling import kinds
from labeling.intake import uploads
from labeling.models import ItemImport, Project, User

N_EXAMPLES = 200
NAME = "examples.jsonl"


def import_examples(*, project: Project, user: User) -> ItemImport:
    """Import the examples of the project's kind. A second call brings nothing new. Raises `ValidationError`."""
    kind, rng = kinds.of(project), random.Random(0)  # noqa: S311  no secret
    classes = list(project.classes.offered().values_list("name", flat=True)) if project.asks.proposes else []
    rows = (
        {"id": f"example-{number}", **kind.example(number), **({"class": rng.choice(classes)} if classes else {})}
        for number in range(1, N_EXAMPLES + 1)
    )
    chunks = (orjson.dumps(row) + b"\n" for row in rows)
    return uploads.receive(project=project, user=user, name=NAME, chunks=chunks, strict=False)
