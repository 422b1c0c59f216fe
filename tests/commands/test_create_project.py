"""Test that `create_project` stores every setting and `add_member` creates accounts, roles and tokens, with errors in
one line.
"""

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from labeling.management.commands import create_project
from labeling.models import Assignment, Membership, Project, User
from models_store import estimators
from models_store.estimators import NetworkLearner
from tests.factories import make_items, make_open_batch, make_project

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
        "daily_limit": 600,
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


FAULTS = {
    "--kind": ["sound"],
    "--question": ["which"],
    "--classes": ["stop", "stop,stop", "stop,,yield"],
    "--batch-size": ["0", "many"],
    "--candidate-factor": ["0.5"],
    "--mean-cluster-size": ["0"],
    "--control-share": ["1"],
    "--overlap": ["26"],
    "--lease-seconds": ["1"],
    "--deadline-hours": ["0"],
    "--complete-share": ["1.1"],
    "--hourly-cost": ["-1"],
    "--currency": ["groats of old"],
    "--strategy": ["guess"],
    "--class-guard": ["0.9", "nan"],
    "--seed": ["-1"],
    "--loop": ["sideways"],
    "--training": ["{epochs: 4}", '{"epoch": 4}', "[]"],
    "--encoder": ["tfidf-svd", "sound"],
    "--encoder-options": ["{}"],
    "--manager": ["nobody"],
}


def test_a_fault_is_told_in_one_line_that_names_the_field(tmp_path: Path) -> None:
    for option, values in FAULTS.items():
        field = option[2:] if option == "--encoder-options" else option[2:].replace("-", "_")
        for value in values:
            with pytest.raises(CommandError) as error:
                call_command("create_project", *MINIMAL, f"{option}={value}")
            assert str(error.value).startswith(f"{field}: ")
            assert "\n" not in str(error.value)
    for arguments in ([], ["x", "--kind", "text"], ["x", "--classes", "a,b"], [*MINIMAL, "--what"]):
        with pytest.raises(CommandError, match=r"required|unrecognized"):
            call_command("create_project", *arguments)
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing.txt", tmp_path / "classes.txt"):
        with pytest.raises(CommandError, match=r"^classes-file: "):
            call_command("create_project", "x", "--kind", "text", "--classes-file", str(path))
    assert not Project.objects.exists()


def test_a_slug_must_be_well_formed_and_free() -> None:
    with pytest.raises(CommandError, match=r"^slug: Use lower-case letters"):
        call_command("create_project", "Street Signs", *MINIMAL[1:])
    call_command("create_project", *MINIMAL)
    with pytest.raises(CommandError, match=r"^slug: .*already exists"):
        call_command("create_project", *MINIMAL)


def add(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("add_member", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_a_new_account_gets_the_role_and_the_password_opens_the_door() -> None:
    make_project()
    for name, role in (("ann", "annotator"), ("mia", "manager"), ("enzo", "engineer")):
        assert add("digits", name, "--role", role) == [f"{name} (new account) is now {role} of digits."]
        membership = Membership.objects.get(user__username=name)
        assert membership.role == role
        assert not membership.user.has_usable_password()
    add("digits", "bo", "--role", "annotator", "--password", "a long secret")
    assert Client().login(username="bo", password="a long secret")


def test_the_token_stands_alone_on_the_last_line_works_and_expires() -> None:
    make_project()
    for options, days in (([], 365), (["--token-days", "7"], 7)):
        token = add("digits", "enzo", "--role", "engineer", "--token", *options)[-1]
        headers = {"Authorization": f"Token {token}"}
        assert Client().get("/api/v1/projects/digits/models/", headers=headers).status_code == 200
        assert token not in {t.digest for t in AuthToken.objects.all()}, "only its hash is stored"
        left = AuthToken.objects.latest("created").expiry - timezone.now()
        assert timedelta(days=days, minutes=-1) < left <= timedelta(days=days)
        AuthToken.objects.update(expiry=timezone.now())
        response = Client().get("/api/v1/projects/digits/models/", headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "authentication_failed")
    for options in (["--token-days", "7"], ["--token", "--token-days", "0"]):
        with pytest.raises(CommandError, match=r"^token-days: "):
            call_command("add_member", "digits", "ann", "--role", "annotator", *options)
    assert not User.objects.filter(username="ann").exists()


def test_a_second_call_changes_the_role_and_keeps_the_password() -> None:
    project = make_project()
    add("digits", "ann", "--role", "annotator", "--password", "a long secret")
    make_open_batch(project, make_items(project, 3))
    client = Client()
    client.login(username="ann", password="a long secret")
    client.post("/api/v1/projects/digits/claim/", {"count": 3}, content_type="application/json")
    assert Assignment.objects.count() == 3
    assert add("digits", "ann", "--role", "engineer") == ["ann (existing account) is now engineer of digits."]
    assert Membership.objects.get().role == "engineer"
    assert Client().login(username="ann", password="a long secret")
    assert not Assignment.objects.pending().exists(), "an engineer holds no tasks"


def test_a_fault_is_told_and_nothing_is_made() -> None:
    make_project()
    for arguments, message in (
        (["nothing", "ann", "--role", "annotator"], r"no project 'nothing'"),
        (["digits", "no spaces", "--role", "annotator"], r"^username: "),
        (["digits", "x" * 200, "--role", "annotator"], r"^username: "),
        (["digits", "ann", "--role", "boss"], r"invalid choice: 'boss'"),
        (["digits", "ann"], r"required: --role"),
    ):
        with pytest.raises(CommandError, match=message) as error:
            call_command("add_member", *arguments, "--token")
        assert "\n" not in str(error.value)
    assert not User.objects.exists()
    assert not AuthToken.objects.exists()
