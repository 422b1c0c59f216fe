"""Sources: places outside that items come from, and the imports that come from them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0018_model_origins"),
    ]

    operations = [
        migrations.AddField(
            model_name="itemimport",
            name="source_etag",
            field=models.CharField(blank=True, db_default="", help_text="Of that file, when listed.", max_length=200),
        ),
        migrations.AddField(
            model_name="itemimport",
            name="source_key",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="The file of the source that `path` becomes a copy of; empty if `path` lists files of items.",
                max_length=1024,
            ),
        ),
        migrations.CreateModel(
            name="Source",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("address", models.CharField(max_length=2000)),
                (
                    "options",
                    models.JSONField(
                        default=dict, help_text="What the place needs beside its address, without secrets."
                    ),
                ),
                (
                    "sealed_secrets",
                    models.TextField(blank=True, editable=False, help_text="Its credentials, encrypted."),
                ),
                (
                    "content",
                    models.CharField(
                        choices=[
                            ("file", "one file with a row for each item"),
                            ("files", "files with a row for each item"),
                            ("media", "files that are an item each"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "layout",
                    models.JSONField(
                        help_text="The columns of its files: see intake/readers/layout.py. Null until they are chosen.",
                        null=True,
                    ),
                ),
                (
                    "by_reference",
                    models.BooleanField(
                        db_default=False, default=False, help_text="Whether the files of items stay at the source."
                    ),
                ),
                (
                    "schedule",
                    models.CharField(
                        choices=[
                            ("off", "only by hand"),
                            ("hour", "every hour"),
                            ("day", "every day"),
                            ("week", "every week"),
                        ],
                        default="day",
                        max_length=10,
                    ),
                ),
                (
                    "full_schedule",
                    models.CharField(
                        choices=[
                            ("off", "only by hand"),
                            ("hour", "every hour"),
                            ("day", "every day"),
                            ("week", "every week"),
                        ],
                        default="week",
                        max_length=10,
                    ),
                ),
                ("next_look_at", models.DateTimeField(null=True)),
                ("next_full_at", models.DateTimeField(null=True)),
                (
                    "cursor",
                    models.TextField(
                        blank=True, help_text="The last key that was listed. A quick look lists what follows."
                    ),
                ),
                ("in_full", models.BooleanField(default=False, help_text="Whether a full look is due or has begun.")),
                ("full_cursor", models.TextField(blank=True, help_text="How far the present full look has come.")),
                ("looked_at", models.DateTimeField(help_text="When the last look ended, of any kind.", null=True)),
                ("full_looked_at", models.DateTimeField(help_text="When the last full look ended.", null=True)),
                ("problem", models.CharField(blank=True, help_text="Why the last look failed.", max_length=500)),
                (
                    "found",
                    models.PositiveBigIntegerField(
                        default=0, help_text="The new or changed files that all looks have found."
                    ),
                ),
                ("paused_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="sources", to="labeling.project"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddField(
            model_name="itemimport",
            name="source",
            field=models.ForeignKey(
                help_text="That it comes from.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="imports",
                to="labeling.source",
            ),
        ),
        migrations.AddIndex(
            model_name="itemimport",
            index=models.Index(
                condition=models.Q(("source__isnull", False)), fields=["source", "source_key"], name="import_of_source"
            ),
        ),
    ]
