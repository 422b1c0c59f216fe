"""Notices for people, and since when items of a project wait for a review."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0031_undone_annotations")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="reviews_since",
            field=models.DateTimeField(
                editable=False,
                help_text="Since when items wait for a review without a break, as far as known.",
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=40)),
                (
                    "number",
                    models.PositiveBigIntegerField(help_text="Of the batch, model version or import.", null=True),
                ),
                ("key", models.CharField(help_text="The same for all who are told the same fact.", max_length=120)),
                ("created_at", models.DateTimeField(db_index=True)),
                ("read_at", models.DateTimeField(null=True)),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="labeling.project",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [models.Index(condition=models.Q(("read_at", None)), fields=["user"], name="notice_unread")],
                "constraints": [models.UniqueConstraint(fields=("user", "key"), name="one_notice_of_a_fact")],
            },
        ),
    ]
