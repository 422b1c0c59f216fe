"""Test the privacy budget: the ledger, its page, and the files that may leave a private project."""

import math
import re

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from factories import make_items, make_member, make_open_batch, make_project, recount
from pages import make_history, manager, member, text_of

from labeling.models import Batch, PrivateTraining, Project, Release, Role
from labeling.projects.privacy import ledger, pretraining
from models_store.encoders.private_lm import PrivateLm
from models_store.privacy.accounting import Phase
from models_store.privacy.planned import epsilon

pytestmark = pytest.mark.django_db


def private_project(**settings: object) -> tuple[Project, Batch]:
    project = make_project(**{"privacy_epsilon": 4.0, "privacy_delta": 1e-6, "privacy_trainings": 3, **settings})
    items = make_items(project, 40)
    batch = make_open_batch(project, items)
    project.items.update(label=1, agreement=1)
    recount(project)
    return project, batch


def page_of(client: Client, project: Project) -> str:
    response = client.get(reverse("project-privacy", args=[project.slug]))
    assert response.status_code == 200
    return text_of(response)


def test_every_training_counts_from_before_it_starts_and_the_last_one_uses_the_budget_up() -> None:
    project, batch = private_project()
    for labels in (100, 500, 2000):
        training, config = ledger.start(project=project, batch=batch, labels=labels)
        assert training.phases == [phase._asdict() for phase in config.phases(labels)]
    phases = [Phase(**phase) for row in PrivateTraining.objects.all() for phase in row.phases]
    state = ledger.ledger_of(project)
    assert state.spent == state.costs[-1] == pytest.approx(epsilon(phases, 1e-6), rel=2e-3)
    assert 3.9 < state.spent <= 4.0
    assert state.costs == sorted(state.costs)
    assert state.left == 0


@pytest.mark.long
def test_at_the_limit_no_training_starts_until_it_is_raised() -> None:
    project, batch = private_project(privacy_trainings=1)
    ledger.start(project=project, batch=batch, labels=100)
    with pytest.raises(ledger.BudgetSpent, match="made for 1 trainings, and all have started"):
        ledger.start(project=project, batch=batch, labels=100)
    Project.objects.update(privacy_trainings=2)
    with pytest.raises(ledger.BudgetSpent, match="ε = 4 is spent"):
        ledger.start(project=project, batch=batch, labels=100)
    Project.objects.update(privacy_epsilon=6.0)
    ledger.start(project=project, batch=batch, labels=100)
    assert PrivateTraining.objects.count() == 2


@pytest.mark.long
def test_noise_that_is_given_holds_for_every_training_for_as_long_as_the_budget_lasts() -> None:
    project, batch = private_project(privacy_trainings=1, privacy_noise=10.0)
    left = ledger.ledger_of(project).left
    assert left > 2
    for already in range(left):
        assert ledger.ledger_of(project).left == left - already
        training, config = ledger.start(project=project, batch=batch, labels=40)
        assert {phase["noise_multiplier"] for phase in training.phases[1:]} == {config.noise_multiplier} == {10.0}
    state = ledger.ledger_of(project)
    assert (state.left, state.noise) == (0, None)
    assert state.spent is not None
    assert state.spent <= 4.0
    with pytest.raises(ledger.BudgetSpent, match=r"noise multiplier of 10 on 40 labels costs more than is left"):
        ledger.start(project=project, batch=batch, labels=40)
    one_more = [Phase(**phase) for row in PrivateTraining.objects.all() for phase in row.phases]
    one_more += [Phase(**phase) for phase in PrivateTraining.objects.latest("pk").phases]
    assert epsilon(one_more, 1e-6) > 4.0, "it stops at the limit, and not before"
    Project.objects.update(privacy_epsilon=6.0)
    ledger.start(project=project, batch=batch, labels=40)


