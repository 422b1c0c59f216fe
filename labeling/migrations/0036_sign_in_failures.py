"""Failed sign-ins, in place of the tables of django-axes."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0035_mailboxes"),
    ]

    operations = [
        migrations.CreateModel(
            name="SignInFailure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name_hash", models.CharField(max_length=64)),
                ("client", models.CharField(help_text="The address, or the first of an IPv6 network.", max_length=45)),
                (
                    "device",
                    models.CharField(blank=True, help_text="The browser, if it is known.", max_length=64),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "user",
                    models.ForeignKey(
                        help_text="The account of the typed name.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["client", "at"], name="failure_by_client"),
                    models.Index(fields=["name_hash", "at"], name="failure_by_name"),
                ],
            },
        ),
    ]
