"""The origin of a label."""

from django.db.models import TextChoices


class Origin(TextChoices):
    """Where a label comes from."""

    PERSON = "person", "by people"
    CORRECTED = "corrected", "settled by a manager"
    COPY = "copy", "as a near-copy"
    IMPORTED = "imported", "imported"
    CERTIFIED = "certified", "certified"
