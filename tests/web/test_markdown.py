"""Test that managers' Markdown becomes safe HTML, whatever it contains."""

import re
import tracemalloc

import pytest

from labeling.web.shared.markdown import MAX_CHARACTERS, render_markdown
from tests.extent import some

WRITTEN = """\
# Signs

Take **what is in front**,
not what is far.

1. Stop
2. Yield
   - also when *half hidden*

| sign | key |
|------|----:|
| stop |   1 |

> In doubt, skip.

See [the catalogue](https://example.org/signs?a=1&b=2), or write to <mailto:mona@example.org>. ~~Old~~ `code`
"""


def test_what_people_write_is_laid_out() -> None:
    html = render_markdown(WRITTEN)
    for piece in (
        "<h3>Signs</h3>",
        "<strong>what is in front</strong>,<br />\nnot what",
        "<ol>\n<li>Stop</li>",
        "<li>also when <em>half hidden</em></li>",
        '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>',
        '<th class="number">key</th>',
        "<td>stop</td>",
        "<blockquote>",
        '<a href="https://example.org/signs?a=1&amp;b=2" rel="noopener" target="_blank">the catalogue</a>',
        '<a href="mailto:mona@example.org" rel="noopener" target="_blank">',
        "<s>Old</s>",
        "<code>code</code>",
    ):
        assert piece in html


def test_headings_stand_below_those_of_the_page_and_leave_no_gap() -> None:
    for written, levels in (
        ("# a\n\n## b\n\n##### c\n\n# d\n\ne\n=\n", "34533"),
        ("#### a\n\n## b\n\n### c", "334"),
        ("# a\n## b\n### c\n#### d\n##### e\n###### f", "345666"),
        ("> ## a\n\n- # b", "33"),
    ):
        html = render_markdown(written)
        assert "".join(re.findall(r"<h(\d)>", html)) == "".join(re.findall(r"</h(\d)>", html)) == levels


HARMLESS = r"p|br|h[3-6]|strong|em|s|a|code|pre|ul|ol|li|blockquote|hr|table|thead|tbody|tr|th|td|div"


def test_nothing_gets_through() -> None:
    for text in (
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<div>\n<iframe src=//evil.example></iframe>\n</div>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](java\nscript:alert(1))",
        "[a](&#106;avascript:alert(1))",
        "[a](\x01javascript:alert(1))",
        "[a](data:text/html,<script>alert(1)</script>)",
        "[a](vbscript:x) [b](file:///etc/passwd) [c](//evil.example/x) [d](/logout/) [e](logout/)",
        "<javascript:alert(1)>",
        "[a]\n\n[a]: javascript:alert(1)",
        '[a](https://example.org/" onclick="alert(1))',
        "[a](https://example.org 'title\" onclick=\"alert(1)')",
        "![tracked](https://evil.example/pixel.png)",
        "![x](javascript:alert(1))",
        '```"><script>alert(1)</script>\ncode\n```',
        "| a |\n|:-:|\n| <b onclick=x> |",
        "[a](http://[::1)",
    ):
        html = render_markdown(text)
        for tag, attributes in re.findall(r"<([a-z0-9]+)([^>]*)>", html):
            assert re.fullmatch(HARMLESS, tag)
            for name, value in re.findall(r'([\w-]+)="([^"]*)"', attributes):
                assert name in {"href", "rel", "target", "class", "tabindex", "role", "aria-label", "start"}
                assert name != "href" or re.match(r"(https?|mailto):", value)
            assert not re.search(r"\bon\w+=|\bstyle=", re.sub(r'"[^"]*"', '""', attributes))


def test_an_image_is_a_link_for_pages_load_nothing_from_elsewhere() -> None:
    html = render_markdown("![A stop sign](https://example.org/stop.png)")
    assert ">A stop sign</a>" in html
    assert "<img" not in html


@pytest.mark.parametrize(
    "piece",
    some(
        [
            ">", "[", "![", "*a_ ", "**a ", "<", "<!--", "`", "` ", "- ", "1. ", "> - ", "[a](b ", "|a", "[\n",
            "[x]: ", "~~a ", "\\",
        ],
        9,
    ),
)  # fmt: skip
def test_what_would_take_a_parser_long_is_done_at_once(piece: str) -> None:
    """Without limits, each of these texts takes quadratic time or exceeds Python's recursion limit."""
    assert render_markdown(piece * (MAX_CHARACTERS // len(piece)))
    assert render_markdown(piece * (2**20 // len(piece)))


def test_a_table_does_not_grow_beyond_what_was_written() -> None:
    columns = 1000
    html = render_markdown("|a" * columns + "\n" + "|-" * columns + "\n" + "x\n" * 2500)
    assert len(html) < 10**6


def test_a_book_is_shown_as_it_was_typed() -> None:
    html = render_markdown("# <b>\n\n" + "word " * MAX_CHARACTERS)
    assert "shown as typed" in html
    assert "# &lt;b&gt;\n\nword" in html


def test_books_are_not_kept_in_memory() -> None:
    """Without a limit, previews of sixty-four texts of five megabytes would stay in each web process."""
    book = "word " * MAX_CHARACTERS
    tracemalloc.start()
    for number in range(10):
        render_markdown(f"{number} {book}")
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < len(book)
