"""Renders guidelines from Markdown to safe HTML.

Managers write guidelines and every member reads them, so their text is not trusted: raw HTML is escaped, and links lead
to http, https and mailto alone. Images of the project are shown; other images become links, because pages load nothing
from other sites.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as _
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from labeling.models import Project
from labeling.projects.classes.guidelines import Passage
from labeling.projects.classes.guidelines_images import named_in
from labeling.web.shared.words import number

# Longer than any guidelines that people read. The parser's time grows with the square of the length for some inputs, so
# a longer text is shown unrendered.
MAX_CHARACTERS = 20_000
MAX_NESTING = 20
SCHEMES = {"http", "https", "mailto"}
# The page has an h1, and the guidelines stand below an h2.
FIRST_HEADING, LAST_HEADING = 3, 6

_CHANGES = {
    "added": ('<ins><span class="unseen">{} </span>{}</ins>', _("Added:")),
    "removed": ('<del><span class="unseen">{} </span>{}</del>', _("Removed:")),
    "same": ("{}{}", ""),
}

register = template.Library()


class Picture(NamedTuple):
    """An image of the project that a text may show."""

    name: str
    url: str
    alt_text: str


class Renderer(RendererHTML):
    """Renders links that open in a new tab, and tables that scroll by themselves. `env` maps names to pictures."""

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
            return format_html('<a href="{}" rel="noopener" target="_blank">{}</a>', src, text or gettext("Image"))
        shown = format_html('<img src="{}" alt="{}" loading="lazy">', picture.url, text or picture.alt_text)
        if sum(each.nesting for each in tokens[:index] if each.type.startswith("link_")):
            return shown  # the picture stands inside a link already
        return format_html('<a href="{}" rel="noopener" target="_blank">{}</a>', picture.url, shown)

    def table_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
        return format_html('<div class="scroll" tabindex="0" role="group" aria-label="{}"><table>\n', gettext("Table"))

    def table_close(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
        return "</table></div>\n"

    def _aligned(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
        """Render a cell with its alignment as a class: the content policy forbids Markdown's `style`."""
        token = tokens[index]
        right = "right" in str(token.attrGet("style") or "")
        return f'<{token.tag} class="number">' if right else f"<{token.tag}>"

    th_open = td_open = _aligned


def _fit_headings(tokens: Sequence[Token]) -> None:
    """Renumber the headings from h3 on and without gaps."""
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
    """Render the text as safe HTML. Never raises; a text longer than `MAX_CHARACTERS` is shown unrendered."""
    if len(text) > MAX_CHARACTERS:
        note = gettext("Longer than %(n)s characters: shown as typed, without Markdown.") % {
            "n": number(MAX_CHARACTERS)
        }
        return format_html('<p class="hint">{}</p>\n<p class="as-typed">{}</p>', note, text)
    return _render(text, pictures, get_language())


@register.simple_tag
def guidelines_html(project: Project | None, text: str) -> SafeString:
    """Render guidelines with the images of their project; without a project, without images.

    Takes one query if the text may name an image.
    """
    return render_markdown(text, _pictures(project, text) if project else ())


@register.simple_tag
def changes_html(passage: Passage) -> SafeString:
    """Render a passage of guidelines with its added and removed text marked."""
    spans = ((_CHANGES[span.kind], span.text) for span in passage)
    rows = ((format_html(html, word and gettext(word), text),) for (html, word), text in spans)
    return format_html_join("", "{}", rows)


def _pictures(project: Project, text: str) -> tuple[Picture, ...]:
    # The image's key in the address keeps browsers from showing a cached image that had the same name.
    return tuple(
        Picture(
            each.name, f"{reverse('api:guidelines-image', args=[project.slug, each.name])}?v={each.pk}", each.alt_text
        )
        for each in named_in(project, text)
    )


# Pages show the same guidelines often. Longer texts, which only previews have, are not cached, to save memory.
@lru_cache(maxsize=64)
def _render(text: str, pictures: tuple[Picture, ...], language: str) -> SafeString:
    # The language is for the cache alone: a few words of the page stand between those of the text.
    by_name = {each.name: each for each in pictures}
    parser = _parser(by_name)
    tokens = parser.parse(text)
    _fit_headings(tokens)
    return mark_safe(parser.renderer.render(tokens, parser.options, by_name))  # noqa: S308  html is off, and what the renderer adds is escaped
