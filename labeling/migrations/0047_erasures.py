"""Items can be erased at once, and what removed rows leave in the database's files is remembered until it is gone.

The first row has a worker overwrite what earlier releases left there.
"""

from django.db import migrations, models


def note_leftovers(apps, schema_editor):
    alias = schema_editor.connection.alias
    if apps.get_model("labeling", "Project").objects.using(alias).exists():
        apps.get_model("labeling", "Leftover").objects.using(alias).create(urgent=False)


class Migration(migrations.Migration):
    dependencies = [("labeling", "0046_chains_of_old_projects")]

    operations = [
        migrations.CreateModel(
            name="Leftover",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "urgent",
                    models.BooleanField(default=False, help_text="Somebody asked to erase the rows at once."),
                ),
            ],
        ),
        migrations.AddField(
            model_name="removal",
            name="at_once",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Erased as soon as a worker can, not after 30 days."
            ),
        ),
        migrations.AddIndex(
            model_name="removal",
            index=models.Index(condition=models.Q(("at_once", True)), fields=["item"], name="removal_at_once"),
        ),
        migrations.RunPython(note_leftovers, migrations.RunPython.noop),
    ]
