"""Guidelines as people write them, in Markdown, turned into HTML that can be shown to anybody.

Managers write it and everybody in the project reads it, so nothing in it is trusted: raw HTML is shown as text, links
lead to http, https and mailto alone. Images that the project has, called by their names, are shown; others become
links, for a page loads nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from labeling.models import Project
from labeling.projects.guidelines import Passage
from labeling.projects.guidelines_images import named_in
from labeling.web.shared.words import number

# Longer than any guidelines that somebody reads. Some of what can be written takes a parser time that grows with the
# square of its length: beyond this the text is shown as it is.
MAX_CHARACTERS = 20_000
MAX_NESTING = 20
SCHEMES = {"http", "https", "mailto"}
# A page has its title (h1), and the guidelines stand below a heading of their own (h2).
FIRST_HEADING, LAST_HEADING = 3, 6

_CHANGES = {
    "added": '<ins><span class="unseen">Added: </span>{}</ins>',
    "removed": '<del><span class="unseen">Removed: </span>{}</del>',
    "same": "{}",
}

register = template.Library()


class Picture(NamedTuple):
    """An image of the project that a text can show."""

    name: str
    url: str
    alt_text: str


class Renderer(RendererHTML):
    """Writes links that open beside the page, and tables that scroll by themselves. `env` has the pictures by name."""

    def link_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
        href = tokens[index].attrGet("href")
        picture = env.get(href)
        return format_html('<a href="{}" rel="noopener" target="_blank">', picture.url if picture else href)

    def image(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
        token = tokens[index]
        text = self.renderInlineAsText(token.children or [], options, env)
        src = token.attrGet("src")
        picture = env.get(src)
        if picture is None:
            return format_html('<a href="{}" rel="noopener" target="_blank">{}</a>', src, text or "Image")
        shown = format_html('<img src="{}" alt="{}" loading="lazy">', picture.url, text or picture.alt_text)
        if sum(each.nesting for each in tokens[:index] if each.type.startswith("link_")):
            return shown  # it is part of a link already
        return format_html('<a href="{}" rel="noopener" target="_blank">{}</a>', picture.url, shown)

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


def _parser(pictures: Mapping[str, Picture]) -> MarkdownIt:
    options = {"html": False, "linkify": False, "breaks": True, "maxNesting": MAX_NESTING}
    parser = MarkdownIt("commonmark", options, renderer_cls=Renderer).enable(["table", "strikethrough"])
    parser.validateLink = lambda url: url in pictures or _may_link(url)  # type: ignore[method-assign]
    return parser


def render_markdown(text: str, pictures: tuple[Picture, ...] = ()) -> SafeString:
    """The text as HTML that is safe to show. Never raises; a text beyond `MAX_CHARACTERS` comes as it was typed."""
    if len(text) > MAX_CHARACTERS:
        note = f"Longer than {number(MAX_CHARACTERS)} characters: shown as typed, without Markdown."
        return format_html('<p class="hint">{}</p>\n<p class="as-typed">{}</p>', note, text)
    return _render(text, pictures)


@register.simple_tag
def guidelines_html(project: Project | None, text: str) -> SafeString:
    """Guidelines of the project, with its images. One query if the text may name some. Without a project, none are
    shown.
    """
    return render_markdown(text, _pictures(project, text) if project else ())


@register.simple_tag
def changes_html(passage: Passage) -> SafeString:
    """A passage of guidelines with the text that came or went marked as such."""
    return format_html_join("", "{}", ((format_html(_CHANGES[span.kind], span.text),) for span in passage))


def _pictures(project: Project, text: str) -> tuple[Picture, ...]:
    # Browsers keep what an address gave: that of another image under the same name is another.
    return tuple(
        Picture(
            each.name, f"{reverse('api:guidelines-image', args=[project.slug, each.name])}?v={each.pk}", each.alt_text
        )
        for each in named_in(project, text)
    )


# A page shows the same guidelines again and again. Long texts stay out: previews of them would fill the memory.
@lru_cache(maxsize=64)
def _render(text: str, pictures: tuple[Picture, ...]) -> SafeString:
    by_name = {each.name: each for each in pictures}
    parser = _parser(by_name)
    tokens = parser.parse(text)
    _fit_headings(tokens)
    return mark_safe(parser.renderer.render(tokens, parser.options, by_name))  # noqa: S308  html is off, and what the renderer adds is escaped
