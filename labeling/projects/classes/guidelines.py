"""The guidelines of a project and their versions: each save makes a version, and so does going back to an earlier one.

Every save locks the project's row, so versions come one after the other, and the newest version is the text of the
project.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext
from markdown_it import MarkdownIt

from labeling.models import Annotation, GuidelinesVersion, LogKind, Project, User
from labeling.models.projects import MAX_GUIDELINES
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.projects import quota
from labeling.projects.people.invisible import isolated
from labeling.projects.settings import errors_of

# Passages with more words are compared by lines only: the time to compare by words grows with their square.
MOST_WORDS = 1_500
MOST_LINES = 4_000
CONTEXT = 1
SUMMARY = 120

_WORD = re.compile(r"\s+|[^\s]+")


class GuidelinesError(StateConflict):
    """The guidelines cannot be changed in this way; the message says why."""


class Span(NamedTuple):
    """A piece of text; `kind` is `same`, `added` or `removed`."""

    kind: str
    text: str


Passage = list[Span]


@transaction.atomic
def save(*, project: Project, user: User | None, text: str, images_may_miss: bool = False) -> int:
    """Make `text` the project's guidelines, and return their version. A text without a change makes no new version.

    Raises `ValidationError` naming the field if the text is too long, exceeds the storage limit of the project, or,
    unless `images_may_miss`, shows an image that the project does not have.
    """
    held = Project.objects.locked(project.pk)
    text = _unix(text)
    if _unix(held.guidelines) != text:
        _count_version(held, text)
        before = held.guidelines
        if not images_may_miss and (missing := missing_images(held, text)):
            names = ", ".join(missing)
            raise ValidationError(
                {
                    "guidelines": gettext("The project has no image called %(names)s. Upload it first.")
                    % {"names": names}
                }
            )
        held.guidelines, held.guidelines_version = text, held.guidelines_version + 1
        GuidelinesVersion.objects.create(
            project=held, number=held.guidelines_version, text=text, user=user, created_at=timezone.now()
        )
        held.save(update_fields=["guidelines", "guidelines_version"])
        subject = f"version {held.guidelines_version}"
        auditlog.record(LogKind.GUIDELINES_CHANGED, project=held, subject=subject, before=before, after=text)
    project.guidelines, project.guidelines_version = held.guidelines, held.guidelines_version
    return held.guidelines_version


@transaction.atomic
def go_back(*, project: Project, user: User, number: int) -> int:
    """Make the text of an earlier version the guidelines again. Returns the new version. Raises `GuidelinesError`."""
    version = project.guidelines_versions.filter(number=number).first()
    if version is None:
        raise GuidelinesError(gettext("These guidelines have no version %(number)s.") % {"number": number})
    before = Project.objects.locked(project.pk).guidelines_version
    try:
        after = save(project=project, user=user, text=version.text)
    except ValidationError as error:
        raise GuidelinesError(error.messages[0]) from error
    if after == before:
        raise GuidelinesError(
            gettext("The guidelines already have the text of version %(number)s.") % {"number": number}
        )
    return after


def _count_version(project: Project, text: str) -> None:
    """Count a version towards the project's storage limit: versions are never removed."""
    if len(text) > MAX_GUIDELINES:
        raise ValidationError(
            {
                "guidelines": gettext("%(text)s characters are too many. Enter at most %(most)s.")
                % {
                    "text": number_format(len(text), force_grouping=True),
                    "most": number_format(MAX_GUIDELINES, force_grouping=True),
                }
            }
        )
    size = len(text.encode())
    with errors_of("guidelines"):
        quota.check_room(project, size, lock=True)
    quota.count(project, rows=size)


def missing_images(project: Project, text: str) -> list[str]:
    """Return the sorted names of images that the text shows and the project does not have. Takes one query at most."""
    named = images_in(text)
    missing = named.difference(project.guidelines_images.values_list("name", flat=True)) if named else set()
    return sorted(missing)


def images_in(text: str) -> set[str]:
    """Return the names of the project's images that the text shows. Images with a URL are left out."""
    if "![" not in text:
        return set()
    parser = MarkdownIt("commonmark")
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    inline = (child for token in parser.parse(text) for child in token.children or ())
    sources = (str(child.attrGet("src")) for child in inline if child.type == "image")
    return {unquote(source) for source in sources if not urlsplit(source).scheme}


def _unix(text: str) -> str:
    """Return the text with LF for CRLF: forms send CRLF, which must not count as a change."""
    return text.replace("\r\n", "\n")


def text_of(project: Project, number: int) -> str:
    """Return the text of a version; empty if the project has no such version. Takes one query at most."""
    if number == project.guidelines_version:
        return project.guidelines
    return project.guidelines_versions.filter(number=number).values_list("text", flat=True).first() or ""


def compare(old: str, new: str) -> list[Passage]:
    """Return the passages that changed between two texts, each with the line before and after it; none for equal
    texts.
    """
    before, after = old.splitlines(), new.splitlines()
    if len(before) + len(after) > MOST_LINES:
        return [[Span("removed", old), Span("added", new)]] if old != new else []
    return [list(_passage(before, after, group)) for group in _groups(before, after)]


def _groups(before: Sequence[str], after: Sequence[str]) -> Iterable[list[tuple[str, int, int, int, int]]]:
    return SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(CONTEXT)


def _passage(
    before: Sequence[str], after: Sequence[str], group: Sequence[tuple[str, int, int, int, int]]
) -> Iterator[Span]:
    for place, (tag, a, b, c, d) in enumerate(group):
        end = "" if place == len(group) - 1 else "\n"
        old, new = "\n".join(before[a:b]) + end, "\n".join(after[c:d]) + end
        if tag == "equal":
            yield Span("same", new)
        elif tag == "replace":
            yield from _words(old, new)
        elif tag == "delete":
            yield Span("removed", old)
        else:
            yield Span("added", new)


def _words(old: str, new: str) -> Iterator[Span]:
    before, after = _WORD.findall(old), _WORD.findall(new)
    if len(before) + len(after) > MOST_WORDS:
        yield from (Span("removed", old), Span("added", new))
        return
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            yield Span("same", "".join(before[a:b]))
            continue
        if a < b:
            yield Span("removed", "".join(before[a:b]))
        if c < d:
            yield Span("added", "".join(after[c:d]))


def summary(old: str, new: str) -> str:
    """Return the first added line, or else the first removed line, cut to `SUMMARY` characters; "" for equal lines."""
    for sentence, text, other in ((gettext("new: “%(line)s”"), new, old), (gettext("removed: “%(line)s”"), old, new)):
        known = set(other.splitlines())
        line = next((line.strip() for line in text.splitlines() if line.strip() and line not in known), "")
        if line:
            return sentence % {"line": isolated(line if len(line) <= SUMMARY else line[: SUMMARY - 1] + "…")}
    return ""


def answers_by_version(project: Project) -> dict[int, int]:
    """Return the number of standing answers by guidelines version; version 0 means none or unknown.

    Empty without a query if the guidelines have no version. Otherwise takes one query, which reads all answers.
    """
    if not project.guidelines_version:
        return {}
    answers = Annotation.objects.answers().filter(task__batch__project=project).order_by()
    return dict(answers.values_list("guidelines_version").annotate(n=Count("pk")))
