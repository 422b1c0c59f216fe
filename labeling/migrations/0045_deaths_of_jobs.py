"""A job counts how often the step's process died, apart from its attempts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0044_requests_of_imports")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="deaths",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="How often its process died since it began anew."
            ),
        ),
    ]
