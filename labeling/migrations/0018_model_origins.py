"""Model versions that were not trained here: they have no batch."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0014_dataset_versions")]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="origin",
            field=models.CharField(
                choices=[("trained", "trained here"), ("registered", "registered")],
                db_default="trained",
                default="trained",
                help_text="How it came into the project.",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="modelversion",
            name="batch",
            field=models.OneToOneField(
                help_text="Its last batch.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="model_version",
                to="labeling.batch",
            ),
        ),
    ]
