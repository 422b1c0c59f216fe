"""Test that all pages format numbers alike: 19,878, never 19878."""

import pytest
from django.urls import reverse
from factories import make_items, make_open_batch, make_project
from pages import manager, text_of

from labeling.models import Batch

pytestmark = pytest.mark.django_db


def test_large_numbers_have_their_commas() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 2))
    Batch.objects.filter(pk=batch.pk).update(size=39_756, remaining=19_878, dropped=1_234)
    client = manager(project)
    pages = [reverse("home"), *(reverse(name, args=[project.slug]) for name in ("project", "project-batches"))]
    pages.append(reverse("project-batch", args=[project.slug, 1]))
    texts = [text_of(client.get(address)) for address in pages]
    assert all("19,878" in text and "19878" not in text for text in texts)
    assert all("39,756" in text and "39756" not in text for text in texts)
    assert "1,234 left out" in texts[-1]
