"""Guidelines as people write them, in Markdown, turned into HTML that can be shown to anybody.

Managers write it and everybody in the project reads it, so nothing in it is trusted: raw HTML is shown as text, links
lead to http, https and mailto alone, and images become links, for a page loads nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from labeling.web.shared.words import number

# Longer than any guidelines that somebody reads. Some of what can be written takes a parser time that grows with the
# square of its length: beyond this the text is shown as it is.
MAX_CHARACTERS = 20_000
MAX_NESTING = 20
SCHEMES = {"http", "https", "mailto"}
# A page has its title (h1), and the guidelines stand below a heading of their own (h2).
FIRST_HEADING, LAST_HEADING = 3, 6

register = template.Library()


class Renderer(RendererHTML):
    """Writes links that open beside the page, and tables that scroll by themselves."""

    def link_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
        return format_html('<a href="{}" rel="noopener" target="_blank">', tokens[index].attrGet("href"))

    def image(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
        token = tokens[index]
        text = self.renderInlineAsText(token.children or [], options, env) or "Image"
        return format_html('<a href="{}" rel="noopener" target="_blank">{}</a>', token.attrGet("src"), text)

    def table_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
        return '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>\n'

    def table_close(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
        return "</table></div>\n"

    def _aligned(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
        """A cell. Markdown asks for its alignment by a style, which the content policy forbids: a class says it."""
        token = tokens[index]
        right = "right" in str(token.attrGet("style") or "")
        return f'<{token.tag} class="number">' if right else f"<{token.tag}>"

    th_open = td_open = _aligned


def _fit_headings(tokens: Sequence[Token]) -> None:
    """Number the headings as the page needs them: from h3 on, and without a gap, wherever the writer began."""
    above: list[int] = []
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            above = [*(each for each in above if each < level), level]
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(LAST_HEADING, FIRST_HEADING + len(above) - 1)}"


def _may_link(url: str) -> bool:
    try:
        return urlsplit(url.strip()).scheme.lower() in SCHEMES
    except ValueError:
        return False


def _parser() -> MarkdownIt:
    options = {"html": False, "linkify": False, "breaks": True, "maxNesting": MAX_NESTING}
    parser = MarkdownIt("commonmark", options, renderer_cls=Renderer).enable(["table", "strikethrough"])
    parser.validateLink = _may_link  # type: ignore[method-assign]
    return parser


@register.filter(name="markdown")
def render_markdown(text: str) -> SafeString:
    """The text as HTML that is safe to show. Never raises; a text beyond `MAX_CHARACTERS` comes as it was typed."""
    if len(text) > MAX_CHARACTERS:
        note = f"Longer than {number(MAX_CHARACTERS)} characters: shown as typed, without Markdown."
        return format_html('<p class="hint">{}</p>\n<p class="as-typed">{}</p>', note, text)
    return _render(text)


# A page shows the same guidelines again and again. Long texts stay out: previews of them would fill the memory.
@lru_cache(maxsize=64)
def _render(text: str) -> SafeString:
    parser = _parser()
    tokens = parser.parse(text)
    _fit_headings(tokens)
    return mark_safe(parser.renderer.render(tokens, parser.options, {}))  # noqa: S308  html is off, and what the renderer adds is escaped
