"""The template filter that writes numbers as all pages do: `{{ batch.size|number }}`."""

from __future__ import annotations

from django import template

from labeling.web.shared.words import number

register = template.Library()
register.filter("number", number)
