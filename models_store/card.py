"""The model card of a version: its manifest in Markdown, with the front matter of model hubs.

Laid out as in M. Mitchell et al., "Model Cards for Model Reporting" (2019), and as hubs read it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from models_store import questions

CLASSES_SHOWN = 50


def model_card(manifest: Mapping[str, Any]) -> str:
    """Return the model card for a manifest, with or without files and digest. Missing facts are left out."""
    name = _name(manifest)
    n, question = manifest["n_classes"], manifest["question"]
    answer = questions.named(question).card.format(n=f"{n:,}")
    encoder = manifest.get("encoder") or {}
    taken_from = f" that the encoder {_plain(encoder['name'])} makes of an item" if encoder.get("name") else ""
    shape = " × ".join(str(side) for side in manifest["input_shape"])
    parts = [
        _front_matter(manifest, name),
        f"# {_plain(name)}",
        f"It tells {answer}, and how sure it is. What it takes is not the item but the {shape} numbers{taken_from}. "
        f"What learned: {_plain(_learner(manifest['network']))}.",
        *_classes(manifest.get("classes") or []),
        *(
            ["## What it learned from", _data(manifest)]
            if "training" in manifest
            else ["## Where it comes from", _source(manifest)]
        ),
        "## How good it is",
        _accuracy(manifest),
        "## How sure it may be",
        _calibration(manifest),
        *(["## Privacy", _privacy(manifest["privacy"])] if "privacy" in manifest else []),
        "## How to load it",
        "```python\nfrom models_store import artifact\n\n"
        'model = artifact.load("FOLDER", digest="DIGEST")  # the digest is kept by the server that trained it\n```',
        "Every file is checked against its hash in `manifest.json`, and that against the digest. Nothing in the folder "
        "is a pickle: loading it runs no code. `safetensors.torch.load_file` reads the weights alone, and `network` in "
        "the manifest says what they belong to.",
        "## Limits",
        "- Its figures are about the pool that its control items were drawn from, and about nothing else.\n"
        "- A control item whose label is wrong counts against a model that is right.\n"
        "- Without the very encoder that its features came from, it says nothing of use.\n"
        "- Of what belongs to none of its classes it still names one.",
    ]
    return "\n\n".join(parts) + "\n"


def _name(manifest: Mapping[str, Any]) -> str:
    version = manifest.get("version")
    return f"{manifest.get('project') or 'A model'}{f', version {version}' if version else ''}"


def _learner(network: Mapping[str, Any]) -> str:
    """Return the name of the network or estimator."""
    return str(network.get("config", {}).get("estimator") or network["name"])


def _front_matter(manifest: Mapping[str, Any], name: str) -> str:
    """Return the front matter, written as JSON, which is valid YAML and quotes all texts."""
    lines = ["---", "library_name: marginalia", f"tags: {json.dumps(['marginalia', manifest['question']])}"]
    control = _control(manifest)
    if control:
        metric = {"type": "accuracy", "value": control["accuracy"], "name": "Accuracy on the control slice"}
        task = {"type": "other", "name": f"{manifest['question']}-label classification"}
        data = {"type": "pool", "name": str(manifest.get("project") or "pool")}
        results = [{"task": task, "dataset": data, "metrics": [metric]}]
        lines.append(f"model-index: {json.dumps([{'name': name, 'results': results}])}")
    return "\n".join([*lines, "---"])


def _classes(names: list[str]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(_plain(name) for name in names[:CLASSES_SHOWN])
    more = f", and {len(names) - CLASSES_SHOWN:,} more: see the manifest" if len(names) > CLASSES_SHOWN else ""
    return [f"Classes: {shown}{more}."]


def _in_turn(processes: list[int]) -> str | None:
    """Return the numbers of processes in words; None for a single process."""
    return None if processes == [1] else ", then ".join(map(str, processes))


def _data(manifest: Mapping[str, Any]) -> str:
    training = manifest["training"]
    rows = [
        ("Labels", manifest.get("labels")),
        ("Their hash", f"`{manifest['labels_hash']}`" if manifest.get("labels_hash") else None),
        ("Last batch", manifest.get("batch")),
        ("That batch was picked by version", ", ".join(str(each) for each in manifest.get("parents") or []) or None),
        ("Trained on", f"{training['training_size']:,} labels, in {training['steps']:,} steps"),
        ("Unlabeled items learned, too", f"{training['pool']['items']:,}" if "pool" in training else None),
        ("Processes that trained together", _in_turn(training.get("processes", [1]))),
        ("Held back to stop by", f"{training['validation_size']:,} labels"),
        (
            "Its temperature fitted to",
            f"{training['calibration_size']:,} labels that were held back"
            if training.get("calibration_size")
            else None,
        ),
        ("Seed", manifest["seed"]),
        ("Written by", f"marginalia {manifest['versions']['marginalia']}, torch {manifest['versions']['torch']}"),
    ]
    lines = [
        f"| {name} | {value:,} |" if isinstance(value, int) else f"| {name} | {value} |"
        for name, value in rows
        if value is not None
    ]
    return (
        "\n".join(["| | |", "|---|---|", *lines])
        + "\n\nIts control items are none of these: it never learned from them."
    )


def _source(manifest: Mapping[str, Any]) -> str:
    """Return the origin of a model that was trained elsewhere."""
    source = manifest["source"]
    lines = [f"| {_plain(name)} | {_plain(value)} |" for name, value in source.items()]
    return (
        "It was trained elsewhere and registered. The labels that it learned from are not known here: if there were "
        "control items among them, its figures are too good.\n\n" + "\n".join(["| | |", "|---|---|", *lines])
    )


def _control(manifest: Mapping[str, Any]) -> Mapping[str, Any] | None:
    control = (manifest.get("metrics") or {}).get("control") or {}
    return control if control.get("n") else None


def _accuracy(manifest: Mapping[str, Any]) -> str:
    control = _control(manifest)
    if control is None:
        return "Not measured: no control item was labeled when it was trained."
    low, high = _share(control["low"]), _share(control["high"])
    return (
        f"**{_share(control['accuracy'])} accurate** on the {control['n']:,} control items, drawn from the pool at "
        f"random, that were labeled when it was trained; with 95 % certainty {low} to {high} on the whole pool."
        + _mean("Mean absolute error", control.get("mae"), "points")
        + _mean("Negative log-likelihood", control.get("nll"), "nats an item")
    )


def _mean(name: str, mean: Mapping[str, Any] | None, unit: str) -> str:
    if not mean or mean["low"] is None:
        return ""
    return f" {name} {mean['value']:.3f} {unit}, with 95 % certainty {mean['low']:.3f} to {mean['high']:.3f}."


def _calibration(manifest: Mapping[str, Any]) -> str:
    later = manifest.get("calibrated_later")
    return _measured_calibration(manifest.get("calibration")) + (
        f"\n\nThat is the network by itself. How sure it may be is found after it is sealed: where `{later}` lies "
        "beside the manifest, that says so, and `artifact.load` goes by it."
        if later
        else ""
    )


def _measured_calibration(measured: Mapping[str, Any] | None) -> str:
    if not measured:
        return "Not measured: there was no control item, or no single answer whose confidence could be held against it."
    sure, right, ece, low, high, chance = (
        _share(measured[name]) for name in ("sure", "right", "ece", "low", "high", "chance")
    )
    return (
        f"On the same {measured['n']:,} control items it was {sure} sure on average, and {right} right. Expected "
        f"calibration error {ece} as measured, where chance alone makes up to {chance} of a perfect model; without "
        f"chance, with 95 % certainty, {low} to {high}. Brier score {measured['brier']:.3f}."
    )


def _privacy(privacy: Mapping[str, Any]) -> str:
    if privacy.get("epsilon") is None:
        return (
            "It was trained without differential privacy: whoever has the weights may be able to tell whether a "
            "certain item was among its labels. Give it to those who may see the labels."
        )
    delta = f" and δ = {privacy['delta']:g}" if privacy.get("delta") is not None else ""
    return (
        f"It was trained with differential privacy: ε = {privacy['epsilon']:.4g}{delta}. One item more or less among "
        "those that it learned from makes no outcome of the training more than e^ε times as likely, but for a chance "
        "of δ. Its figures on control items are not covered. What ε rests on is in the manifest, under `privacy`."
    )


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _plain(text: Any) -> str:
    """Return the text on one line, with Markdown's characters escaped."""
    return re.sub(r"([\\`*_{}\[\]<>()#|!~&$])", r"\\\1", " ".join(str(text).split()))
