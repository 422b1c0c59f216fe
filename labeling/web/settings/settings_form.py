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
    (Project.Strategy.CLUSTER_MARGIN, "Cluster-Margin: what the model doubts, without near-duplicates"),
    (Project.Strategy.MARGIN, "Margin: what the model doubts most, near-duplicates included"),
    (Project.Strategy.ENTROPY, "Entropy: what it doubts most when all classes count, not the best two alone"),
    (Project.Strategy.CORESET, "CoreSet: what is unlike anything labeled yet, doubted or not; broken items too"),
    (Project.Strategy.BADGE, "BADGE: what would change the model most, each in another direction"),
    (Project.Strategy.UNIFORM, "Uniform: at random, to compare with"),
]


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
            "prompt": "What annotators read above each item. Empty: a sentence that fits the question.",
            "guidelines": "How to decide in doubtful cases. Annotators open them with a key.",
            "show_predictions": "Shown on half of the tasks, from the next batch on. Labeling is quicker, but people "
            "tend to agree with what they see. So accuracy is measured only on control items in the other half.",
            "class_proposals": "Whoever skips an item because no class fits can name the class that is missing. Names "
            "come together on the classes page, where you accept or dismiss them. Annotators do not see each other's.",
            "show_suggestions": "Those of a column “suggestion” of an import, on half of the tasks, from the next "
            "batch on and in the first batch too. They go before what the model predicts. Accuracy is measured only on "
            "control items in the other half. No model learns from them.",
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
            "gold_share": "For each task of a batch so many more, 0.05 for one in twenty, whose answer is known. They "
            "look like any other, and show how often each person is right. They take time and label nothing. "
            "Choose gold items in the list of items, or import them with a column “gold”.",
            "gold_threshold": "Somebody whose answers to gold items are very probably right less often than this, 0.8 "
            "for four of five, gets no more items until a manager has looked. With two classes it takes 48 such "
            "answers at 0.8, and 34 at 0.85, to find 99 of 100 who answer at random. Empty: nobody is paused.",
            "overlap_max": "With it, an item is asked of one more person, up to so many, as long as its label is in "
            "doubt: because people differ, because the model is sure of something else, or because nothing is known "
            "yet of who answered. People who have proven reliable are asked alone. Empty: every item gets the same "
            "number.",
            "label_confidence": "Enough is when the label is right with this probability, by how often the people who "
            "answered agree with others. Nearer to 1, more people are asked.",
            "check_share": "This part of the items, 0.05 for one in twenty, is asked of one more person whatever was "
            "answered: that tells how reliable people are. Nobody sees which.",
            "resolving": "Majority: the most frequent answer; where items may be asked of more people, each answer "
            "weighs as its author has proven. Dawid–Skene: it is learned what each person takes for what; it needs "
            "some dozens of answers of each class from each person. A tie has no label, and waits for you.",
            "review_share": "This part of every person's answers, 0.05 for one in twenty, is drawn at random as it "
            "comes in, and reviewers look at it. Annotators do not see which. With 0, reviewers get only what is in "
            "doubt.",
            "lease_seconds": "Somebody who answers nothing for this long may lose the items held to others who find no "
            "more. Too short, and slow work is lost to others; too long, and an absent person holds up the batch.",
            "deadline_hours": "So long after it opened a batch may end before its last answer, so that somebody who "
            "is away does not hold it up. Items that nobody has answered go back to the pool. Empty: no deadline.",
            "complete_share": "This part of the answers, 0.9 for nine of ten, must be there before the deadline ends "
            "the batch. With fewer it stays open until they are.",
            "pick_ahead": "When this part of a batch is given out, 0.9 for nine of ten, the next one is picked by "
            "the model at hand. It opens when this one has no item left to give, so nobody waits for a training. When "
            "the newer model is there, whatever nobody has been given yet is picked again. Empty: each batch waits for "
            "the newest model, and people wait with it.",
            "daily_limit": "Whoever has given so many gets no more items until midnight, UTC. A member can have "
            "another limit: see Members. Empty: any number.",
            "replace_skips": "Another item of the same kind joins the open batch, so that it brings as many labels as "
            "it was meant to: in up to a fifth of the batch. A batch does not wait for it.",
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
        say_bounds(self, Project._meta.get_field)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        try:
            project = self.instance
            check_model(project.model, question=project.question, private=values.get("privacy_epsilon") is not None)
        except ValidationError as error:
            self.add_error("privacy_epsilon", error.messages[0])
        return values
