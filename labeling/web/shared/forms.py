"""The managers' forms: they check and hold what was typed. Nothing is written here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import BaseUserCreationForm
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.text import slugify

from labeling import kinds
from labeling.models import Project, Role, User
from labeling.models.projects import MAX_CLASSES
from labeling.projects import access
from labeling.projects.create import check_classes, class_lines, slug_for
from labeling.projects.model_settings import check_model
from labeling.questions import QUESTIONS
from labeling.web.shared.words import figure, number

# 20,000 names of 200 characters.
MAX_CLASSES_BYTES = 2 << 20

STRATEGIES = [
    (Project.Strategy.CLUSTER_MARGIN, "Cluster-Margin: what the model doubts, without near-duplicates"),
    (Project.Strategy.MARGIN, "Margin: what the model doubts most, near-duplicates included"),
    (Project.Strategy.ENTROPY, "Entropy: what it doubts most when all classes count, not the best two alone"),
    (Project.Strategy.CORESET, "CoreSet: what is unlike anything labeled yet, doubted or not; broken items too"),
    (Project.Strategy.BADGE, "BADGE: what would change the model most, each in another direction"),
    (Project.Strategy.UNIFORM, "Uniform: at random, to compare with"),
]
ROLES = [
    (Role.ANNOTATOR, "Annotator: labels"),
    (Role.ENGINEER, "Engineer: exports labels and models"),
    (Role.MANAGER, "Manager: may do everything in this project"),
]

# Codes of what is beyond what a field takes.
BOUNDS = ("min_value", "max_value", "max_digits", "max_decimal_places", "max_whole_digits")


def figure_input(*, whole: bool, placeholder: str = "") -> forms.TextInput:
    """A control for a number. Browsers drop what is no number from their own; here it stays, to be mended."""
    attrs = {"class": "figure", "autocomplete": "off", "inputmode": "numeric" if whole else "decimal"}
    return forms.TextInput(attrs={**attrs, "placeholder": placeholder} if placeholder else attrs)


def say_bounds(form: forms.BaseForm, model_fields: Any) -> None:
    """Check numbers by the bounds that the models have, and tell of both bounds in the one sentence of an error."""
    for name, field in form.fields.items():
        if not isinstance(field, forms.FloatField | forms.IntegerField):
            continue
        validators = model_fields(name).validators
        low = max(v.limit_value for v in validators if isinstance(v, MinValueValidator))
        highest = [v.limit_value for v in validators if isinstance(v, MaxValueValidator)]
        if isinstance(field, forms.DecimalField):
            highest.append(10 ** ((field.max_digits or 0) - (field.decimal_places or 0)) - 1)
        high = min(highest)
        whole = not isinstance(field, forms.FloatField | forms.DecimalField)
        text = f"Enter a {'whole number' if whole else 'number'} from {figure(low)} to {figure(high)}"
        text += " with at most two decimals" if isinstance(field, forms.DecimalField) else ""
        field.widget = figure_input(whole=whole)
        if field.min_value is None:  # no model looks at it again
            field.validators += [MinValueValidator(low), MaxValueValidator(high)]
        told = f"{text}." if field.required else f"{text}, or nothing."
        field.error_messages |= dict.fromkeys(("required", "invalid", *BOUNDS), told)


class NewProjectForm(forms.Form):
    """A project that is to be. `names` holds the classes once the form is valid."""

    name = forms.CharField(max_length=200, error_messages={"required": "Give the project a name."})
    slug = forms.CharField(
        label="Address",
        max_length=60,
        required=False,
        help_text="The project's place in addresses and commands, for example “street-signs”. Cannot be changed later.",
    )
    kind = forms.ChoiceField(
        label="What is to be labeled?",
        choices=[(kind.name, kind.sentence) for kind in kinds.KINDS.values()],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what is to be labeled."},
    )
    question = forms.ChoiceField(
        label="What is asked?",
        choices=[(each.name, each.offer) for each in QUESTIONS.values()],
        widget=forms.RadioSelect,
        initial="single",
    )
    classes = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text="One class a line, in the order in which annotators see them: the first ten get the digit keys. "
        "Classes cannot be added later.",
    )
    classes_file = forms.FileField(
        label="Classes from a file",
        required=False,
        help_text=f"For long lists: a text file in UTF-8, one class a line, at most {number(MAX_CLASSES)}.",
        widget=forms.ClearableFileInput(attrs={"accept": ".txt,.csv,text/plain"}),
    )
    prompt = forms.CharField(
        required=False,
        max_length=300,
        help_text="What annotators read above each item, for example “Which sign is this?”.",
    )
    guidelines = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="How to decide in doubtful cases. Annotators open them with a key.",
    )
    batch_size = forms.IntegerField(
        initial=100,
        help_text="The model is trained anew after this many answers. Small batches teach it sooner, large ones keep "
        "people busy longer between trainings. Can be changed at any time.",
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.names: list[str] = []
        say_bounds(self, Project._meta.get_field)
        if not access.is_operator(user):
            self.fields["slug"].help_text = (
                "The project's place in addresses and commands. It gets a short ending: “street-signs” becomes "
                "“street-signs-k7f3” or the like. Cannot be changed later."
            )

    def clean_slug(self) -> str:
        """What was typed, or what the name amounts to; with an ending, unless an operator asks."""
        slug = str(self.cleaned_data["slug"]) or slugify(self.cleaned_data.get("name", ""))[:60].strip("-")
        if not slug and self.cleaned_data.get("name"):
            raise ValidationError("The name has no Latin letters to make an address of: enter one.")
        slug = slug_for(self.user, slug) if slug else ""
        if Project.objects.filter(slug=slug).exists():
            raise ValidationError(f"“{slug}” is taken. Choose another address.")
        return slug

    def clean_classes_file(self) -> str:
        """The file's text; it takes the place of what stands in `classes`, so that a second try still has it."""
        file = self.cleaned_data["classes_file"]
        if file is None:
            return ""
        if file.size > MAX_CLASSES_BYTES:
            raise ValidationError(
                f"The file is larger than {MAX_CLASSES_BYTES >> 20} MB: it cannot be a list of classes."
            )
        try:
            text = str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ValidationError("The file is not UTF-8 text. Save it as plain text in UTF-8.") from error
        self.data = {**self.data.dict(), "classes": text}  # type: ignore[attr-defined]  # a QueryDict
        return text

    def clean(self) -> None:
        text = self.cleaned_data.get("classes_file") or self.cleaned_data.get("classes", "")
        names = class_lines(text)
        if self.has_error("classes") or self.has_error("classes_file"):
            return
        if not names:
            self.add_error("classes", "Enter the classes, one a line, or choose a file.")
            return
        try:
            self.names = check_classes(names, self.cleaned_data.get("question", ""))
        except ValidationError as error:
            self.add_error(None, error)

    def settings(self) -> dict[str, Any]:
        """What `create_project` takes beside slug, kind and classes."""
        return {name: self.cleaned_data[name] for name in ("name", "question", "prompt", "guidelines", "batch_size")}


