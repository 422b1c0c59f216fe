"""The page of a project's encoder, and of the servers for embeddings; and the form that chooses an encoder or a model,
by a button for each, with a field for each of its options.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField, BoundWidget
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext, gettext_lazy

from labeling.models import Ability, EncoderComparison, Membership, Project
from labeling.projects.encoders import embedding_servers, encoder_change, encoder_comparison
from labeling.projects.encoders.embedding_servers import check_encoder_choice
from labeling.projects.encoders.encoder_change import ChangeRefused, EncoderSettled, choose_encoder
from labeling.projects.encoders.encoder_comparison import ComparisonRefused, Measured
from labeling.projects.encoders.encoder_settings import encoders_for, installed_weights, name_of, reason_for_encoder
from labeling.projects.model_settings import check_model, learners_for
from labeling.web.settings.forms import index_of
from labeling.web.shared.forms import AddressField, SecretField, figure_input, translated
from labeling.web.shared.pages import action, errors_as_messages, for_members, render_page
from labeling.web.shared.words import count, money, number
from models_store.encoders.options import MOST_CHARACTERS, Option


class Offer(Protocol):
    """An encoder or a model to choose."""

    name: Any
    title: Any
    meaning: Any
    options: Any


class ChoiceForm(forms.Form):
    """A choice among offers. `choice()` returns the valid choice: {"name": …, "options": {…}}."""

    name = forms.ChoiceField(label=gettext_lazy("Name"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, offers: Sequence[Offer], chosen: dict[str, Any], **kwargs: Any) -> None:
        """Make the form of a choice among `offers`; the first one is the default."""
        super().__init__(*args, **kwargs)
        self._offers = {offer.name: offer for offer in offers}
        self.fields["name"].choices = [  # type: ignore[attr-defined]
            (name, translated(offer.title) if offer.title else name) for name, offer in self._offers.items()
        ]
        self.initial = {"name": chosen.get("name") or next(iter(self._offers))}
        self._weights = installed_weights()
        for name, offer in self._offers.items():
            for option, meant in offer.options.items():
                self.fields[_field(name, option)] = _control(option, meant, sorted({*self._weights, *meant.packaged()}))
        for option, value in chosen.get("options", {}).items():
            self.initial[_field(self.initial["name"], option)] = value

    def check(self, choice: dict[str, Any]) -> Any:
        """Raise `ValidationError` for an invalid choice; its `code` is the name of the option at fault."""
        raise NotImplementedError

    def rows(self) -> Iterator[tuple[BoundWidget, str, list[BoundField], bool]]:
        """Yield each offer's button, description, fields, and whether it lacks weights that it needs."""
        for button in self["name"]:
            offer = self._offers[str(button.data["value"])]
            fields = [self[_field(offer.name, option)] for option in offer.options]
            lacking = any(each.weights and not (self._weights or each.packaged()) for each in offer.options.values())
            yield button, translated(offer.meaning), fields, lacking

    def choice(self) -> dict[str, Any]:
        """Return the chosen name with its options. An empty option keeps its default."""
        name = self.cleaned_data["name"]
        options = {option: self.cleaned_data.get(_field(name, option)) for option in self._offers[name].options}
        return {
            "name": name,
            "options": {option: value for option, value in options.items() if value not in ("", None)},
        }

    def clean(self) -> None:
        if "name" not in self.cleaned_data or self.errors:
            return
        try:
            self.check(self.choice())
        except ValidationError as error:
            field = _field(self.cleaned_data["name"], error.code or "")
            self.add_error(field if field in self.fields else "name", error.messages[0])


class EncoderForm(ChoiceForm):
    """The choice of the project's encoder."""

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        self._project = project
        chosen = {**project.encoder, "name": name_of(project.kind, project.encoder)}
        super().__init__(*args, offers=encoders_for(project.kind), chosen=chosen, **kwargs)

    def check(self, choice: dict[str, Any]) -> Any:
        return check_encoder_choice(self._project, choice)


