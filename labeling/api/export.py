"""Export over HTTP."""

from labeling.api.base import ProjectView


class Export(ProjectView):
    """Streams labeled items."""
