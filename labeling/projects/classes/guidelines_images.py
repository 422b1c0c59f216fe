"""Images of the guidelines: a manager uploads an image once, and the text shows it by its name, `![](name.png)`.

An image never changes. Adding an image, removing an image and saving the guidelines all lock the project's row, so
that no image is removed while a new version begins to show it.
"""

import re
import uuid

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext

from labeling.kinds import BadFile
from labeling.kinds.image import Image
from labeling.kinds.wording import MIB, too_large
from labeling.models import GuidelinesImage, LogKind, Project, User
from labeling.observing import auditlog
from labeling.projects import quota
from labeling.projects.classes.guidelines import GuidelinesError
from labeling.projects.people.invisible import first_invisible
from labeling.projects.settings import errors_of
from labeling.storage import media

MOST_BYTES = 5 * MIB
MOST_IMAGES = 200
MOST_NAME = 60
MOST_ALT_TEXT: int = GuidelinesImage._meta.get_field("alt_text").max_length or 0
FOLDER = "guidelines"


def add(*, project: Project, user: User | None, file_name: str, content: bytes, alt_text: str) -> GuidelinesImage:
    """Store an image under a name made from `file_name`. Raises `ValidationError` naming the field at fault."""
    alt_text = _checked(alt_text)
    opened = next(iter(Image().open([content], most_bytes=MOST_BYTES)))
    if not isinstance(opened, BadFile) and len(opened.content) > MOST_BYTES:  # a TIFF converted to a larger PNG
        opened = BadFile(too_large(MOST_BYTES))
    if isinstance(opened, BadFile):
        raise ValidationError({"file": gettext("The image %(opened)s.") % {"opened": opened}})
    shown, suffix = opened.content, opened.suffix
    with errors_of("file"):
        quota.check_room(project, len(shown))
    # A random name, not one from the content: no other image shares the file, so `remove_image` can remove it.
    path = f"{project.pk}/{FOLDER}/{uuid.uuid4().hex}{suffix}"
    media.write_content(path, shown)
    media.flush()
    image = GuidelinesImage(project=project, alt_text=alt_text, media=path, bytes=len(shown), user=user)
    try:
        _record(image, slugify(file_name.rpartition(".")[0])[:MOST_NAME] or "image", suffix)
    except BaseException:
        media.remove_content(path)
        raise
    return image


@transaction.atomic
def _record(image: GuidelinesImage, stem: str, suffix: str) -> None:
    project = Project.objects.locked(image.project_id)
    taken = set(project.guidelines_images.values_list("name", flat=True))
    if len(taken) >= MOST_IMAGES:
        raise ValidationError(
            {
                "file": gettext("There are %(most)s images already. Remove one that is not used first.")
                % {"most": MOST_IMAGES}
            }
        )
    names = (f"{stem}{suffix}" if n == 1 else f"{stem}-{n}{suffix}" for n in range(1, MOST_IMAGES + 2))
    image.name = next(name for name in names if name not in taken)
    with errors_of("file"):
        quota.check_room(project, image.bytes, lock=True)
    image.save()
    quota.count(project, media=image.bytes)
    auditlog.record(LogKind.IMAGE_ADDED, project=project, after={"name": image.name, "bytes": image.bytes})


@transaction.atomic
def remove_image(*, image: GuidelinesImage) -> None:
    """Remove an image. Raises `GuidelinesError` if a version of the guidelines names the image."""
    project = Project.objects.locked(image.project_id)
    if in_use(project, image.name):
        raise GuidelinesError(
            gettext("A version of the guidelines uses %(name)s, so it cannot be removed.") % {"name": image.name}
        )
    # No error if another request removes the image at the same time.
    media.remove_content(image.media)
    if GuidelinesImage.objects.filter(pk=image.pk).delete()[0]:
        quota.count(project, media=-image.bytes)
        auditlog.record(LogKind.IMAGE_REMOVED, project=project, before={"name": image.name, "bytes": image.bytes})


def in_use(project: Project, name: str) -> bool:
    """Return whether a version of the guidelines names the image."""
    return name in project.guidelines or project.guidelines_versions.filter(text__contains=name).exists()


def named_in(project: Project, text: str) -> list[GuidelinesImage]:
    """Return the project's images that this text names. Takes one query at most; no query for a text without links and
    images.
    """
    if "](" not in text and "]:" not in text:
        return []
    return [each for each in project.guidelines_images.all() if each.name in text]


def copy(*, project: Project, into: Project) -> None:
    """Copy the images that the guidelines of `project` name to `into`. Call in the transaction that creates `into`."""
    images = named_in(project, project.guidelines)
    copies = [
        GuidelinesImage(
            project=into,
            name=each.name,
            alt_text=each.alt_text,
            media=media.share(each.media, into.pk),
            bytes=each.bytes,
            user=each.user,
        )
        for each in images
    ]
    if copies:
        size = sum(each.bytes for each in copies)
        quota.check_room(into, size, lock=True)
        GuidelinesImage.objects.bulk_create(copies)
        quota.count(into, media=size)


def _checked(alt_text: str) -> str:
    text = re.sub(r"\s+", " ", alt_text).strip()
    if not text:
        raise ValidationError({"alt_text": gettext("Describe the image for people who cannot see it.")})
    if len(text) > MOST_ALT_TEXT:
        raise ValidationError({"alt_text": gettext("Enter at most %(most)s characters.") % {"most": MOST_ALT_TEXT}})
    if first_invisible(text) is not None:
        raise ValidationError({"alt_text": gettext("It contains an invisible character. Delete it.")})
    return text
