"""Read the values of filters from texts. Each reader raises `LookupError` with a sentence for the user."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from django.db import connection, models
from django.db.models.expressions import RawSQL
from django.utils.text import get_text_list
from django.utils.translation import gettext

from labeling.labels.items import search
from labeling.labels.items.alike import Alike, alike
from labeling.labels.items.search import Matches
from labeling.labels.items.words import read_search
from labeling.models import Batch, LabelClass, ModelVersion, Project, User
from labeling.models.items import ItemQuerySet
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.db.statements import among

# Names that the error for an unknown class proposes.
PROPOSED = 5
NUMBER = re.compile(r"\d{1,9}", re.ASCII)
ITEM_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
YES_OR_NO = {"yes": True, "true": True, "no": False, "false": False}


def read_label(project: Project, name: str) -> int | bool:
    if project.asks.proposes:
        if name.lower() not in YES_OR_NO:
            raise LookupError(gettext("Enter yes or no."))
        return YES_OR_NO[name.lower()]
    index = project.classes.filter(name=name).values_list("index", flat=True).first()
    if index is not None:
        return index
    raise LookupError(unknown_class(project, name))


def read_batch(project: Project, text: str) -> Batch:
    if not NUMBER.fullmatch(text):
        raise LookupError(gettext("Enter the number of a batch."))
    batch = project.batches.filter(number=int(text)).first()
    if batch is None:
        raise LookupError(gettext("There is no batch %(text)s in this project.") % {"text": text})
    return batch


def read_cluster(project: Project, text: str) -> tuple[Batch, int]:
    number, _, cluster = text.partition(":")
    if not NUMBER.fullmatch(number) or not ITEM_NUMBER.fullmatch(cluster):
        raise LookupError(gettext("Enter a batch number, a colon and a cluster number, for example 2:17."))
    batch = read_batch(project, number)
    if not batch.clusters:
        raise LookupError(gettext("Batch %(number)s was not picked by clusters.") % {"number": number})
    return batch, int(cluster)


def read_predicted(project: Project, text: str) -> Predicted:
    number, colon, name = text.partition(":")
    if not colon or not NUMBER.fullmatch(number):
        raise LookupError(gettext("Enter the number of a model version, a colon and a class."))
    if reason := project.asks.why_best_class_is_no_answer:
        raise LookupError(
            gettext("Predictions are not stored where %(reason)s, so they cannot be searched.") % {"reason": reason}
        )
    version = project.versions.filter(number=int(number)).first()
    if version is None:
        raise LookupError(gettext("There is no model version %(number)s in this project.") % {"number": number})
    return predicted_as(project, version, int(read_label(project, name.strip())))


@dataclass(frozen=True, slots=True)
class Predicted:
    """The rows of the labeled control items that the version predicts to be of a class."""

    version: ModelVersion
    rows: list[int]

    def among(self, items: ItemQuerySet) -> ItemQuerySet:
        """Return the items among `items` with this prediction."""
        if connection.vendor != "postgresql":
            return items.filter(row__in=among(self.rows))
        # PostgreSQL hashes an array. Of a subquery it does not know the size, and without statistics of the table it
        # may scan the whole subquery for each item.
        sql = "labeling_item.row = ANY(%s::bigint[])"
        return items.filter(RawSQL(sql, [self.rows], output_field=models.BooleanField()))  # noqa: S611  a constant, and values


def predicted_as(project: Project, version: ModelVersion, answer: int) -> Predicted:
    """Return the labeled control items that `version` predicts to be `answer`. Takes one query and one file.

    `answer` is the index of a class, or for `verify` 1 for yes and 0 for no. Raises `LookupError` if the predictions of
    the version are not stored.
    """
    rows = np.sort(np.array(project.items.measuring().order_by().values_list("row", flat=True), np.int64))
    best = ProjectFiles(project).predictions(version, "best", rows)
    if best is None:
        raise LookupError(
            gettext("Version %(number)s has no predictions yet. It makes them when it picks a batch.")
            % {"number": version.number}
        )
    return Predicted(version, rows[: len(best)][best == answer].tolist())


def read_annotator(project: Project, username: str) -> User:
    # Former members with answers count, too. The error does not reveal whether other people have an account.
    user = User.objects.filter(username=username).first()
    known = user and (
        user.memberships.filter(project=project).exists()
        or user.annotations.filter(task__batch__project=project).exists()
    )
    if user is None or not known:
        raise LookupError(
            gettext("No annotator of this project is or was called “%(username)s”.") % {"username": username[:60]}
        )
    return user


def read_words(project: Project, text: str) -> Matches:
    if terms := read_search(text):
        return search.look_up(project, terms)
    raise LookupError(gettext("Enter at least one letter or digit."))


def read_like(project: Project, text: str) -> Alike:
    item = project.items.filter(pk=int(text)).first() if ITEM_NUMBER.fullmatch(text) else None
    if item is None:
        raise LookupError(gettext("This project has no item with this id."))
    return alike(project, item)


def read_mark(project: Project, text: str) -> bool:
    if text not in YES_OR_NO:
        raise LookupError(gettext("Enter true or false."))
    return YES_OR_NO[text]


def unknown_class(project: Project, name: str) -> str:
    """Return the error text for an unknown class, with up to `PROPOSED` names that contain `name`."""
    close = classes_like(project, name, PROPOSED)
    if not close:
        return gettext("This project has no class “%(name)s”.") % {"name": name[:60]}
    sentence = gettext("This project has no class “%(name)s”. Did you mean %(names)s?")
    return sentence % {"name": name[:60], "names": get_text_list(close, gettext("or"))}


def classes_like(project: Project, text: str, n: int) -> list[str]:
    """Return up to `n` names of classes that contain `text`; names that begin with `text` come first."""
    begins = models.Case(models.When(name__istartswith=text, then=0), default=1)
    classes: models.QuerySet[LabelClass] = project.classes.filter(name__icontains=text).order_by(begins, "index")
    return list(classes.values_list("name", flat=True)[:n])
