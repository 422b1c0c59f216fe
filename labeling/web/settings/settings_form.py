"""A project's settings as a form, each explained by what it leads to."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from labeling.models import Project
from labeling.projects.model_settings import check_model
from labeling.web.shared.forms import say_bounds
from labeling.web.shared.words import figure

STRATEGIES = [
    (Project.Strategy.CLUSTER_MARGIN, "Cluster-Margin: what the model is least sure of, without near-duplicates"),
    (Project.Strategy.MARGIN, "Margin: what the model is least sure of, near-duplicates included"),
    (Project.Strategy.ENTROPY, "Entropy: what it is least sure of over all classes, not only the best two"),
    (Project.Strategy.CORESET, "CoreSet: what is unlike anything labeled yet, broken items included"),
    (Project.Strategy.BADGE, "BADGE: what would change the model most, each in another direction"),
    (Project.Strategy.UNIFORM, "Uniform: at random, to compare with"),
]

COPIES = ("near_copies", "copy_error", "copy_checks", "copy_weight")


class SettingsForm(forms.ModelForm):
    """A project's settings but those of the training."""

    class Meta:
        model = Project
        fields = (
            "name",
            "prompt",
            "guidelines",
            "show_predictions",
            "class_proposals",
            "show_suggestions",
            "grids",
            "near_copies",
            "copy_error",
            "copy_checks",
            "copy_weight",
            "batch_size",
            "control_share",
            "strategy",
            "candidate_factor",
            "mean_cluster_size",
            "class_guard",
            "overlap",
            "gold_share",
            "gold_threshold",
            "overlap_max",
            "label_confidence",
            "check_share",
            "resolving",
            "review_share",
            "lease_seconds",
            "deadline_hours",
            "complete_share",
            "pick_ahead",
            "daily_limit",
            "replace_skips",
            "privacy_epsilon",
            "privacy_delta",
            "privacy_trainings",
            "privacy_noise",
            "hourly_cost",
            "currency",
        )
        labels = {
            "show_predictions": "Show annotators what the model predicts",
            "class_proposals": "Let annotators propose classes",
            "show_suggestions": "Show annotators the suggestions that items came with",
            "grids": "Ask about many items at once",
            "near_copies": "Most near-copies of an item",
            "copy_error": "Share of near-copies that may be wrong",
            "copy_checks": "Checks for each task",
            "copy_weight": "What a near-copy counts in training",
            "control_share": "Control share",
            "mean_cluster_size": "Mean cluster size",
            "class_guard": "Class guard",
            "gold_share": "Gold share",
            "gold_threshold": "Pause people who are right less often than",
            "overlap_max": "Most answers an item",
            "label_confidence": "Probability that is enough",
            "check_share": "Share that is checked",
            "resolving": "How answers become a label",
            "review_share": "Share of answers to review",
            "lease_seconds": "Lease, in seconds",
            "deadline_hours": "Deadline, in hours",
            "complete_share": "Share that must be answered",
            "pick_ahead": "Share given out before the next batch is picked",
            "daily_limit": "Answers a day and person",
            "replace_skips": "Replace items that everybody skips",
            "privacy_epsilon": "Privacy budget ε",
            "privacy_delta": "Chance of failure δ",
            "privacy_trainings": "Trainings that share it",
            "privacy_noise": "Noise of each training",
            "hourly_cost": "Cost of an hour",
        }
        help_texts = {
            "prompt": "What annotators read above each item. Empty: a default that fits the question.",
            "guidelines": "How to decide in doubtful cases. Annotators open them with a key.",
            "show_predictions": "Predictions appear on half of the tasks, from the next batch on; with more than ten "
            "classes the five likeliest, a key each. Labeling is "
            "quicker, but people tend to agree with what they see. So accuracy is measured only on control items in "
            "the other half.",
            "class_proposals": "Annotators who skip an item because no class fits can name the missing class. You "
            "accept or dismiss the names on the classes page. Annotators do not see each other's.",
            "show_suggestions": "Suggestions come from the column “suggestion” of an import. They appear on half of "
            "the tasks, in the first batch too, and take precedence over predictions. Accuracy is measured only on "
            "control items in the other half. Models do not train on suggestions.",
            "grids": "Annotators see up to 60 items of one class, mark the wrong ones and confirm the rest. Where the "
            "question is which class, only items with a suggested class come in grids, so allow suggestions above; "
            "the other half is asked one by one and measures accuracy. Annotators can go back to one by one.",
            "near_copies": "Annotators see up to this many near-copies beside each item and take out those that "
            "differ. The others get the same label. Near-copies come from the clusters, so there are none in the "
            "first batch, nor with strategies that do not use clusters. 0: none.",
            "copy_error": "Near-copies get a label only as far apart as checks show that at most this share, 0.1 for "
            "one in ten, would be given another label by people. People's own mistakes count, too: two who are right "
            "on 98 of 100 differ on 4. The smaller it is, the more checks that takes.",
            "copy_checks": "People are asked about this many near-copies for each task of a batch, 0.1 for one in "
            "ten, as about any other item. With 0.1 above, at least 33 checks must agree before any near-copy gets a "
            "label.",
            "copy_weight": "An answered item counts 1. Labels of near-copies add little that is new, so less than 1 "
            "is enough. 0: models do not train on them.",
            "batch_size": "The model is retrained after this many answers. Small batches teach it sooner; large ones "
            "keep people busy longer between trainings.",
            "control_share": "This share of each batch, 0.1 for one item in ten, is drawn at random and kept out of "
            "training. Accuracy is measured on it alone. Items are drawn for it when they are imported, so a larger "
            "share takes effect only with later imports. With 0, accuracy is not measured.",
            "strategy": "How the rest of a batch is picked. The first batch is always drawn at random. CoreSet and "
            "BADGE compare the whole pool once for each item picked: with large batches, people wait for them. Only "
            "uniform picks are a fair sample of the pool.",
            "candidate_factor": "For Cluster-Margin: the batch is drawn from the items that the model is least sure "
            "of, this many times the batch size. Near 1, many of them look alike; with larger values the batch is "
            "more varied and less uncertain. Empty: as many as needed to take each item from a different cluster, at "
            "most ten times the batch size. That suits most pools.",
            "mean_cluster_size": "For Cluster-Margin: items that look alike to the model are grouped in clusters of "
            "about this size, and a batch takes from as many clusters as it can. Larger clusters keep "
            "near-duplicates further apart.",
            "class_guard": "Limits how much of a batch one predicted class may fill, as a multiple of its even "
            "share. With 10 classes and a guard of 3, that is 30 of 100 items. It keeps one hard class from filling "
            "the batch. Near 1, easy classes fill their share too and teach the model little. Empty: no limit.",
            "overlap": "How many people answer each item. With 2 or more, their agreement is measured, and each "
            "label costs that many answers.",
            "gold_share": "Gold items have a known answer and are added on top of the batch: 0.05 adds one for every "
            "twenty tasks. They look like any other task and measure how often each person is right. They take time "
            "and add no labels. Choose gold items in the list of items, or import them with a column “gold”.",
            "gold_threshold": "Pauses people whose answers to gold items are almost certainly right less often than "
            "this, 0.8 for four of five, until a manager has looked. With two classes, 48 gold answers at 0.8, or 34 "
            "at 0.85, find 99 of 100 people who answer at random. Empty: nobody is paused.",
            "overlap_max": "One more person is asked, up to this many, while an item's label is in doubt: people "
            "differ, the model is sure of something else, or it is not known yet how reliable the answer is. "
            "Reliable people are asked alone. Empty: every item gets the same number of answers.",
            "label_confidence": "A label is settled once it is right with this probability, estimated from how often "
            "each person agrees with others. Nearer to 1, more people are asked.",
            "check_share": "This share of the items, 0.05 for one in twenty, is always asked of one more person, to "
            "measure how reliable people are. Nobody sees which.",
            "resolving": "Majority: the most frequent answer. Where items may be asked of more people, answers weigh "
            "by each person's reliability. Dawid–Skene: learns which classes each person confuses; needs some dozens "
            "of answers for each class and person. A tie has no label and waits for a manager.",
            "review_share": "This share of every person's answers, 0.05 for one in twenty, is drawn at random for "
            "reviewers. Annotators do not see which. With 0, reviewers get only doubtful items.",
            "lease_seconds": "People who answer nothing for this long may lose the items they hold to others who "
            "have none left. Too short, and slow people lose work; too long, and an absent person delays the batch.",
            "deadline_hours": "Hours after opening at which a batch may end before its last answer, so that an "
            "absent person does not delay it. Unanswered items go back to the pool. Empty: no deadline.",
            "complete_share": "The deadline ends the batch only if this share of the answers is in, 0.9 for nine of "
            "ten. Otherwise the batch stays open until it is.",
            "pick_ahead": "Once this share of a batch is handed out, 0.9 for nine of ten, the next batch is picked "
            "with the current model. It opens when this one has no item left, so nobody waits for a training. Items "
            "that nobody has yet are picked again with the newer model. Empty: each batch waits for the newest "
            "model, and people wait with it.",
            "daily_limit": "People who reach this number of answers get no more items until midnight, UTC. A member "
            "can have another limit: see Members. Empty: no limit.",
            "replace_skips": "A similar item joins the open batch for each item that everybody skips, for up to a "
            "fifth of the batch. The batch does not wait for it.",
            "privacy_epsilon": "With a budget, noise in every training hides the answer to any one item from those "
            "who see the models. 1 hides a lot and needs thousands of labels, 8 hides some and needs many hundreds; "
            "with fewer the models learn little. All trainings together stay within the budget, and stop there. "
            "Empty: not private.",
            "privacy_delta": "The chance that the guarantee fails: keep it well below one in the number of labels.",
            "privacy_trainings": "The budget is divided among this many trainings, one for each batch. With fewer, "
            "each learns more from larger batches.",
            "privacy_noise": "In clipping norms, on each sum of gradients. Trainings go on while the budget lasts, "
            "however many those are. Empty: as much noise as dividing the budget needs.",
            "hourly_cost": "What an hour of labeling costs, to estimate the cost of each setting. Nothing else "
            "depends on it.",
            "currency": "The currency of the cost, for example EUR.",
        }
        widgets = {
            "guidelines": forms.Textarea(attrs={"rows": 5}),
            "strategy": forms.RadioSelect,
            "resolving": forms.RadioSelect,
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
        if self.instance.asks.fixed_classes:
            del self.fields["class_proposals"]
        if not self.instance.can_show_grids:
            del self.fields["grids"]
        if not self.instance.can_show_copies and not self.instance.near_copies:
            for name in COPIES:
                del self.fields[name]
        say_bounds(self, Project._meta.get_field)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        try:
            project = self.instance
            check_model(project.model, question=project.question, private=values.get("privacy_epsilon") is not None)
        except ValidationError as error:
            self.add_error("privacy_epsilon", error.messages[0])
        return values
