from django.db import migrations, models

import labeling.models.roles


class Migration(migrations.Migration):
    """Roles are listed by a function: a new role needs no migration."""

    dependencies = [("labeling", "0056_max_seconds_per_item")]

    operations = [
        migrations.AlterField(
            model_name="invitation",
            name="role",
            field=models.CharField(choices=labeling.models.roles.choices, max_length=10),
        ),
        migrations.AlterField(
            model_name="membership",
            name="role",
            field=models.CharField(choices=labeling.models.roles.choices, max_length=10),
        ),
    ]