class ModelForm(ChoiceForm):
    """The choice of the project's model."""

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        self._project = project
        super().__init__(*args, offers=learners_for(project.question), chosen=project.model, **kwargs)

    def check(self, choice: dict[str, Any]) -> Any:
        private = self._project.privacy_epsilon is not None
        return check_model(choice, question=self._project.question, private=private)


def _field(offer: str, option: str) -> str:
    return f"{offer}-{option}"


def _control(name: str, option: Option, weights: list[str]) -> forms.Field:
    shared: dict[str, Any] = {
        "label": gettext(name.capitalize()),
        "help_text": translated(option.meaning),
        "required": False,
    }
    if option.weights:
        return forms.ChoiceField(choices=[("", gettext("Choose …")), *((each, each) for each in weights)], **shared)
    if isinstance(option.default, int):
        text = gettext("Enter a whole number from %(low)s to %(high)s, or nothing for %(default)s.") % {
            "low": option.low,
            "high": option.high,
            "default": option.default,
        }
        widget = figure_input(is_whole=True, placeholder=str(option.default))
        return forms.IntegerField(widget=widget, error_messages={"invalid": text}, **shared)
    placeholder = {"placeholder": option.default} if option.default else {}
    return forms.CharField(strip=False, widget=forms.TextInput(attrs={"spellcheck": "false", **placeholder}), **shared)


