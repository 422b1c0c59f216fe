from django.db import migrations, models

import selector.strategies


class Migration(migrations.Migration):
    dependencies = [("labeling", "0056_max_seconds_per_item")]

    operations = [
        migrations.AlterField(
            model_name="project",
            name="strategy",
            field=models.CharField(choices=selector.strategies.choices, default="cluster-margin", max_length=20),
        ),
    ]
