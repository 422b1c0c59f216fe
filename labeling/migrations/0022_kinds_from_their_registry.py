from django.db import migrations, models

import labeling.kinds


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0021_places_that_ended"),
    ]

    operations = [
        migrations.AlterField(
            model_name="project",
            name="kind",
            field=models.CharField(choices=labeling.kinds.choices, max_length=10),
        ),
    ]
