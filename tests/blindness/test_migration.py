"""Projects from before: each gets a secret, and those without a batch new control items."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from old_tables import old_tables


def old_key(seed: int, external_id: str) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed}/control/{external_id}".encode()).digest()[:6], "big") / 2**48


@pytest.mark.django_db(transaction=True)
def test_existing_projects_get_what_nobody_can_foresee(tmp_path: Path) -> None:
    with old_tables(tmp_path) as forward:
        apps = forward("0017_privacy_noise")
        old_project, old_item = (apps.get_model("labeling", name) for name in ("Project", "Item"))
        for slug in ("fresh", "begun"):
            project = old_project.objects.create(slug=slug, name=slug, kind="text", seed=7, control_share=0.1)
            keys = {f"item-{n}": old_key(7, f"item-{n}") for n in range(1500)}
            old_item.objects.bulk_create(
                old_item(project=project, external_id=name, control_key=key, is_control=key < 0.1)
                for name, key in keys.items()
            )
        apps.get_model("labeling", "Batch").objects.create(project=project, number=1)
        projects = forward("0018_blind_control").get_model("labeling", "Project").objects
        fresh, begun = projects.get(slug="fresh"), projects.get(slug="begun")
        assert len(bytes(fresh.secret)) == len(bytes(begun.secret)) == 32
        assert bytes(fresh.secret) != bytes(begun.secret)
        before = {name for name, key in keys.items() if key < 0.1}
        reserved = {
            project.slug: set(project.items.filter(is_control=True).values_list("external_id", flat=True))
            for project in (fresh, begun)
        }
        assert reserved["begun"] == before, "a new draw from what is left would be no fair sample"
        assert len(reserved["fresh"] & before) < 0.5 * len(before)
        assert 100 < len(reserved["fresh"]) < 200
