"""Test that `create_project` stores every setting, and reports errors in one line that names the field."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labeling.management.commands import create_project
from labeling.models import Membership, Project, User
from models_store import estimators
from models_store.estimators import NetworkLearner

pytestmark = pytest.mark.django_db

MINIMAL = ["signs", "--kind", "image", "--classes", "stop,yield"]


def test_a_project_needs_slug_kind_and_classes_alone(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_project", *MINIMAL)
    project = Project.objects.get()
    assert (project.slug, project.name, project.kind, project.question) == ("signs", "Signs", "image", "single")
    assert list(project.classes.values_list("index", "name")) == [(0, "stop"), (1, "yield")]
    assert project.loop == "running"
    assert capsys.readouterr().out == "Project signs created, with 2 classes.\n"


def test_every_setting_is_an_option() -> None:
    User.objects.create_user("mona")
    given: dict[str, Any] = {
        "question": "multi",
        "name": "Street signs",
        "prompt": "Which signs are there?",
        "guidelines": "Look twice.",
        "batch_size": 250,
        "candidate_factor": 4.5,
        "mean_cluster_size": 12.0,
        "control_share": 0.25,
        "overlap": 3,
        "lease_seconds": 120,
        "max_seconds_per_item": 600,
        "deadline_hours": 36.5,
        "complete_share": 0.8,
        "hourly_cost": Decimal("17.50"),
        "currency": "CHF",
        "strategy": "coreset",
        "class_guard": 1.5,
        "seed": 42,
        "loop": "paused",
    }
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    options += ["--training", '{"epochs": 40}', "--show-predictions", "--manager", "mona"]
    call_command("create_project", *MINIMAL, *options)
    project = Project.objects.get()
    assert {name: getattr(project, name) for name in given} == given
    assert project.training == {"epochs": 40}
    assert project.show_predictions
    assert [(m.user.username, m.role) for m in Membership.objects.all()] == [("mona", "manager")]


class Ordinal(NetworkLearner):
    name = "ordinal"

    @classmethod
    def learns(cls, question: str) -> bool:
        return question == "score"


def test_the_help_lists_the_models_of_every_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimators, "known", lambda: {each.name: each for each in (NetworkLearner, Ordinal)})
    help_text = create_project.Command().create_parser("manage.py", "create_project").format_help()
    assert "What learns from the labels: network, ordinal." in " ".join(help_text.split())


def test_a_setting_of_yes_or_no_is_turned_on_and_off() -> None:
    call_command("create_project", *MINIMAL, "--no-show-suggestions", "--no-replace-skips", "--class-proposals")
    call_command("create_project", "others", *MINIMAL[1:], "--leave-skips")
    call_command("create_project", "asked", *MINIMAL[1:], "--question", "verify", "--no-grids")
    signs, others, asked = Project.objects.order_by("pk")
    assert (signs.show_suggestions, signs.replace_skips, signs.class_proposals) == (False, False, True)
    assert (others.show_suggestions, others.replace_skips, others.class_proposals) == (True, False, False)
    assert not asked.grids, "on without the option"


def test_an_encoder_is_named_with_its_options(data_dir: Path) -> None:
    (data_dir / "weights" / "minilm").mkdir(parents=True)
    options = {"encoder": "sentence-transformers", "encoder_options": '{"folder": "minilm"}'}
    call_command("create_project", "news", "--kind", "text", "--classes", "a,b", **options)
    assert Project.objects.get().encoder == {"name": "sentence-transformers", "options": {"folder": "minilm"}}


def test_thousands_of_classes_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    names = [f"class {number}, naïve" for number in range(3000)]
    path.write_text("\ufeff" + "\r\n".join(names) + "\r\n\r\n", encoding="utf-8")
    call_command("create_project", "many", "--kind", "text", "--classes-file", str(path))
    assert list(Project.objects.get().classes.values_list("name", flat=True)) == names


@pytest.mark.parametrize(
    ("option", "value", "field"),
    [
        ("--kind", "sound", "kind"),
        ("--question", "which", "question"),
        ("--classes", "stop", "classes"),
        ("--classes", "stop,stop", "classes"),
        ("--classes", "stop,,yield", "classes"),
        ("--batch-size", "0", "batch_size"),
        ("--batch-size", "many", "batch_size"),
        ("--candidate-factor", "0.5", "candidate_factor"),
        ("--mean-cluster-size", "0", "mean_cluster_size"),
        ("--control-share", "1", "control_share"),
        ("--overlap", "26", "overlap"),
        ("--lease-seconds", "1", "lease_seconds"),
        ("--max-seconds-per-item", "604801", "max_seconds_per_item"),
        ("--deadline-hours", "0", "deadline_hours"),
        ("--complete-share", "1.1", "complete_share"),
        ("--hourly-cost", "-1", "hourly_cost"),
        ("--currency", "groats of old", "currency"),
        ("--strategy", "guess", "strategy"),
        ("--class-guard", "0.9", "class_guard"),
        ("--class-guard", "nan", "class_guard"),
        ("--seed", "-1", "seed"),
        ("--loop", "sideways", "loop"),
        ("--training", "{epochs: 4}", "training"),
        ("--training", '{"epoch": 4}', "training"),
        ("--training", "[]", "training"),
        ("--encoder", "tfidf-svd", "encoder"),
        ("--encoder", "sound", "encoder"),
        ("--encoder-options", "{}", "encoder-options"),
        ("--manager", "nobody", "manager"),
    ],
)
def test_a_fault_is_told_in_one_line_that_names_the_field(option: str, value: str, field: str) -> None:
    with pytest.raises(CommandError) as error:
        call_command("create_project", *MINIMAL, f"{option}={value}")
    assert str(error.value).startswith(f"{field}: ")
    assert "\n" not in str(error.value)
    assert not Project.objects.exists()


def test_a_slug_must_be_well_formed_and_free() -> None:
    with pytest.raises(CommandError, match=r"^slug: Use lower-case letters"):
        call_command("create_project", "Street Signs", *MINIMAL[1:])
    call_command("create_project", *MINIMAL)
    with pytest.raises(CommandError, match=r"^slug: .*already exists"):
        call_command("create_project", *MINIMAL)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["missing", "not-utf-8"])
def test_a_bad_classes_file_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "classes.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match=r"^classes-file: "):
        call_command("create_project", "x", "--kind", "text", "--classes-file", str(path))


@pytest.mark.parametrize("arguments", [[], ["x", "--kind", "text"], ["x", "--classes", "a,b"], [*MINIMAL, "--what"]])
def test_what_is_missing_is_told(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"required|unrecognized"):
        call_command("create_project", *arguments)
