"""Counters that pages read instead of all answers, filled from what there is."""

import datetime
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import CharField, Count, F, Max, Q, Sum
from django.db.models.functions import Cast, Substr

CHUNK = 2000


def fill(apps: Any, schema_editor: Any) -> None:
    """Count the labels and the standing answers of every batch."""
    model = {name: apps.get_model("labeling", name) for name in ("Batch", "Task", "Annotation", "WorkLog")}
    labeled = model["Task"].objects.filter(item__label__isnull=False).order_by().values_list("batch")
    for batch, n in labeled.annotate(n=Count("pk")):
        model["Batch"].objects.filter(pk=batch).update(labeled=n)
    work = (
        model["Annotation"]
        .objects.filter(undone_at__isnull=True)
        .order_by()
        .annotate(slice=Substr(Cast("created_at", CharField()), 1, 15), batch=F("task__batch"))
        .values_list("batch", "user", "slice")
        .annotate(
            answers=Count("pk", filter=Q(value__isnull=False)),
            skips=Count("pk", filter=Q(value__isnull=True)),
            total=Sum("seconds"),
            last=Max("created_at"),
        )
    )
    model["WorkLog"].objects.bulk_create(
        (
            model["WorkLog"](
                batch_id=batch, user_id=user, answers=answers, skips=skips, seconds=seconds, last_at=last,
                start=datetime.datetime.strptime(f"{text}0", "%Y-%m-%d %H:%M").replace(tzinfo=datetime.UTC),
            )
            for batch, user, text, answers, skips, seconds, last in work
        ),
        batch_size=CHUNK,
    )  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0030_asked"),
    ]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="labeled",
            field=models.IntegerField(
                default=0, help_text="Items of it that have a label, by a correction or otherwise."
            ),
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
            options={
                "constraints": [models.UniqueConstraint(fields=("batch", "user", "start"), name="work_log_unique")],
            },
        ),
        migrations.AddField(
            model_name="project",
            name="purged_rows",
            field=models.PositiveBigIntegerField(default=0, editable=False, help_text="Of items removed for good."),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
