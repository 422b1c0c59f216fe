from django.db import migrations, models

import selector.strategies


class Migration(migrations.Migration):
    dependencies = [("labeling", "0058_causes_hold_their_jobs")]

    operations = [
        migrations.AlterField(
            model_name="project",
            name="strategy",
            field=models.CharField(choices=selector.strategies.choices, default="cluster-margin", max_length=20),
        ),
    ]
