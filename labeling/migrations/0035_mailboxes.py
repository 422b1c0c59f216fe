"""Addresses for notices, and the choice of notices."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0034_notices"),
    ]

    operations = [
        migrations.AddField(
            model_name="notice",
            name="mail",
            field=models.UUIDField(help_text="The mail that tells it.", null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="notice_choices",
            field=models.JSONField(
                db_default={},
                default=dict,
                editable=False,
                help_text="By kind of notice: whether it is shown on the page, and when it is mailed.",
            ),
        ),
        migrations.CreateModel(
            name="Mailbox",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.EmailField(max_length=254)),
                ("asked_at", models.DateTimeField(help_text="When the link to confirm the address was asked for.")),
                (
                    "confirmed_at",
                    models.DateTimeField(help_text="Daily mails come at this time of the day.", null=True),
                ),
                ("mail", models.UUIDField(help_text="The mail that is to be sent; each try has this id.", null=True)),
                ("held_by", models.CharField(blank=True, help_text="The try that a worker makes now.", max_length=32)),
                ("held_until", models.DateTimeField(help_text="Then another worker tries again.", null=True)),
                ("next_at", models.DateTimeField(help_text="When it may be tried.")),
                ("failures", models.PositiveIntegerField(default=0, help_text="Of the present mail.")),
                ("failing_since", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, help_text="Why the last try failed.", max_length=300)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="mailbox", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "mailboxes",
                "ordering": ["pk"],
            },
        ),
    ]
