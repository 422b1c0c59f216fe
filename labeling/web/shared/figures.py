"""What all templates have: `{{ batch.size|number }}` writes a number, `{% manage %} worker` a command."""

from __future__ import annotations

from django import template
from django.conf import settings

from labeling.web.shared.words import number

register = template.Library()
register.filter("number", number)


@register.simple_tag
def manage() -> str:
    """How this installation's commands are called."""
    return str(settings.COMMAND)