def test_the_page_says_of_given_noise_how_many_trainings_it_is_enough_for() -> None:
    project, _ = private_project(privacy_noise=60.0)
    left = ledger.ledger_of(project).left
    page = page_of(manager(project), project)
    assert f"{left} trainings left" in page
    assert "adds noise of 60.0 clipping norms" in page


def test_the_api_tells_the_ledger_so_that_anybody_can_compute_epsilon_anew() -> None:
    project, batch = private_project()
    ledger.start(project=project, batch=batch, labels=40)
    told = manager(project).get(f"/api/v1/projects/{project.slug}/privacy/").json()
    state = ledger.ledger_of(project)
    assert (told["private"], told["limit"], told["delta"], told["left"]) == (True, 4.0, 1e-6, 2)
    assert told["spent"] == state.spent == told["trainings"][0]["epsilon"]
    phases = [Phase(**phase) for phase in told["trainings"][0]["phases"]]
    assert epsilon(phases, told["delta"]) == pytest.approx(told["spent"], rel=2e-3)
    assert (told["trainings"][0]["batch"], told["trainings"][0]["version"]) == (batch.number, None)
    assert (told["noise"], told["labels_needed"], told["flaw"]) == (state.noise, state.labels_needed, "")


@pytest.mark.long
def test_a_pretraining_is_a_line_of_its_own_and_takes_no_training_from_answers() -> None:
    project, _ = private_project()
    options = {"share": 50, "steps": 20}
    _, config = pretraining.start(
        project=project,
        units=5000,
        configure=lambda epsilon, delta: PrivateLm.config(options, epsilon=epsilon, delta=delta),
    )
    assert config.epsilon == 2.0
    client = manager(project)
    assert "pre-training: the pool’s texts did not end 5,000" in page_of(client, project)

    again, _ = pretraining.start(
        project=project,
        units=7000,
        configure=lambda epsilon, delta: PrivateLm.config(options, epsilon=epsilon, delta=delta),
    )
    assert (PrivateTraining.objects.get(), again.labels) == (again, 5000), "its number of units stays"
    pretraining.close_open_entries(project)
    Project.objects.update(encoder={"name": "private-lm", "options": {"unit": "author", **options}})
    page = page_of(client, project)
    assert "pre-training: the pool’s texts encoder 5,000" in page
    assert "all texts with the same author together, among 5,000. Pre-training took ε = 2.00 of the budget" in page
    assert "3 trainings left" in page

    told = client.get(f"/api/v1/projects/{project.slug}/privacy/").json()
    [entry] = told["trainings"]
    assert (entry["subject"], entry["batch"]) == ("pre-training: the pool’s texts", None)


def test_the_page_says_what_is_spent_what_is_left_and_what_an_attacker_learns() -> None:
    project, batch = private_project()
    client = manager(project)
    before = page_of(client, project)
    assert "ε = 0.00 of 4 spent" in before
    assert "3 trainings left" in before
    assert "on the 40 labels there are now" in before
    assert "With δ = 0.000001" in before
    assert re.search(r"About [\d,]+00 labels are needed until models come close", before)
    ledger.start(project=project, batch=batch, labels=40)
    after = page_of(client, project)
    assert f"ε = {ledger.ledger_of(project).spent:.2f} of 4 spent" in after
    assert "did not end" in after
    assert "2 trainings left" in after
    for words in ("The answer to any one item", "exports contain them", "Control items", "picking of batches"):
        assert words in after


def test_the_page_says_what_an_attacker_learns_at_most_rounded_up() -> None:
    project, batch = private_project()
    before = page_of(manager(project), project)
    assert "With the whole budget spent, the guess is right at most 98.3 % of the time" in before  # e^4 / (1 + e^4)
    ledger.start(project=project, batch=batch, labels=2000)
    spent = ledger.ledger_of(project).spent
    assert spent is not None
    told = re.search(
        r"With the models so far, the guess is right at most ([\d.]+) %", page_of(manager(project), project)
    )
    assert told is not None
    assert 0 <= float(told[1]) / 100 - math.exp(spent) / (1 + math.exp(spent)) < 0.0011


