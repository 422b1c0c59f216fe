"""Examples of request and response bodies for the published schema, by the names of its components.

Examples with common parts stand here; a serializer may have its own in `example`. A test checks all of them.
"""

from __future__ import annotations

from typing import Any

from labeling.api.published.examples.classes import CLASSES
from labeling.api.published.examples.datasets import DATASETS
from labeling.api.published.examples.finishing import FINISHING
from labeling.api.published.examples.items import ITEMS
from labeling.api.published.examples.labeling import LABELING
from labeling.api.published.examples.models import MODELS
from labeling.api.published.examples.people import PEOPLE
from labeling.api.published.examples.projects import PROJECTS
from labeling.api.published.examples.sources import SOURCES
from labeling.api.published.examples.webhooks import WEBHOOKS

EXAMPLES: dict[str, Any] = {
    **PROJECTS,
    **CLASSES,
    **PEOPLE,
    **ITEMS,
    **LABELING,
    **MODELS,
    **FINISHING,
    **WEBHOOKS,
    **SOURCES,
    **DATASETS,
}
