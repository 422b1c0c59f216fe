"""An index of the annotations that were undone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0028_planned_trainings")]

    operations = [
        migrations.AddIndex(
            model_name="annotation",
            index=models.Index(
                condition=models.Q(("undone_at__isnull", False)), fields=["task"], name="annotation_undone"
            ),
        ),
    ]