def test_the_page_says_which_models_may_leave() -> None:
    project = make_project(privacy_epsilon=4.0)
    batch = make_history(project, 3)[-1]
    training, _ = ledger.start(project=project, batch=batch, labels=40)
    ledger.record_version(training=training, version=project.versions.get(number=2))
    told = page_of(manager(project), project)
    assert "Versions 1, 3 stay here" in told
    assert "no limit can be stated" in told
    ledger.release(version=project.versions.get(number=1), user=make_member(project, "mia", Role.MANAGER))
    assert "Version 3 stays here" in page_of(manager(project), project)


def test_no_epsilon_is_stated_where_a_version_learned_outside_the_ledger() -> None:
    project = make_project(privacy_epsilon=4.0)
    batch = make_history(project, 2)[-1]
    ledger.start(project=project, batch=batch, labels=40)
    assert ledger.ledger_of(project).spent is None
    told = page_of(manager(project), project)
    assert "Model versions 1, 2 were trained on the same labels without privacy: no ε holds" in told
    assert "No ε can be stated" in told
    assert "ε =" not in told.split("What a budget protects")[0]
    told = manager(project).get(f"/api/v1/projects/{project.slug}/privacy/").json()
    assert (told["spent"], told["trainings"][0]["epsilon"]) == (None, None)
    assert "without privacy" in told["flaw"]


def test_a_project_without_a_budget_is_told_what_one_would_do() -> None:
    project = make_project()
    assert "Trainings are not private" in page_of(manager(project), project)
    assert "Set a budget" not in page_of(member(project, Role.ENGINEER), project)


@pytest.mark.long
def test_the_ledger_is_read_in_few_queries(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    project, batch = private_project(privacy_trainings=20)
    for _ in range(3):
        ledger.start(project=project, batch=batch, labels=40)
    with django_assert_num_queries(4):
        ledger.ledger_of(project)


def test_files_of_a_version_that_is_not_private_leave_only_at_a_managers_word() -> None:
    project = make_project(privacy_epsilon=4.0)
    make_history(project, 1)
    engineer, boss = member(project, Role.ENGINEER), manager(project)
    artifact = reverse("api:model-artifact", args=[project.slug, 1])
    refused = engineer.get(artifact)
    assert (refused.status_code, boss.get(artifact).status_code) == (403, 403)
    assert "A manager can release it" in refused.json()["detail"]
    assert "Release its files" not in text_of(engineer.get(reverse("project-model", args=[project.slug, 1])))
    with pytest.raises(CommandError, match="trained without privacy"):
        call_command("export_model", project.slug, "--output", "/nowhere/model.onnx")

    for _ in range(2):
        boss.post(reverse("project-model-release", args=[project.slug, 1]))
    kept = Release.objects.get()
    assert (kept.user.username, kept.version.number) == ("mona", 1)
    assert engineer.get(artifact).status_code == 404  # it may leave; there are no files in this test
    assert ledger.may_be_downloaded(kept.version)


def test_a_version_that_was_trained_privately_leaves_freely() -> None:
    project = make_project(privacy_epsilon=4.0)
    batch = make_history(project, 1)[0]
    training, _ = ledger.start(project=project, batch=batch, labels=40)
    version = project.versions.get()
    assert not ledger.may_be_downloaded(version)
    ledger.record_version(training=training, version=version)
    assert ledger.may_be_downloaded(version)
    assert ledger.ledger_of(project).spent is not None


def test_releasing_over_the_api_is_for_managers() -> None:
    project = make_project(privacy_epsilon=4.0)
    make_history(project, 1)
    url = reverse("api:model-release", args=[project.slug, 1])
    assert member(project, Role.ENGINEER).post(url).status_code == 403
    assert not Release.objects.exists()
    client = Client()
    client.force_login(make_member(project, "mona", Role.MANAGER))
    assert client.post(url).status_code == 204
    assert Release.objects.get().user.username == "mona"
