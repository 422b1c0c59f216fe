"""Limits of items and members that single projects have."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0038_signed_in_devices"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="item_limit",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="The most items that the project may have; if empty, as PROJECT_ITEMS says.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="member_limit",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="The most members that the project may have; if empty, as PROJECT_MEMBERS says.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
    ]
