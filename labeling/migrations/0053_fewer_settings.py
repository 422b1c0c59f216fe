"""Five settings of projects become constants.

Their columns stay for one release: servers of the release before may run beside those of this one.
"""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models

import labeling.models.project_settings

SETTINGS = ("check_share", "copy_checks", "copy_error", "copy_weight", "max_seconds_per_item")


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0052_public_links_of_certificates"),
    ]

    operations = [
        migrations.AlterField(
            model_name="project",
            name="check_share",
            field=models.FloatField(
                db_default=0.05,
                default=0.05,
                help_text="This part of the tasks, drawn at random, is answered by one more person in any case.",
                validators=[
                    labeling.models.project_settings.finite,
                    MinValueValidator(0.0),
                    MaxValueValidator(1.0),
                ],
            ),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                *(migrations.RemoveField("project", name) for name in SETTINGS),
                migrations.RemoveField("assignment", "held_since"),
            ]
        ),
    ]