class FileForm(forms.Form):
    """A file of items."""

    file = forms.FileField(
        error_messages={"required": "Choose a file.", "empty": "This file is empty.", "missing": "Choose a file."},
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > settings.MAX_UPLOAD_MB << 20:
            raise ValidationError(f"The file is larger than {settings.MAX_UPLOAD_MB} MB. Split it.")
        return file


class UploadForm(FileForm):
    """Items for the pool."""

    strict = forms.BooleanField(
        required=False,
        label="Refuse the whole file if one row is bad",
        help_text="Otherwise bad rows are set aside with the reason, and the rest goes in.",
    )


class PredictForm(FileForm):
    """Items for a model version to predict."""

    probabilities = forms.BooleanField(
        required=False,
        label="Also the probability of every class",
        help_text="Otherwise each row has the probability of its label alone.",
    )


class SettingsForm(forms.ModelForm):
    """A project's settings but those of the training."""

    class Meta:
        model = Project
        fields = (
            "name",
            "prompt",
            "guidelines",
            "show_predictions",
            "batch_size",
            "control_share",
            "strategy",
            "candidate_factor",
            "mean_cluster_size",
            "class_guard",
            "overlap",
            "lease_seconds",
            "deadline_hours",
            "complete_share",
            "privacy_epsilon",
            "privacy_delta",
            "privacy_trainings",
            "privacy_noise",
            "hourly_cost",
            "currency",
        )
        labels = {
            "show_predictions": "Show annotators what the model predicts",
            "control_share": "Control share",
            "mean_cluster_size": "Mean cluster size",
            "class_guard": "Class guard",
            "lease_seconds": "Lease, in seconds",
            "deadline_hours": "Deadline, in hours",
            "complete_share": "Share that must be answered",
            "privacy_epsilon": "Privacy budget ε",
            "privacy_delta": "Chance of failure δ",
            "privacy_trainings": "Trainings that share it",
            "privacy_noise": "Noise of each training",
            "hourly_cost": "Cost of an hour",
        }
        help_texts = {
            "prompt": "What annotators read above each item. Empty: a sentence that fits the question.",
            "guidelines": "How to decide in doubtful cases. Annotators open them with a key.",
            "show_predictions": "Shown on half of the tasks, from the next batch on. Labeling is quicker, but people "
            "tend to agree with what they see. So accuracy is measured only on control items in the other half.",
            "batch_size": "The model is trained anew after this many answers. Small batches teach it sooner; large "
            "ones keep people busy longer between trainings.",
            "control_share": "This part of each batch, 0.1 for one item in ten, is drawn at random and kept out of "
            "training: it alone tells how accurate the model is. Items are set apart for it when they are imported, so "
            "a larger share is reached only with items that come later. With 0 nothing is measured.",
            "strategy": "How the rest of a batch is picked. The first batch is drawn at random in any case. CoreSet "
            "and BADGE look at the whole pool once for each item picked: with large batches, people wait for them. "
            "Only what is picked uniformly is a fair sample of the pool.",
            "candidate_factor": "For Cluster-Margin: the batch is drawn from this many times its size of the items "
            "that the model doubts most. Near 1 it is all doubt and many look alike; larger, it is more varied and "
            "less doubtful. Empty: from as many as it takes for each item to come from another cluster, at most ten "
            "times its size. That suits most pools.",
            "mean_cluster_size": "For Cluster-Margin: items that look alike to the model are grouped in clusters of "
            "about this size, and a batch takes from as many clusters as it can. Larger clusters keep near-duplicates "
            "further apart.",
            "class_guard": "No class, as the model takes the items, has more than this many times its even share of a "
            "batch: with 10 classes and a guard of 3, at most 30 of 100 items picked. It keeps a class that the model "
            "is unsure about from filling the batch. Near 1, classes that it is sure of must fill their share too, and "
            "teach it little. Empty: no limit.",
            "overlap": "How many people answer each item. With 2 or more, their agreement is known, and each label "
            "costs that many answers.",
            "lease_seconds": "Somebody who answers nothing for this long may lose the items held to others who find no "
            "more. Too short, and slow work is lost to others; too long, and an absent person holds up the batch.",
            "deadline_hours": "So long after it opened a batch may end before its last answer, so that somebody who "
            "is away does not hold it up. Items that nobody has answered go back to the pool. Empty: no deadline.",
            "complete_share": "This part of the answers, 0.9 for nine of ten, must be there before the deadline ends "
            "the batch. With fewer it stays open until they are.",
            "privacy_epsilon": "With a budget, noise in every training hides what any one item was answered from "
            "those who see the models. 1 hides a lot and needs thousands of labels, 8 hides some and needs many "
            "hundreds; with fewer the models learn little. All trainings together stay within it, and stop there. "
            "Empty: not private.",
            "privacy_delta": "The chance that the guarantee fails: keep it well below one in the number of labels.",
            "privacy_trainings": "The budget is shared out so that it lasts for so many trainings, one a batch. Fewer, "
            "and each learns more from larger batches.",
            "privacy_noise": "In clipping norms, on each sum of gradients. With it trainings go on for as long as the "
            "budget lasts, however many those are. Empty: as much as it takes to share the budget out.",
            "hourly_cost": "What an hour of labeling costs, to show what a setting leads to. Nothing else depends on "
            "it.",
            "currency": "Of the cost, for example EUR.",
        }
        widgets = {
            "guidelines": forms.Textarea(attrs={"rows": 5}),
            "strategy": forms.RadioSelect,
            "currency": forms.TextInput(attrs={"class": "figure"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].error_messages["required"] = "Give the project a name."
        self.fields["strategy"].choices = STRATEGIES  # type: ignore[attr-defined]
        # 5 rather than 5.0: nobody types the nought.
        for name, value in self.initial.items():
            if isinstance(value, float) and value.is_integer():
                self.initial[name] = int(value)
            elif isinstance(value, float) and 1e-6 <= value < 1e-3:
                self.initial[name] = figure(value)  # nor 1e-06
        say_bounds(self, Project._meta.get_field)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        try:
            project = self.instance
            check_model(project.model, question=project.question, private=values.get("privacy_epsilon") is not None)
        except ValidationError as error:
            self.add_error("privacy_epsilon", error.messages[0])
        return values


class RoleForm(forms.Form):
    """What a member is to be, or whoever is invited."""

    role = forms.ChoiceField(choices=ROLES, initial=Role.ANNOTATOR)


class AccountForm(BaseUserCreationForm):
    """A name and a password for a new account. It does not tell whether the name is taken."""

    class Meta:
        model = User
        fields = ("username",)

    def validate_unique(self) -> None:
        """Left to whoever makes the account."""


class LoopForm(forms.Form):
    loop = forms.ChoiceField(choices=Project.Loop.choices)


class TokenForm(forms.Form):
    """How long a new API token holds."""

    days = forms.TypedChoiceField(
        label="Valid for",
        coerce=int,
        choices=[(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "a year")],
        initial=30,
        help_text="Whoever has the token acts as you until then, or until you revoke it.",
    )
