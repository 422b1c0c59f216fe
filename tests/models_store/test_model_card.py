"""Test that the model card states the manifest in Markdown that hubs read, whatever names contain."""

import json
from typing import Any

import pytest
from markdown_it import MarkdownIt

from models_store.card import model_card

CONTROL = {"accuracy": 0.912, "low": 0.85, "high": 0.95, "n": 1200}
CALIBRATION = {
    "n": 1200, "sure": 0.95, "right": 0.912, "ece": 0.04, "low": 0.02, "high": 0.06, "chance": 0.015,
    "ece_equal_width": 0.05, "brier": 0.0711,
}  # fmt: skip


def manifest(**changes: Any) -> dict[str, Any]:
    return {
        "project": "owls", "version": 3, "parents": [2], "batch": 3, "question": "single", "n_classes": 3,
        "classes": ["barn owl", "tawny owl", "no owl"], "input_shape": [8, 8, 1], "labels": 1540,
        "labels_hash": "ab" * 32, "seed": 77, "network": {"name": "convnet"}, "encoder": {"name": "pixels"},
        "versions": {"marginalia": "0.1.0", "torch": "2.6"}, "metrics": {"control": CONTROL},
        "calibration": CALIBRATION,
        "training": {"steps": 200, "training_size": 1386, "validation_size": 154}, "privacy": {"private": False},
        **changes,
    }  # fmt: skip


def front_matter(card: str) -> dict[str, Any]:
    """Parse the front matter, whose lines are a key with JSON, which is YAML too, or a bare word."""
    lines = card.split("---\n")[1].splitlines()
    pairs = (line.split(": ", 1) for line in lines)
    return {key: json.loads(value) if value[0] in '[{"' else value for key, value in pairs}


def test_it_says_what_it_does_what_it_saw_and_how_good_it_is() -> None:
    card = model_card(manifest())
    for said in (
        "# owls, version 3",
        "It tells which one of 3 classes an item is of",
        "the 8 × 8 × 1 numbers that the encoder pixels makes of an item",
        "Classes: barn owl, tawny owl, no owl.",
        "| Labels | 1,540 |",
        f"| Their hash | `{'ab' * 32}` |",
        "| That batch was picked by version | 2 |",
        "**91.2 % accurate** on the 1,200 control items",
        "with 95 % certainty 85.0 % to 95.0 %",
        "95.0 % sure on average, and 91.2 % right",
        "Expected calibration error 4.0 % as measured",
        "without chance, with 95 % certainty, 2.0 % to 6.0 %.",
        "Brier score 0.071",
        "without differential privacy",
        "## Limits",
    ):
        assert said in card


def test_hubs_find_the_accuracy_in_front() -> None:
    found = front_matter(model_card(manifest()))
    assert found["library_name"] == "marginalia"
    assert found["tags"] == ["marginalia", "single"]
    (model,) = found["model-index"]
    assert model["results"][0]["metrics"][0]["value"] == 0.912
    assert "model-index" not in front_matter(model_card(manifest(metrics={"control": {"n": 0}})))


def test_privacy_what_is_not_known_and_of_many_classes_the_first_are_told() -> None:
    card = model_card(manifest(privacy={"epsilon": 2.5, "delta": 1e-5}))
    assert "with differential privacy: ε = 2.5 and δ = 1e-05." in card
    assert "without differential privacy" not in card
    assert model_card(manifest(metrics={}, calibration=None)).count("Not measured") == 2
    card = model_card(manifest(classes=[f"class {n}" for n in range(2000)], n_classes=2000))
    assert "class 49, and 1,950 more: see the manifest." in card
    known = ("question", "n_classes", "input_shape", "seed", "network", "versions", "training", "privacy")
    card = model_card({name: value for name, value in manifest().items() if name in known})
    assert card.count("# A model") == 1
    assert "None" not in card


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "[a](http://x.example)", "a | b\n## c", "`code`", "![i](j)", "\\", "---\nx: y"],
)
def test_no_name_becomes_markup(name: str) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).parse(
        model_card(manifest(classes=[name, "b"])).split("---\n", 2)[2]
    )
    (inline,) = (token for token in tokens if token.type == "inline" and token.content.startswith("Classes: "))
    assert {child.type for child in inline.children or []} <= {"text", "text_special"}
    shown = "".join(child.content for child in inline.children or [])
    assert shown == f"Classes: {' '.join(name.split())}, b."


def test_of_a_score_it_says_by_how_many_points_it_is_off() -> None:
    control = {**CONTROL, "mae": {"value": 0.4, "low": 0.3, "high": 0.5}}
    said = "Mean absolute error 0.400 points, with 95 % certainty 0.300 to 0.500."
    assert said in model_card(manifest(question="score", metrics={"control": control}))
    assert "absolute error" not in model_card(manifest())
