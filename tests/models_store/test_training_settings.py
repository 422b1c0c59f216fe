"""Test the checks of a project's `training` setting and their messages."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from models_store.config import TrainConfig


def test_given_values_replace_defaults_the_rest_stays_and_all_survives_json():
    assert TrainConfig.from_dict({}) == TrainConfig()
    config = TrainConfig.from_dict({"epochs": 5, "learning_rate": 0.01, "max_seconds": None, "augment": False})
    assert config == dataclasses.replace(TrainConfig(), epochs=5, learning_rate=0.01, augment=False)
    assert TrainConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config
    assert TrainConfig.from_dict({"weight_decay": 0, "max_seconds": 60}).max_seconds == 60, "whole numbers will do"


def test_an_unknown_name_is_named_beside_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown epoch; known: epochs, batch_size, .*augment") as caught:
        TrainConfig.from_dict({"epoch": 3})
    assert "\n" not in str(caught.value)


def test_what_is_no_object_of_settings_is_refused_and_all_wrong_values_are_told_at_once():
    for value in ([], "epochs=3", None, 3):
        with pytest.raises(ValueError, match="expected an object of settings"):
            TrainConfig.from_dict(value)
    with pytest.raises(ValueError, match=r"epochs must be .*; batch_size must be "):
        TrainConfig.from_dict({"epochs": 0, "batch_size": 0})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 10**400),
        ("epochs", 2.0),
        ("epochs", True),
        ("epochs", "3"),
        ("epochs", None),
        ("batch_size", -1),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate", 0),
        ("learning_rate", "fast"),
        ("validation_share", 0.6),
        ("max_seconds", 0),
        ("augment", 1),
        ("augment", None),
        ("loss", "hinge"),
        ("loss", None),
        ("secondary", ["sb-ece"]),
        ("temperature", True),
    ],
)
def test_a_value_of_the_wrong_type_or_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=f"^training: {name} must be "):
        TrainConfig.from_dict({name: value})


def test_every_setting_says_what_it_means_and_its_default_is_within_bounds():
    for item in dataclasses.fields(TrainConfig):
        assert item.metadata["meaning"].endswith(".")
        if "choices" in item.metadata:
            assert item.default in item.metadata["choices"]
            continue
        assert item.default is None or item.metadata["low"] <= item.default <= item.metadata["high"]


@pytest.mark.long
def test_settings_encoders_and_metrics_load_without_torch():
    code = (
        "import sys, models_store.config, models_store.encoders, models_store.metrics; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
