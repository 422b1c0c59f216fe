"""The last use of API tokens, and the table of the cache."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("knox", "0009_extend_authtoken_field"),
        ("labeling", "0039_pretrainings"),
    ]

    operations = [
        migrations.CreateModel(
            name="CacheEntry",
            fields=[
                ("cache_key", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("value", models.TextField()),
                ("expires", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="TokenUse",
            fields=[
                (
                    "token",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="last_use",
                        serialize=False,
                        to="knox.authtoken",
                    ),
                ),
                ("at", models.DateTimeField()),
                ("client", models.CharField(help_text="The address.", max_length=45)),
                ("agent", models.CharField(blank=True, help_text="The program, as it names itself.", max_length=200)),
            ],
        ),
    ]
