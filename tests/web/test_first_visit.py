"""Test that a process loads all pages before it forks, so that its first visitor does not wait."""

import pytest
from django.template import engines
from django.test import Client
from django.urls import reverse
from factories import make_user

from config import gunicorn


@pytest.mark.django_db
def test_the_first_visit_parses_no_template(client: Client) -> None:
    loader = engines["django"].engine.template_loaders[0]
    loader.reset()
    gunicorn.load_pages()
    loaded = set(loader.get_template_cache)
    make_user("ann")
    for address in (reverse("login"), "/nowhere/"):
        assert b"</html>" in client.get(address).content
    assert set(loader.get_template_cache) == loaded
