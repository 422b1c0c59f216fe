"""The tables of release 1.0.0."""

import re
import uuid

import django.contrib.auth.models
import django.contrib.auth.validators
import django.core.serializers.json
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import labeling.kinds
import labeling.models.project_settings
import labeling.models.projects
import labeling.models.roles
import labeling.questions
import selector.strategies

# The words of items, for the search: a table of each database's own, which the worker fills.
# SQLite takes marks (categories M) for parts of words, too. Accents are removed before.
SQLITE = """
CREATE VIRTUAL TABLE labeling_itemwords USING fts5(
    words, prefix = '2 3', tokenize = "unicode61 remove_diacritics 0 categories 'L* N* Co M*'"
)
"""
# PostgreSQL keeps new words in a list which each search reads to the end, and which a full list makes one insert sort in.
# A short list keeps both quick.
POSTGRESQL = [
    "CREATE TABLE labeling_itemwords (item_id bigint PRIMARY KEY, words tsvector NOT NULL)",
    "CREATE INDEX labeling_itemwords_words ON labeling_itemwords USING gin (words) WITH (gin_pending_list_limit = 256)",
    # On SQLite the index of the foreign key is in the order of items, too.
    "CREATE INDEX item_in_project ON labeling_item (project_id, id)",
]


def create_search_tables(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else [SQLITE]:
        schema_editor.execute(statement)


def drop_search_tables(apps, schema_editor):
    schema_editor.execute("DROP TABLE labeling_itemwords")
    schema_editor.execute("DROP INDEX IF EXISTS item_in_project")


class Migration(migrations.Migration):
    initial = True
    # What installations from before the first release have applied.
    replaces = [
        ("labeling", "0001_initial"),
        ("labeling", "0002_deadlines_costs_corrections"),
        ("labeling", "0003_find_and_settle_items"),
        ("labeling", "0004_find_control_labels"),
        ("labeling", "0006_why_picked"),
        ("labeling", "0007_drift"),
        ("labeling", "0008_survey"),
        ("labeling", "0009_strategies_and_class_guard"),
        ("labeling", "0010_as_many_candidates_as_needed"),
        ("labeling", "0011_choice_of_encoder"),
        ("labeling", "0012_version_in_use"),
        ("labeling", "0013_predictions"),
        ("labeling", "0014_job_detail"),
        ("labeling", "0015_privacy"),
        ("labeling", "0016_baseline"),
        ("labeling", "0017_privacy_noise"),
        ("labeling", "0018_blind_control"),
        ("labeling", "0019_invitations"),
        ("labeling", "0020_storage"),
        ("labeling", "0021_places_that_ended"),
        ("labeling", "0022_kinds_questions_models"),
        ("labeling", "0023_reserved_items"),
        ("labeling", "0024_own_places"),
        ("labeling", "0025_pick_ahead"),
        ("labeling", "0026_search"),
        ("labeling", "0027_removals"),
        ("labeling", "0028_bulk_changes"),
        ("labeling", "0029_live_classes"),
        ("labeling", "0030_asked"),
        ("labeling", "0031_work_log"),
        ("labeling", "0032_archive_and_delete_projects"),
        ("labeling", "0033_labels_come_in"),
        ("labeling", "0034_asked_again"),
        ("labeling", "0035_guidelines_and_proposals"),
        ("labeling", "0036_suggestions"),
        ("labeling", "0037_who_does_what"),
        ("labeling", "0038_calibration_later"),
        ("labeling", "0039_adaptive_overlap"),
        ("labeling", "0040_review"),
        ("labeling", "0041_data"),
        ("labeling", "0043_quality"),
        ("labeling", "0045_grid"),
        ("labeling", "0046_observed"),
        ("labeling", "0047_copies"),
        ("labeling", "0048_likely"),
        ("labeling", "0049_nothing_left"),
        ("labeling", "0050_stand_ins"),
        ("labeling", "0051_copies_shown"),
        ("labeling", "0052_readiness"),
        ("labeling", "0053_spent_privacy"),
        ("labeling", "0054_file_sums"),
        ("labeling", "0055_rejected_rows_bounded"),
        ("labeling", "0056_max_seconds_per_item"),
        ("labeling", "0057_roles"),
        ("labeling", "0058_causes_hold_their_jobs"),
        ("labeling", "0059_strategies_declared"),
    ]

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="Batch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "strategy",
                    models.CharField(blank=True, help_text="'seed' for a uniform first batch.", max_length=20),
                ),
                ("seed", models.PositiveBigIntegerField(null=True)),
                ("batch_size", models.PositiveIntegerField(help_text="k_t: items asked for.", null=True)),
                (
                    "candidate_factor",
                    models.FloatField(help_text="k_m / k_t: as set, or as found in its place.", null=True),
                ),
                (
                    "candidates",
                    models.PositiveIntegerField(help_text="k_m: the most doubtful items, drawn from.", null=True),
                ),
                ("mean_cluster_size", models.FloatField(null=True)),
                ("cut_height", models.FloatField(null=True)),
                ("clusters", models.PositiveIntegerField(help_text="Clusters at the cut.", null=True)),
                (
                    "class_guard",
                    models.FloatField(
                        help_text="Even shares of the batch a class may have; null for no limit.", null=True
                    ),
                ),
                ("control_share", models.FloatField(null=True)),
                ("control_tasks", models.PositiveIntegerField(default=0)),
                (
                    "pool_size",
                    models.PositiveBigIntegerField(help_text="Unlabeled items it was picked from.", null=True),
                ),
                (
                    "pool_rows",
                    models.PositiveBigIntegerField(help_text="Rows of the matrices at that time.", null=True),
                ),
                ("features_hash", models.CharField(blank=True, max_length=64)),
                ("margins_hash", models.CharField(blank=True, max_length=64)),
                ("dendrogram_hash", models.CharField(blank=True, max_length=64)),
                (
                    "newest_version",
                    models.PositiveIntegerField(help_text="Number of the newest version at that time.", null=True),
                ),
                (
                    "copy_reach",
                    models.FloatField(
                        help_text="As far apart as items may be that were shown as near-copies.", null=True
                    ),
                ),
                ("select_seconds", models.FloatField(null=True)),
                (
                    "kept",
                    models.JSONField(
                        default=list,
                        help_text="Ranks [start, stop) that it left as an earlier selection had picked them.",
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("selecting", "Selecting"),
                            ("ready", "Ready"),
                            ("open", "Open"),
                            ("training", "Training"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("importing", "Importing"),
                        ],
                        default="selecting",
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(blank=True, help_text="Why it failed.", max_length=500)),
                (
                    "failed_in",
                    models.CharField(blank=True, help_text="The state that a retry goes back to.", max_length=10),
                ),
                (
                    "selection",
                    models.PositiveSmallIntegerField(
                        default=1, help_text="How often it was picked; the last one holds."
                    ),
                ),
                ("overlap", models.PositiveSmallIntegerField(default=1)),
                (
                    "overlap_max",
                    models.PositiveSmallIntegerField(help_text="The most answers of a task; null: overlap.", null=True),
                ),
                (
                    "answers_expected",
                    models.PositiveIntegerField(
                        help_text="The expected number of answers. Annotators see how many of them are there.",
                        null=True,
                    ),
                ),
                ("size", models.PositiveIntegerField(default=0)),
                (
                    "further",
                    models.PositiveIntegerField(
                        default=0, help_text="Of its tasks, those for items that are asked again."
                    ),
                ),
                (
                    "remaining",
                    models.IntegerField(
                        default=0, help_text="Tasks that lack answers. The answer that makes it 0 closes the batch."
                    ),
                ),
                (
                    "labeled",
                    models.IntegerField(
                        default=0, help_text="Items of it that have a label, by a correction or otherwise."
                    ),
                ),
                (
                    "dropped",
                    models.PositiveIntegerField(
                        default=0, help_text="Tasks without an answer when it was ended early."
                    ),
                ),
                (
                    "in_parts",
                    models.BooleanField(
                        default=False, help_text="Some of its tasks are kept for somebody: see `BatchPart`."
                    ),
                ),
                (
                    "copy_radius",
                    models.FloatField(
                        help_text="Its near-copies up to this height get their source's label; null: none does, as yet.",
                        null=True,
                    ),
                ),
                (
                    "complete_share",
                    models.FloatField(help_text="The part that must be answered at the deadline.", null=True),
                ),
                ("deadline_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("opened_at", models.DateTimeField(null=True)),
                (
                    "nothing_left_at",
                    models.DateTimeField(help_text="When no item was found for a batch behind it.", null=True),
                ),
                ("completed_at", models.DateTimeField(null=True)),
                ("done_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "batches",
                "ordering": ["project", "number"],
            },
        ),
        migrations.CreateModel(
            name="Item",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("external_id", models.CharField(max_length=200)),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        help_text="Where it stood in what was imported. Not for annotators: paths may tell.",
                        max_length=300,
                    ),
                ),
                ("data", models.JSONField(default=dict)),
                (
                    "media",
                    models.CharField(
                        blank=True, help_text="Storage name of the image or vector block.", max_length=200
                    ),
                ),
                ("media_offset", models.PositiveIntegerField(default=0, help_text="Position within a vector block.")),
                ("proposed", models.PositiveIntegerField(help_text="Index of the class to verify.", null=True)),
                ("truth", models.JSONField(help_text="The known answer, for simulation. Never shown.", null=True)),
                (
                    "suggestion",
                    models.JSONField(
                        help_text="An answer that came with it, shown to those who are prompted.", null=True
                    ),
                ),
                (
                    "fingerprint",
                    models.BigIntegerField(
                        editable=False,
                        help_text="A hash of its content: the same in all projects. Null if there is none.",
                        null=True,
                    ),
                ),
                (
                    "row",
                    models.PositiveBigIntegerField(
                        help_text="Index in the project's matrices, once encoded.", null=True
                    ),
                ),
                ("encode_error", models.CharField(blank=True, max_length=300)),
                ("control_key", models.FloatField()),
                ("reserved", models.BooleanField()),
                ("label", models.JSONField(null=True)),
                (
                    "agreement",
                    models.FloatField(help_text="Share of its annotations that agree with the label.", null=True),
                ),
                ("labeled_at", models.DateTimeField(null=True)),
                (
                    "label_probability",
                    models.FloatField(help_text="How probable it is that the label is right.", null=True),
                ),
                (
                    "label_distribution",
                    models.JSONField(
                        help_text="Pairs of a value and its probability, if several have more than 0.01.", null=True
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "excluded_at",
                    models.DateTimeField(help_text="Since when it is out of the pool; empty if it is not.", null=True),
                ),
                ("deleted_at", models.DateTimeField(help_text="Since when it is gone from all lists.", null=True)),
                (
                    "queued_at",
                    models.DateTimeField(help_text="When a manager asked for it to be in the next batch.", null=True),
                ),
                (
                    "again_at",
                    models.DateTimeField(
                        help_text="Since when it waits to be asked again, in the next batch.", null=True
                    ),
                ),
                (
                    "sent_back",
                    models.BooleanField(
                        db_default=False, default=False, help_text="It is asked again at the word of a person."
                    ),
                ),
                (
                    "gold",
                    models.JSONField(
                        help_text="The answer that is known to be right: it checks annotators.", null=True
                    ),
                ),
                (
                    "label_quality",
                    models.FloatField(
                        help_text="How well models that had not learned it think that the label fits, if they doubt it.",
                        null=True,
                    ),
                ),
                (
                    "likely_label",
                    models.PositiveIntegerField(
                        help_text="What those models take it for: a class's index, or for verify 1 for yes and 0 for no.",
                        null=True,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Project",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "batch_size",
                    models.PositiveIntegerField(
                        default=100,
                        help_text="Items in one batch (k_t): the model is trained anew after that many answers.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000000),
                        ],
                    ),
                ),
                (
                    "candidate_factor",
                    models.FloatField(
                        blank=True,
                        help_text="The batch is drawn from this many times its size of the items that the model doubts most; if empty, from as many as it takes for each to come from another cluster.",
                        null=True,
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(1.0),
                            django.core.validators.MaxValueValidator(1000.0),
                        ],
                    ),
                ),
                (
                    "mean_cluster_size",
                    models.FloatField(
                        default=5.0,
                        help_text="Near-duplicates are grouped in clusters of about this many items.",
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(1.0),
                            django.core.validators.MaxValueValidator(1000000.0),
                        ],
                    ),
                ),
                (
                    "control_share",
                    models.FloatField(
                        default=0.1,
                        help_text="This part of each batch is drawn at random and only used to measure accuracy honestly.",
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(0.9),
                        ],
                    ),
                ),
                (
                    "overlap",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="How many people answer each task; with `overlap_max`, how many at least.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(25),
                        ],
                    ),
                ),
                (
                    "overlap_max",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Up to so many people answer a task whose label is in doubt; if empty, none gets more than others.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(2),
                            django.core.validators.MaxValueValidator(9),
                        ],
                    ),
                ),
                (
                    "label_confidence",
                    models.FloatField(
                        default=0.95,
                        help_text="One more person answers until the label is right with this probability.",
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.5),
                            django.core.validators.MaxValueValidator(0.9999),
                        ],
                    ),
                ),
                (
                    "check_share",
                    models.FloatField(
                        default=0.05,
                        help_text="This part of the tasks, drawn at random, is answered by one more person in any case.",
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(1.0),
                        ],
                    ),
                ),
                (
                    "resolving",
                    models.CharField(
                        choices=[
                            ("majority", "majority: the most frequent answer"),
                            ("dawid-skene", "Dawid–Skene: each person's typical mistakes are learned"),
                        ],
                        default="majority",
                        help_text="How several answers become a label.",
                        max_length=15,
                    ),
                ),
                (
                    "gold_share",
                    models.FloatField(
                        default=0.0,
                        help_text="As many tasks for each task of a batch have an answer that is known, to check annotators.",
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(0.5),
                        ],
                    ),
                ),
                (
                    "gold_threshold",
                    models.FloatField(
                        blank=True,
                        help_text="Who is very probably right less often than this gets no more tasks until a manager has looked.",
                        null=True,
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(1.0),
                        ],
                    ),
                ),
                (
                    "review_share",
                    models.FloatField(
                        default=0.0,
                        help_text="This part of every person's answers is drawn at random and comes to the reviewers.",
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(1.0),
                        ],
                    ),
                ),
                (
                    "lease_seconds",
                    models.PositiveIntegerField(
                        default=180,
                        help_text="A task without an answer within this time goes to another person.",
                        validators=[
                            django.core.validators.MinValueValidator(5),
                            django.core.validators.MaxValueValidator(604800),
                        ],
                    ),
                ),
                (
                    "max_seconds_per_item",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="The longest time in seconds that a person holds one item, also while the person answers others; if empty, there is no limit.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(5),
                            django.core.validators.MaxValueValidator(604800),
                        ],
                    ),
                ),
                (
                    "pick_ahead",
                    models.FloatField(
                        blank=True,
                        default=0.9,
                        help_text="When this part of a batch is given out, the next one is picked by the model at hand, so that no annotator waits; if empty, the next batch waits for the newest model.",
                        null=True,
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.05),
                            django.core.validators.MaxValueValidator(1.0),
                        ],
                    ),
                ),
                (
                    "daily_limit",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Answers that one person may give a day, unless the member has another limit; if empty, any number.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100000),
                        ],
                    ),
                ),
                (
                    "replace_skips",
                    models.BooleanField(
                        default=True,
                        help_text="Whether an item that everybody skips is replaced by a similar one, in up to a fifth of the batch.",
                    ),
                ),
                (
                    "strategy",
                    models.CharField(choices=selector.strategies.choices, default="cluster-margin", max_length=20),
                ),
                (
                    "class_guard",
                    models.FloatField(
                        blank=True,
                        help_text="No class, as the model takes it, has more than this many times its even share of a batch.",
                        null=True,
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(1.0),
                            django.core.validators.MaxValueValidator(20000),
                        ],
                    ),
                ),
                (
                    "training",
                    models.JSONField(blank=True, default=dict, help_text="Overrides of the training settings."),
                ),
                (
                    "model",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="What learns from the labels; if empty, a network. See also `training`.",
                    ),
                ),
                (
                    "encoder",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="What turns items into numbers; if empty, the default of the kind. Holds once an item is encoded.",
                    ),
                ),
                (
                    "show_predictions",
                    models.BooleanField(
                        default=False,
                        help_text="Shows annotators what the model predicts, on half of the tasks. Quicker, but people tend to agree.",
                    ),
                ),
                (
                    "class_proposals",
                    models.BooleanField(
                        default=False,
                        help_text="Lets annotators propose a class for an item that none fits; managers accept or dismiss it.",
                    ),
                ),
                (
                    "show_suggestions",
                    models.BooleanField(
                        default=True,
                        help_text="Shows annotators the answers that were imported as suggestions, on half of the tasks.",
                    ),
                ),
                (
                    "grids",
                    models.BooleanField(
                        default=False,
                        help_text="Asks about many items of one class at once: annotators mark the wrong ones and confirm the rest.",
                    ),
                ),
                (
                    "near_copies",
                    models.PositiveSmallIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Up to so many near-copies of an item are shown beside it, and get its label; 0 for none.",
                        validators=[django.core.validators.MaxValueValidator(12)],
                    ),
                ),
                (
                    "copy_error",
                    models.FloatField(
                        db_default=0.1,
                        default=0.1,
                        help_text="The part of the near-copies that may have another label than people would give them.",
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.001),
                            django.core.validators.MaxValueValidator(0.5),
                        ],
                    ),
                ),
                (
                    "copy_checks",
                    models.FloatField(
                        db_default=0.1,
                        default=0.1,
                        help_text="As many near-copies for each task of a batch are asked of people, to measure that.",
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(0.5),
                        ],
                    ),
                ),
                (
                    "copy_weight",
                    models.FloatField(
                        db_default=0.5,
                        default=0.5,
                        help_text="What a near-copy counts in training, beside 1 for an answered item; 0: it is not learned from.",
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(1.0),
                        ],
                    ),
                ),
                (
                    "privacy_epsilon",
                    models.FloatField(
                        blank=True,
                        help_text="All trainings together may cost this much privacy (ε); empty: trainings are not private.",
                        null=True,
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.1),
                            django.core.validators.MaxValueValidator(100.0),
                        ],
                    ),
                ),
                (
                    "privacy_delta",
                    models.FloatField(
                        default=1e-06,
                        help_text="The chance (δ) with which that may fail.",
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(1e-12),
                            django.core.validators.MaxValueValidator(0.001),
                        ],
                    ),
                ),
                (
                    "privacy_trainings",
                    models.PositiveIntegerField(
                        default=10,
                        help_text="So many trainings share the budget.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000),
                        ],
                    ),
                ),
                (
                    "privacy_noise",
                    models.FloatField(
                        blank=True,
                        help_text="Noise multiplier of every training; empty: what makes the budget last for its trainings.",
                        null=True,
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.3),
                            django.core.validators.MaxValueValidator(10000.0),
                        ],
                    ),
                ),
                (
                    "deadline_hours",
                    models.FloatField(
                        blank=True,
                        help_text="After this many hours a batch ends with the answers that it has, if they are enough.",
                        null=True,
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.1),
                            django.core.validators.MaxValueValidator(8760),
                        ],
                    ),
                ),
                (
                    "complete_share",
                    models.FloatField(
                        default=0.9,
                        help_text="The part of a batch that must be answered before the deadline can end it.",
                        validators=[
                            labeling.models.project_settings.finite,
                            django.core.validators.MinValueValidator(0.1),
                            django.core.validators.MaxValueValidator(1.0),
                        ],
                    ),
                ),
                (
                    "hourly_cost",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="What an hour of labeling costs.",
                        max_digits=9,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "currency",
                    models.CharField(blank=True, default="EUR", help_text="Of the hourly cost.", max_length=8),
                ),
                (
                    "slug",
                    models.CharField(
                        max_length=60,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9]+(?:-[a-z0-9]+)*\\Z",
                                "Use lower-case letters, digits and single hyphens, for example 'street-signs'.",
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("kind", models.CharField(choices=labeling.kinds.choices, max_length=10)),
                ("question", models.CharField(choices=labeling.questions.choices, default="single", max_length=10)),
                ("prompt", models.CharField(blank=True, help_text="What annotators are asked.", max_length=300)),
                (
                    "guidelines",
                    models.TextField(
                        blank=True, help_text="How to decide; shown to annotators on demand.", max_length=200000
                    ),
                ),
                (
                    "seed",
                    models.PositiveIntegerField(
                        default=labeling.models.projects.random_seed,
                        help_text="What trainings draw at random follows from it.",
                    ),
                ),
                ("secret", models.BinaryField(default=labeling.models.projects.new_secret)),
                (
                    "loop",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("paused", "paused: annotators get no tasks"),
                            ("stopped", "stopped: no batch follows the present one"),
                        ],
                        default="running",
                        max_length=10,
                    ),
                ),
                (
                    "storage_limit_mb",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="What the project's files and rows may take, in MiB; if empty, as PROJECT_STORAGE_MB says.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                ("merged", models.JSONField(default=dict, editable=False)),
                ("earlier_names", models.JSONField(default=list, editable=False)),
                (
                    "split",
                    models.JSONField(
                        default=list, editable=False, help_text="Classes whose items are asked again, by index."
                    ),
                ),
                ("class_revision", models.PositiveIntegerField(default=0, editable=False)),
                (
                    "guidelines_version",
                    models.PositiveIntegerField(
                        default=0,
                        editable=False,
                        help_text="Number of the guidelines as they are; 0 if none were ever written.",
                    ),
                ),
                ("vector_length", models.PositiveIntegerField(blank=True, editable=False, null=True)),
                ("encoded_rows", models.PositiveBigIntegerField(default=0, editable=False)),
                (
                    "purged_rows",
                    models.PositiveBigIntegerField(default=0, editable=False, help_text="Of items removed for good."),
                ),
                ("features_generation", models.PositiveIntegerField(default=0, editable=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "archived_at",
                    models.DateTimeField(editable=False, help_text="Since when it can only be read.", null=True),
                ),
                ("deleted_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "ordering": ["slug"],
            },
        ),
        migrations.CreateModel(
            name="LabelFamily",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "removed_trainings",
                    models.PositiveIntegerField(
                        db_default=0, default=0, help_text="Private trainings of removed projects."
                    ),
                ),
                (
                    "removed_phases",
                    models.JSONField(default=list, help_text="The phases of those trainings, in one list."),
                ),
                (
                    "removed_flaw",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Whether a removed project leaves no ε that holds for these labels.",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WorkerSign",
            fields=[
                ("name", models.CharField(max_length=300, primary_key=True, serialize=False)),
                ("seen_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                ("first_name", models.CharField(blank=True, max_length=150, verbose_name="first name")),
                ("last_name", models.CharField(blank=True, max_length=150, verbose_name="last name")),
                ("email", models.EmailField(blank=True, max_length=254, verbose_name="email address")),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                ("date_joined", models.DateTimeField(default=django.utils.timezone.now, verbose_name="date joined")),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "abstract": False,
            },
            managers=[
                ("objects", django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name="Annotation",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("value", models.JSONField(null=True)),
                ("skip_reason", models.CharField(blank=True, max_length=200)),
                ("flagged", models.BooleanField(default=False)),
                ("seconds", models.FloatField(default=0, help_text="From the item's appearance to the answer.")),
                (
                    "class_revision",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="How often the classes had been changed when it was given: see `ClassChange`.",
                    ),
                ),
                (
                    "guidelines_version",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Number of the guidelines that the annotator had on the screen; 0 for none, or not known.",
                    ),
                ),
                (
                    "sampled",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Drawn for review, by chance. Never shown to annotators.",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("undone_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="annotations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Copy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "height",
                    models.FloatField(help_text="At which the dendrogram merges the two: how far apart they are."),
                ),
                (
                    "is_check",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Drawn by chance: people are asked about it later, without a hint. Annotators are not told.",
                    ),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        help_text="Whose selection chose it.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="copies",
                        to="labeling.batch",
                    ),
                ),
                (
                    "item",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="as_copy", to="labeling.item"
                    ),
                ),
                (
                    "of",
                    models.ForeignKey(
                        help_text="Its source.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="copies",
                        to="labeling.item",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "copies",
            },
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.CharField(max_length=1000)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "read_at",
                    models.DateTimeField(
                        help_text="When the person that it is written to had it on the screen.", null=True
                    ),
                ),
                (
                    "annotation",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="comment",
                        to="labeling.annotation",
                    ),
                ),
                (
                    "to",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="comments_received",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="comments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="comments", to="labeling.item"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ItemIndex",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="item_index",
                        serialize=False,
                        to="labeling.project",
                    ),
                ),
                ("indexed_to", models.PositiveBigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="ProjectStorage",
            fields=[
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="storage",
                        serialize=False,
                        to="labeling.project",
                    ),
                ),
                ("media_bytes", models.PositiveBigIntegerField(default=0)),
                ("row_bytes", models.PositiveBigIntegerField(db_default=0, default=0)),
            ],
        ),
        migrations.AddField(
            model_name="project",
            name="created_by",
            field=models.ForeignKey(
                editable=False,
                help_text="Whose quota of projects it counts towards; empty for projects that commands make.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="deleted_by",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="item",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="items", to="labeling.project"
            ),
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("role", models.CharField(choices=labeling.models.roles.choices, max_length=10)),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, help_text="When it was used or withdrawn.", null=True)),
                (
                    "tries_left",
                    models.PositiveSmallIntegerField(
                        default=10,
                        help_text="Each try to make an account with it takes one, so that names cannot be listed.",
                    ),
                ),
                (
                    "invited_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="invitations", to="labeling.project"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="GuidelinesVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("text", models.TextField(blank=True)),
                ("created_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="guidelines_versions",
                        to="labeling.project",
                    ),
                ),
            ],
            options={
                "ordering": ["project", "number"],
            },
        ),
        migrations.CreateModel(
            name="GuidelinesImage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="What the guidelines call it.", max_length=100)),
                (
                    "alt_text",
                    models.CharField(help_text="What it shows, for people who cannot see it.", max_length=300),
                ),
                (
                    "media",
                    models.CharField(help_text="Where the file lies, below the folder of media.", max_length=200),
                ),
                ("bytes", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="guidelines_images",
                        to="labeling.project",
                    ),
                ),
            ],
            options={
                "ordering": ["project", "name"],
            },
        ),
        migrations.CreateModel(
            name="FeatureSum",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("generation", models.PositiveIntegerField(help_text="Of the features' file.")),
                ("start", models.PositiveBigIntegerField(help_text="The first of the rows.")),
                ("rows", models.PositiveIntegerField()),
                ("crc32", models.PositiveBigIntegerField()),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="feature_sums", to="labeling.project"
                    ),
                ),
            ],
            options={
                "ordering": ["project", "generation", "start"],
            },
        ),
        migrations.CreateModel(
            name="DamagedFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="Its path below the project's folder.", max_length=300)),
                ("problem", models.CharField(max_length=300)),
                (
                    "remedy",
                    models.CharField(blank=True, help_text="What to do, where it cannot be rebuilt.", max_length=500),
                ),
                ("found_at", models.DateTimeField()),
                ("mended_at", models.DateTimeField(null=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="damaged_files", to="labeling.project"
                    ),
                ),
            ],
            options={
                "ordering": ["project", "name"],
            },
        ),
        migrations.CreateModel(
            name="ClassProposal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("key", models.CharField(help_text="What spellings of one name have in common.", max_length=300)),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "taken_as",
                    models.PositiveIntegerField(
                        help_text="Index of the class that it became; null if dismissed.", null=True
                    ),
                ),
                (
                    "annotation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="proposal", to="labeling.annotation"
                    ),
                ),
                (
                    "settled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="proposals", to="labeling.project"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ClassChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("revision", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("added", "Added"),
                            ("edited", "Edited"),
                            ("moved", "Moved"),
                            ("merged", "Merged"),
                            ("split", "Split"),
                            ("archived", "Archived"),
                            ("restored", "Restored"),
                        ],
                        max_length=10,
                    ),
                ),
                ("text", models.CharField(help_text="What was changed, for people.", max_length=500)),
                ("classes", models.JSONField(default=list, help_text="Indices of the classes that it is about.")),
                (
                    "before",
                    models.JSONField(
                        default=dict,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        help_text="Fields of the classes as they were, by index.",
                    ),
                ),
                ("merged_before", models.JSONField(default=dict, help_text="`Project.merged` as it was.")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("undone_at", models.DateTimeField(null=True)),
                ("relabels", models.BooleanField(default=False, help_text="Labels have yet to follow it.")),
                (
                    "undone_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="class_changes", to="labeling.project"
                    ),
                ),
            ],
            options={
                "ordering": ["project", "revision"],
            },
        ),
        migrations.CreateModel(
            name="BulkChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("action", models.CharField(max_length=10)),
                ("filters", models.JSONField(default=dict, help_text="As they stand in the address of the list.")),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("value", models.JSONField(help_text="The label of a relabeling.", null=True)),
                ("last_item", models.PositiveBigIntegerField(help_text="Items that came later are not changed.")),
                ("total", models.PositiveBigIntegerField(help_text="Items that matched when it was asked for.")),
                ("position", models.PositiveBigIntegerField(default=0)),
                ("seen", models.PositiveBigIntegerField(default=0, help_text="Items that were looked at.")),
                ("changed", models.PositiveBigIntegerField(default=0)),
                ("failure", models.CharField(blank=True, help_text="Why it stopped before its end.", max_length=300)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="bulk_changes", to="labeling.project"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddField(
            model_name="batch",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="batches", to="labeling.project"
            ),
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=10)),
                (
                    "occasion",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Which of several causes of its kind it has.",
                        max_length=100,
                    ),
                ),
                ("urgent", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("run_after", models.DateTimeField(default=django.utils.timezone.now)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("worker", models.CharField(blank=True, max_length=200)),
                ("heartbeat_at", models.DateTimeField(null=True)),
                ("phase", models.CharField(blank=True, max_length=100)),
                ("share", models.FloatField(default=0, help_text="Done so far, from 0 to 1.")),
                (
                    "detail",
                    models.CharField(
                        blank=True, help_text="Of the phase: how a training fares, for example.", max_length=100
                    ),
                ),
                ("reason", models.CharField(blank=True, help_text="Why it failed.", max_length=500)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, related_name="jobs", to="labeling.batch"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="jobs", to="labeling.project"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="ItemImport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="The file's name, as people know it.", max_length=200)),
                (
                    "path",
                    models.CharField(
                        help_text="Where it lies; empty where a project's items are copied.", max_length=1000
                    ),
                ),
                ("truth_path", models.CharField(blank=True, max_length=1000)),
                (
                    "copied_up_to",
                    models.PositiveBigIntegerField(default=0, help_text="Number of the last item that was copied."),
                ),
                (
                    "with_labels",
                    models.BooleanField(default=False, help_text="Whether labels are copied with the items."),
                ),
                ("first_number", models.PositiveBigIntegerField(null=True, unique=True)),
                (
                    "numbers",
                    models.PositiveBigIntegerField(default=0, help_text="How many numbers are reserved for it."),
                ),
                (
                    "numbered_from",
                    models.PositiveBigIntegerField(default=0, help_text="The position that the first of them is for."),
                ),
                (
                    "owns_file",
                    models.BooleanField(default=False, help_text="An upload, deleted when it has been taken in."),
                ),
                ("strict", models.BooleanField(default=False, help_text="One bad row refuses the whole file.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("refused", "refused: nothing was taken in"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("position", models.PositiveBigIntegerField(default=0)),
                ("total", models.PositiveBigIntegerField(null=True)),
                ("accepted", models.PositiveBigIntegerField(default=0)),
                ("rejected", models.PositiveBigIntegerField(default=0)),
                (
                    "rejected_by_reason",
                    models.JSONField(
                        help_text="How many rows were set aside for each reason; empty for imports of earlier versions.",
                        null=True,
                    ),
                ),
                (
                    "labeled",
                    models.PositiveBigIntegerField(
                        default=0, help_text="Of those accepted, how many came with a label."
                    ),
                ),
                (
                    "untraced",
                    models.PositiveBigIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Labels of which it is not known what was trained on them before.",
                    ),
                ),
                (
                    "repeated",
                    models.PositiveBigIntegerField(
                        db_default=0, default=0, help_text="Labels of content that the project had a label for already."
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        help_text="Of those.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="imports",
                        to="labeling.batch",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "copied_from",
                    models.ForeignKey(
                        help_text="Whose items.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="copies",
                        to="labeling.project",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="imports", to="labeling.project"
                    ),
                ),
                (
                    "job",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="item_import",
                        to="labeling.job",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="LabelClass",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("index", models.PositiveIntegerField()),
                ("name", models.CharField(max_length=200)),
                (
                    "position",
                    models.PositiveIntegerField(
                        default=0, help_text="Its place among the classes, as people see them."
                    ),
                ),
                (
                    "description",
                    models.TextField(blank=True, help_text="When it applies: for annotators.", max_length=2000),
                ),
                (
                    "key",
                    models.CharField(
                        blank=True,
                        help_text="The digit key that chooses it, in place of the one that its position gives.",
                        max_length=1,
                        validators=[
                            django.core.validators.RegexValidator(re.compile("[0-9]\\Z"), "A key is one digit.")
                        ],
                    ),
                ),
                (
                    "colour",
                    models.CharField(
                        blank=True,
                        help_text="Of its mark on the annotator's screen.",
                        max_length=7,
                        validators=[
                            django.core.validators.RegexValidator(
                                re.compile("#[0-9a-f]{6}\\Z"), "A colour is written like #3366cc."
                            )
                        ],
                    ),
                ),
                (
                    "aliases",
                    models.JSONField(blank=True, default=list, help_text="Other words by which it can be searched."),
                ),
                ("archived_at", models.DateTimeField(help_text="Since when it is not offered any more.", null=True)),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        help_text="What it is a kind of.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="children",
                        to="labeling.labelclass",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="classes", to="labeling.project"
                    ),
                ),
            ],
            options={
                "ordering": ["project", "index"],
            },
        ),
        migrations.CreateModel(
            name="ClassExample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="example_of", to="labeling.item"
                    ),
                ),
                (
                    "label_class",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="examples", to="labeling.labelclass"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LabelCounts",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("labeled", models.IntegerField()),
                (
                    "corrected",
                    models.PositiveBigIntegerField(default=0, help_text="Key of the newest correction; 0 for none."),
                ),
                ("withdrawn", models.PositiveIntegerField(default=0)),
                ("classes", models.JSONField(help_text="Items by class index; -1 for those that no class applies to.")),
                (
                    "batch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="label_counts", to="labeling.batch"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "label counts",
            },
        ),
        migrations.AddField(
            model_name="project",
            name="family",
            field=models.ForeignKey(
                editable=False,
                help_text="The projects that hold the same labels; empty if no other does.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="projects",
                to="labeling.labelfamily",
            ),
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("role", models.CharField(choices=labeling.models.roles.choices, max_length=10)),
                (
                    "group",
                    models.CharField(blank=True, help_text="Parts of a batch can be kept for a group.", max_length=40),
                ),
                (
                    "daily_limit",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Answers a day; if empty, as the project's setting says.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100000),
                        ],
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "paused_at",
                    models.DateTimeField(
                        blank=True, help_text="Since when they get no tasks, until a manager has looked.", null=True
                    ),
                ),
                ("pause_reason", models.CharField(blank=True, max_length=300)),
                (
                    "looked_at",
                    models.DateTimeField(
                        blank=True, help_text="When a manager let them go on: answers before are forgiven.", null=True
                    ),
                ),
                (
                    "accuracy",
                    models.FloatField(
                        blank=True,
                        help_text="Share of their answers that are right, by how they agree with others' so far.",
                        null=True,
                    ),
                ),
                (
                    "asked_in_doubt",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="Whether they get items that others answered and whose label is in doubt.",
                    ),
                ),
                (
                    "waiting_since",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        help_text="Since when they have asked for items and got none.",
                        null=True,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="memberships", to="labeling.project"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ModelVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("artifact", models.CharField(help_text="Folder, relative to the project's data.", max_length=300)),
                ("digest", models.CharField(max_length=64)),
                ("labels_hash", models.CharField(help_text="Over the labeled rows that it saw.", max_length=64)),
                ("labels", models.PositiveIntegerField(help_text="Labeled items that it learned from.")),
                (
                    "classes",
                    models.PositiveIntegerField(help_text="It knows the classes whose index lies below.", null=True),
                ),
                ("seed", models.PositiveBigIntegerField()),
                ("training", models.JSONField(default=dict)),
                ("metrics", models.JSONField(default=dict, help_text="As measured when it was trained.")),
                (
                    "gate",
                    models.JSONField(
                        default=dict,
                        help_text="How it did beside the version that the gate let through before it; empty if there was none.",
                    ),
                ),
                (
                    "held_back",
                    models.BooleanField(
                        default=False, help_text="Worse than that version: it picks no batch by itself."
                    ),
                ),
                (
                    "damaged",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="What is wrong with its files; it picks no batch meanwhile.",
                        max_length=300,
                    ),
                ),
                (
                    "calibrating",
                    models.CharField(
                        choices=[
                            ("sealed", "as far as its training told"),
                            ("waiting", "still to come"),
                            ("done", "Done"),
                            ("skipped", "Skipped"),
                        ],
                        default="sealed",
                        max_length=10,
                    ),
                ),
                (
                    "calibration",
                    models.JSONField(
                        default=dict,
                        help_text="What its calibration needs to know, then what it found, or why there is none.",
                    ),
                ),
                ("seconds", models.FloatField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "batch",
                    models.OneToOneField(
                        help_text="Its last batch.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="model_version",
                        to="labeling.batch",
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        help_text="The version that picked its last batch.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="labeling.modelversion",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="labeling.project"
                    ),
                ),
            ],
            options={
                "ordering": ["project", "number"],
            },
        ),
        migrations.CreateModel(
            name="Clustering",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rows", models.PositiveBigIntegerField(help_text="Rows that the dendrogram was built over.")),
                (
                    "joined_rows",
                    models.PositiveBigIntegerField(help_text="Rows that have a place in it, later ones included."),
                ),
                (
                    "generation",
                    models.PositiveIntegerField(default=1, help_text="Which dendrogram of the project it is."),
                ),
                ("digest", models.CharField(max_length=64)),
                ("seconds", models.FloatField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("described_then", models.FloatField(null=True)),
                ("described_now", models.FloatField(null=True)),
                (
                    "anew_at",
                    models.DateTimeField(
                        help_text="When a manager asked for the pool to be clustered anew.", null=True
                    ),
                ),
                (
                    "project",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="clustering", to="labeling.project"
                    ),
                ),
                (
                    "embedded_by",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="labeling.modelversion"),
                ),
                (
                    "measured_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="labeling.modelversion",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="batch",
            name="selected_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="%(class)s_picks",
                to="labeling.modelversion",
            ),
        ),
        migrations.CreateModel(
            name="PredictionRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="The file's name, as people know it.", max_length=200)),
                ("path", models.CharField(help_text="Where it lies until it is done.", max_length=1000)),
                (
                    "probabilities",
                    models.BooleanField(default=False, help_text="Each row also has the probability of every class."),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(blank=True, help_text="Why it failed.", max_length=500)),
                ("position", models.PositiveBigIntegerField(default=0)),
                ("total", models.PositiveBigIntegerField(null=True)),
                ("predicted", models.PositiveBigIntegerField(default=0)),
                ("rejected", models.PositiveBigIntegerField(default=0)),
                (
                    "rejections",
                    models.JSONField(
                        default=list, help_text="The first rows that were left out: where, and the reason."
                    ),
                ),
                ("size", models.PositiveBigIntegerField(default=0)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "job",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prediction",
                        to="labeling.job",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="predictions", to="labeling.project"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="predictions",
                        to="labeling.modelversion",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="PrivateTraining",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("labels", models.PositiveIntegerField(help_text="Labeled items that it learns from.")),
                ("phases", models.JSONField(help_text="Noise multiplier, sampling rate and steps of each phase.")),
                ("delta", models.FloatField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="private_trainings",
                        to="labeling.batch",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="private_trainings",
                        to="labeling.project",
                    ),
                ),
                (
                    "version",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="private_training",
                        to="labeling.modelversion",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="RejectedRow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("where", models.CharField(max_length=300)),
                ("reason", models.CharField(max_length=500)),
                ("excerpt", models.CharField(blank=True, max_length=200)),
                (
                    "item_import",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rejected_rows",
                        to="labeling.itemimport",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Release",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="releases",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="release", to="labeling.modelversion"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Removal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("deleted", models.BooleanField(default=False, help_text="Deleted, not only excluded.")),
                ("reason", models.CharField(blank=True, max_length=300)),
                (
                    "closed_task",
                    models.PositiveBigIntegerField(help_text="Key of the task that this closed, if any.", null=True),
                ),
                ("created_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "ended_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="removals_ended",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="removals", to="labeling.item"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="removals",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ReviewPlace",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("held_until", models.DateTimeField()),
                ("put_off_at", models.DateTimeField(null=True)),
                (
                    "item",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="review_place", to="labeling.item"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "is_gold",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Its answer is known: it checks who answers, and labels nothing.",
                    ),
                ),
                ("rank", models.PositiveIntegerField()),
                (
                    "selection",
                    models.PositiveSmallIntegerField(default=1, help_text="Which selection of its batch picked it."),
                ),
                ("is_control", models.BooleanField(default=False)),
                (
                    "asked",
                    models.BooleanField(
                        default=False,
                        help_text="Taken before all others: a manager had asked for it, or it checks a near-copy.",
                    ),
                ),
                ("margin", models.FloatField(null=True)),
                ("cluster", models.PositiveBigIntegerField(null=True)),
                (
                    "cluster_size",
                    models.PositiveIntegerField(help_text="Size of the cluster among the candidates.", null=True),
                ),
                (
                    "draw_pass",
                    models.PositiveIntegerField(help_text="Round-robin pass in which it was drawn.", null=True),
                ),
                (
                    "predicted",
                    models.PositiveIntegerField(
                        help_text="Best class, or for verify 1 for yes and 0 for no.", null=True
                    ),
                ),
                ("confidence", models.FloatField(help_text="The probability of what was predicted.", null=True)),
                (
                    "stand_in",
                    models.FloatField(
                        help_text="Of a task that was not picked for doubt: how sure the prediction counts when one more person may be asked, so that control and gold tasks are asked again as often as others. Negative: as another answer.",
                        null=True,
                    ),
                ),
                (
                    "likely",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="The most probable classes by index, the most probable first; empty unless they may be shown.",
                        max_length=80,
                    ),
                ),
                (
                    "prompted",
                    models.BooleanField(default=False, help_text="The coin lets its annotators be shown an answer."),
                ),
                (
                    "prompted_by",
                    models.CharField(
                        blank=True,
                        choices=[("model", "Model"), ("suggestion", "Suggestion"), ("nothing", "Nothing")],
                        help_text="Of a prompted task; empty: the model.",
                        max_length=10,
                    ),
                ),
                (
                    "copies_shown",
                    models.PositiveSmallIntegerField(
                        help_text="So many of its item's near-copies are shown, the nearest ones; empty: all of them.",
                        null=True,
                    ),
                ),
                ("free", models.IntegerField()),
                ("outstanding", models.IntegerField()),
                (
                    "extra",
                    models.PositiveSmallIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Answers asked for beyond the overlap, because its label was in doubt.",
                    ),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tasks", to="labeling.batch"
                    ),
                ),
                (
                    "item",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="task", to="labeling.item"
                    ),
                ),
                (
                    "repeats",
                    models.ForeignKey(
                        help_text="In place of `item`: an item that is asked again.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="further_tasks",
                        to="labeling.item",
                    ),
                ),
                (
                    "replaces",
                    models.ForeignKey(
                        db_index=False,
                        help_text="The task that everybody skipped, whose place it has taken.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="replaced_by",
                        to="labeling.task",
                    ),
                ),
            ],
            options={
                "ordering": ["batch", "rank"],
            },
        ),
        migrations.CreateModel(
            name="Assignment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("lease_expires_at", models.DateTimeField()),
                (
                    "claimed_at",
                    models.DateTimeField(default=django.utils.timezone.now, help_text="When it was last claimed."),
                ),
                (
                    "held_since",
                    models.DateTimeField(
                        help_text="When the person took it, without the time between an answer and its undo.", null=True
                    ),
                ),
                ("answered_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="assignments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="assignments", to="labeling.task"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="annotation",
            name="task",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="annotations", to="labeling.task"
            ),
        ),
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("path", models.CharField(max_length=1000, unique=True)),
                ("bytes", models.PositiveBigIntegerField(help_text="While it arrives, those that are expected.")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="uploads", to="labeling.project"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="VersionChoice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="version_choices",
                        to="labeling.project",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="version_choices",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="choices",
                        to="labeling.modelversion",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Selection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "strategy",
                    models.CharField(blank=True, help_text="'seed' for a uniform first batch.", max_length=20),
                ),
                ("seed", models.PositiveBigIntegerField(null=True)),
                ("batch_size", models.PositiveIntegerField(help_text="k_t: items asked for.", null=True)),
                (
                    "candidate_factor",
                    models.FloatField(help_text="k_m / k_t: as set, or as found in its place.", null=True),
                ),
                (
                    "candidates",
                    models.PositiveIntegerField(help_text="k_m: the most doubtful items, drawn from.", null=True),
                ),
                ("mean_cluster_size", models.FloatField(null=True)),
                ("cut_height", models.FloatField(null=True)),
                ("clusters", models.PositiveIntegerField(help_text="Clusters at the cut.", null=True)),
                (
                    "class_guard",
                    models.FloatField(
                        help_text="Even shares of the batch a class may have; null for no limit.", null=True
                    ),
                ),
                ("control_share", models.FloatField(null=True)),
                ("control_tasks", models.PositiveIntegerField(default=0)),
                (
                    "pool_size",
                    models.PositiveBigIntegerField(help_text="Unlabeled items it was picked from.", null=True),
                ),
                (
                    "pool_rows",
                    models.PositiveBigIntegerField(help_text="Rows of the matrices at that time.", null=True),
                ),
                ("features_hash", models.CharField(blank=True, max_length=64)),
                ("margins_hash", models.CharField(blank=True, max_length=64)),
                ("dendrogram_hash", models.CharField(blank=True, max_length=64)),
                (
                    "newest_version",
                    models.PositiveIntegerField(help_text="Number of the newest version at that time.", null=True),
                ),
                (
                    "copy_reach",
                    models.FloatField(
                        help_text="As far apart as items may be that were shown as near-copies.", null=True
                    ),
                ),
                ("select_seconds", models.FloatField(null=True)),
                (
                    "kept",
                    models.JSONField(
                        default=list,
                        help_text="Ranks [start, stop) that it left as an earlier selection had picked them.",
                    ),
                ),
                ("number", models.PositiveSmallIntegerField()),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="earlier_selections",
                        to="labeling.batch",
                    ),
                ),
                (
                    "selected_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="%(class)s_picks",
                        to="labeling.modelversion",
                    ),
                ),
                (
                    "choice",
                    models.ForeignKey(
                        help_text="The word of a manager that held then.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="labeling.versionchoice",
                    ),
                ),
            ],
            options={
                "ordering": ["batch", "number"],
            },
        ),
        migrations.AddField(
            model_name="batch",
            name="choice",
            field=models.ForeignKey(
                help_text="The word of a manager that held then.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="labeling.versionchoice",
            ),
        ),
        migrations.CreateModel(
            name="WorkLog",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.DateTimeField(help_text="The beginning of the ten minutes.")),
                ("answers", models.IntegerField(default=0)),
                ("skips", models.IntegerField(default=0)),
                ("seconds", models.FloatField(default=0, help_text="That the answers and skips took.")),
                ("last_at", models.DateTimeField(help_text="When the last one came, taken back or not.")),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="work", to="labeling.batch"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="work", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BatchPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.PositiveIntegerField()),
                ("stop", models.PositiveIntegerField()),
                ("group", models.CharField(blank=True, max_length=40)),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="labeling.batch"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["batch", "start"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("start__lt", models.F("stop"))), name="part_has_tasks"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("group", ""), ("user__isnull", False)),
                            models.Q(("user__isnull", True), models.Q(("group", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="part_for_person_or_group",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CopyAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("same", models.BooleanField()),
                (
                    "annotation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="copy_answers",
                        to="labeling.annotation",
                    ),
                ),
                (
                    "copy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="answers", to="labeling.copy"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("copy", "annotation"), name="one_word_on_a_copy")],
            },
        ),
        migrations.CreateModel(
            name="Correction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("value", models.JSONField()),
                ("note", models.CharField(blank=True, max_length=300)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("withdrawn_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "withdrawn_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections_withdrawn",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="corrections", to="labeling.item"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("withdrawn_at__isnull", True)),
                        fields=("item",),
                        name="one_standing_correction",
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="copy",
            index=models.Index(condition=models.Q(("is_check", True)), fields=["batch"], name="copy_checks"),
        ),
        migrations.AddConstraint(
            model_name="copy",
            constraint=models.CheckConstraint(
                condition=models.Q(("of", models.F("item")), _negated=True), name="copy_of_another"
            ),
        ),
        migrations.AddConstraint(
            model_name="copy",
            constraint=models.CheckConstraint(condition=models.Q(("height__gte", 0)), name="copy_height_not_negative"),
        ),
        migrations.AddIndex(
            model_name="comment",
            index=models.Index(
                condition=models.Q(("read_at__isnull", True), ("to__isnull", False)),
                fields=["to"],
                name="comment_unread",
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("row__isnull", True)),
                fields=["project", "media", "media_offset", "id"],
                name="item_unencoded_media",
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("reserved", True)), fields=["project", "control_key"], name="item_control"
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("label__isnull", False)), fields=["project", "labeled_at"], name="item_labeled"
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("label__isnull", False), ("reserved", True)),
                fields=["project", "labeled_at"],
                name="item_control_labeled",
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("agreement__isnull", False)),
                fields=["project", "agreement", "id"],
                name="item_agreement",
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("excluded_at__isnull", False)),
                fields=["project", "excluded_at"],
                name="item_excluded",
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("suggestion__isnull", False)), fields=["project"], name="item_suggested"
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("fingerprint__isnull", False), ("label__isnull", False)),
                fields=["fingerprint"],
                name="item_labeled_content",
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("queued_at__isnull", False)), fields=["project", "queued_at"], name="item_queued"
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("again_at__isnull", False)), fields=["project", "again_at"], name="item_again"
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(condition=models.Q(("gold__isnull", False)), fields=["project", "id"], name="item_gold"),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("label_quality__isnull", False)),
                fields=["project", "label_quality"],
                name="item_label_quality",
            ),
        ),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.UniqueConstraint(fields=("project", "external_id"), name="item_external_id_unique"),
        ),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.UniqueConstraint(fields=("project", "row"), name="item_row_unique"),
        ),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.CheckConstraint(
                condition=models.Q(("deleted_at__isnull", True), ("excluded_at__isnull", False), _connector="OR"),
                name="deleted_items_are_excluded",
            ),
        ),
        migrations.AddConstraint(
            model_name="guidelinesversion",
            constraint=models.UniqueConstraint(fields=("project", "number"), name="guidelines_number_unique"),
        ),
        migrations.AddConstraint(
            model_name="guidelinesimage",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="guidelines_image_name_unique"),
        ),
        migrations.AddConstraint(
            model_name="featuresum",
            constraint=models.UniqueConstraint(
                fields=("project", "generation", "start"), name="one_sum_for_each_part_of_features"
            ),
        ),
        migrations.AddConstraint(
            model_name="damagedfile",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="one_row_for_each_damaged_file"),
        ),
        migrations.AddIndex(
            model_name="classproposal",
            index=models.Index(
                condition=models.Q(("settled_at__isnull", True)), fields=["project", "key"], name="proposal_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="classchange",
            constraint=models.UniqueConstraint(fields=("project", "revision"), name="class_revision_unique"),
        ),
        migrations.AddIndex(
            model_name="bulkchange",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", True)), fields=["project"], name="bulk_unfinished"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state__in", ["waiting", "running"])),
                fields=["state", "run_after"],
                name="job_unfinished",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("batch__isnull", False)),
                fields=("batch", "kind", "occasion"),
                name="one_job_per_batch_step",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("batch__isnull", True), ("state", "waiting")),
                fields=("project", "kind", "occasion"),
                name="one_of_its_kind_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("batch__isnull", True), ("state", "running")),
                fields=("project", "kind", "occasion"),
                name="one_of_its_kind_running",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__in", ["train"]), ("state", "running")),
                fields=("project", "kind"),
                name="one_running_in_turn",
            ),
        ),
        migrations.AddConstraint(
            model_name="labelclass",
            constraint=models.UniqueConstraint(fields=("project", "index"), name="class_index_unique"),
        ),
        migrations.AddConstraint(
            model_name="labelclass",
            constraint=models.UniqueConstraint(fields=("project", "name"), name="class_name_unique"),
        ),
        migrations.AddConstraint(
            model_name="classexample",
            constraint=models.UniqueConstraint(fields=("label_class", "item"), name="example_unique"),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(fields=("project", "user"), name="one_role_per_project"),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.UniqueConstraint(fields=("project", "number"), name="version_number_unique"),
        ),
        migrations.AddIndex(
            model_name="removal",
            index=models.Index(
                condition=models.Q(("closed_task__isnull", False)), fields=["closed_task"], name="removal_closed_task"
            ),
        ),
        migrations.AddConstraint(
            model_name="removal",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)), fields=("item",), name="one_standing_removal"
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(condition=models.Q(("free__gt", 0)), fields=["batch", "rank"], name="task_claimable"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["batch", "margin", "rank"], name="task_by_margin"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["batch", "cluster", "rank"], name="task_by_cluster"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("draw_pass__isnull", False)),
                fields=["batch", "draw_pass", "rank"],
                name="task_by_pass",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(condition=models.Q(("is_control", True)), fields=["batch", "rank"], name="task_control"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(condition=models.Q(("repeats__isnull", False)), fields=["batch"], name="task_further"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("is_control", True), ("prompted", True)),
                fields=["item"],
                name="task_control_prompted",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(fields=("batch", "rank"), name="task_rank_unique"),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("is_gold", False), ("item__isnull", False), ("repeats__isnull", True)),
                    models.Q(("item__isnull", True), ("repeats__isnull", False)),
                    _connector="OR",
                ),
                name="task_has_one_item",
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.UniqueConstraint(
                condition=models.Q(("replaces__isnull", False)), fields=("replaces",), name="one_replacement_per_task"
            ),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(condition=models.Q(("free__gte", 0)), name="task_free_not_negative"),
        ),
        migrations.AddConstraint(
            model_name="task",
            constraint=models.CheckConstraint(
                condition=models.Q(("outstanding__gte", models.F("free"))), name="task_outstanding_covers_free"
            ),
        ),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(
                condition=models.Q(("answered_at__isnull", True), ("ended_at__isnull", True)),
                fields=["lease_expires_at"],
                name="assignment_pending",
            ),
        ),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(
                condition=models.Q(("answered_at__isnull", True), ("ended_at__isnull", True)),
                fields=["user", "task", "lease_expires_at"],
                name="assignment_own",
            ),
        ),
        migrations.AddConstraint(
            model_name="assignment",
            constraint=models.UniqueConstraint(fields=("task", "user"), name="one_place_per_annotator"),
        ),
        migrations.AddConstraint(
            model_name="assignment",
            constraint=models.CheckConstraint(
                condition=models.Q(("answered_at__isnull", True), ("ended_at__isnull", True), _connector="OR"),
                name="answered_places_stay",
            ),
        ),
        migrations.AddIndex(
            model_name="annotation",
            index=models.Index(fields=["user", "created_at"], name="annotation_by_user"),
        ),
        migrations.AddIndex(
            model_name="annotation",
            index=models.Index(
                condition=models.Q(("flagged", True), ("undone_at__isnull", True)),
                fields=["task"],
                name="annotation_flagged",
            ),
        ),
        migrations.AddIndex(
            model_name="annotation",
            index=models.Index(
                condition=models.Q(("undone_at__isnull", True), ("value__isnull", True)),
                fields=["task"],
                name="annotation_skipped",
            ),
        ),
        migrations.AddIndex(
            model_name="annotation",
            index=models.Index(
                condition=models.Q(("sampled", True), ("undone_at__isnull", True)),
                fields=["task"],
                name="annotation_sampled",
            ),
        ),
        migrations.AddConstraint(
            model_name="annotation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("undone_at__isnull", True)), fields=("task", "user"), name="one_standing_annotation"
            ),
        ),
        migrations.AddConstraint(
            model_name="annotation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("skip_reason", ""), ("value__isnull", False)),
                    models.Q(("value__isnull", True), models.Q(("skip_reason", ""), _negated=True)),
                    _connector="OR",
                ),
                name="answer_or_skip",
            ),
        ),
        migrations.AddConstraint(
            model_name="annotation",
            constraint=models.CheckConstraint(condition=models.Q(("seconds__gte", 0)), name="seconds_not_negative"),
        ),
        migrations.AddConstraint(
            model_name="selection",
            constraint=models.UniqueConstraint(fields=("batch", "number"), name="selection_number_unique"),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.UniqueConstraint(fields=("project", "number"), name="batch_number_unique"),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("state__in", ["selecting", "ready"]),
                    models.Q(("failed_in", "selecting"), ("state", "failed")),
                    _connector="OR",
                ),
                fields=("project",),
                name="one_batch_being_picked_per_project",
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(("remaining__gte", 0), ("remaining__lte", models.F("size"))),
                name="batch_remaining_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="worklog",
            constraint=models.UniqueConstraint(fields=("batch", "user", "start"), name="work_log_unique"),
        ),
        migrations.RunPython(create_search_tables, drop_search_tables),
    ]