class EmbeddingServerForm(forms.Form):
    """The address of a server, its key and its price."""

    address = AddressField(
        max_length=MOST_CHARACTERS, help_text=gettext_lazy("For example https://api.openai.com/v1/embeddings.")
    )
    key = SecretField(
        label=gettext_lazy("API key"),
        help_text=gettext_lazy("Stored encrypted, and sent to this URL only. Leave empty to keep the present one."),
    )
    price = forms.FloatField(
        label=gettext_lazy("Price of a million tokens"),
        required=False,
        min_value=0,
        max_value=1e6,
        widget=figure_input(is_whole=False),
        help_text=gettext_lazy("In the currency of the project’s settings, for an estimate of the cost."),
    )


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE)
def encoder(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the form that chooses the encoder, or the chosen encoder once an item is encoded."""
    project = membership.project
    form = EncoderForm(request.POST if request.method == "POST" else None, project=project)
    if form.is_valid():
        with errors_as_messages(request, EncoderSettled):
            choose_encoder(project=project, choice=form.choice())
            messages.success(request, gettext("Items are encoded by %(choice)s.") % {"choice": form.choice()["name"]})
        return redirect("project-encoder", project.slug)
    return _page(request, membership, form)


@action(Ability.SETTINGS_CHANGE, "project-encoder", refused=(ComparisonRefused,))
def measure(request: HttpRequest, membership: Membership) -> HttpResponse | str:
    """Ask for a measurement of the encoders, with the form's encoder among them if one is chosen."""
    project = membership.project
    form = EncoderForm(request.POST, project=project) if "name" in request.POST else None
    if form is not None and not form.is_valid():
        return _page(request, membership, form)
    encoder_comparison.ask(project=project, also=[form.choice()] if form else [])
    return ""


@action(Ability.SETTINGS_CHANGE, "project-encoder", refused=(ChangeRefused, ValidationError, json.JSONDecodeError))
def change(request: HttpRequest, membership: Membership) -> HttpResponse | str:
    """Ask for another encoder: a measured one (`choice`, as JSON) or that of the form. Or `keep` the present one."""
    project = membership.project
    form = EncoderForm(request.POST, project=project) if "name" in request.POST else None
    if form is not None and not form.is_valid():
        return _page(request, membership, form)
    if "keep" in request.POST:
        encoder_change.withdraw(project=project)
    else:
        choice = form.choice() if form else json.loads(request.POST.get("choice", ""))
        encoder_change.ask(project=project, choice=choice, user=membership.user)
    return ""


@action(Ability.SETTINGS_CHANGE, "project-encoder")
def server(request: HttpRequest, membership: Membership) -> HttpResponse | str:
    """Add a server for embeddings, or change its key and price."""
    project = membership.project
    form = EmbeddingServerForm(request.POST)
    if not form.is_valid():
        return _page(request, membership, EncoderForm(project=project), form)
    embedding_servers.set_server(project=project, **form.cleaned_data)
    return gettext("The server is saved.")


@action(Ability.SETTINGS_CHANGE, "project-encoder")
def remove_server(request: HttpRequest, membership: Membership, server_id: int) -> str:
    """Remove a server for embeddings."""
    servers = membership.project.embedding_servers.select_related("project")
    embedding_servers.remove_server(server=get_object_or_404(servers, pk=server_id))
    return gettext("The server is removed. No more texts are sent to it.")


def _page(
    request: HttpRequest, membership: Membership, form: EncoderForm, server_form: EmbeddingServerForm | None = None
) -> HttpResponse:
    project = membership.project
    takes_servers = any(each.sends_items for each in encoders_for(project.kind))
    settled = project.features_generation > 0
    context = {
        "form": form,
        "index": index_of(project),
        "settled": settled,
        "why_encoder": reason_for_encoder(project.kind, project.encoder),
        "refusal": encoder_comparison.refusal(project) if settled else "",
        "measured": _measured(project) if settled else None,
        "change": _change(project) if settled else None,
        "servers": _servers(project) if takes_servers else None,
        "server_form": server_form or EmbeddingServerForm(),
    }
    return render_page(request, membership, "project/encoder.html", context, section="project-settings")


def _servers(project: Project) -> dict[str, Any]:
    """Return the servers for embeddings, with what they have cost and may cost."""
    tokens = embedding_servers.tokens_of_pool(project)

    def cost(price: float | None, n: int) -> str:
        return "–" if price is None else money(price * n / 1e6, project.currency)

    return {
        "tokens": number(tokens),
        "rows": [
            (each, number(each.tokens), cost(each.price, each.tokens), cost(each.price, tokens))
            for each in project.embedding_servers.all()
        ],
    }


def _change(project: Project) -> dict[str, Any] | None:
    change = encoder_change.change_of(project)
    if change is None:
        return None
    return {
        "name": change.choice["name"],
        "choice": json.dumps(change.choice),
        "problem": change.problem,
        "done": gettext("%(n)s of %(items)s")
        % {"n": number(change.rows), "items": count(project.encoded_rows, "item")},
        "ready": change.generation > 0 and change.rows == project.encoded_rows,
    }


def _measured(project: Project) -> dict[str, Any] | None:
    comparison = encoder_comparison.comparison_of(project)
    if comparison is None:
        return None
    own = encoder_comparison.own_choice(project)
    results = encoder_comparison.results_of(comparison)
    return {
        "rows": [(each, each.choice == own, json.dumps(each.choice)) for each in results],
        "of": _sample(comparison, results),
        "at": comparison.measured_at or comparison.asked_at,
        "under_way": encoder_comparison.is_under_way(comparison),
        "step": gettext("%(results)s of %(encoders)s measured")
        % {"results": len(results), "encoders": count(len(comparison.choices), "encoder")},
        "failed": comparison.job.reason if comparison.job and comparison.job.state == "failed" else "",
    }


def _sample(comparison: EncoderComparison, results: list[Measured]) -> str:
    tested = next((each.tested for each in results if each.tested), 0)
    if not tested:
        return ""
    models = gettext("Each of %(labels)s was predicted by a model trained without it.")
    models %= {"labels": count(comparison.labels, "label")}
    if comparison.drawn:
        sample = gettext("Accuracy was measured on %(items)s drawn at random, so it holds for the whole pool.")
        sample %= {"items": count(tested, "item")}
    else:
        sample = gettext(
            "Most items were picked, not drawn at random: the accuracy does not hold for the whole pool, but the "
            "encoders can be compared."
        )
    return f"{models} {sample}"
