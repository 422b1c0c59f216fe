"""The note that no item is left for a next batch moves from the last batch to the project.

The column of the batch stays for web processes of the release before. A migration of a later release drops it.
"""

from django.db import migrations, models
from django.db.models import Exists, OuterRef, Subquery


def copy_notes(apps, schema_editor):
    alias = schema_editor.connection.alias
    batches = apps.get_model("labeling", "Batch").objects.using(alias)
    newer = batches.filter(project=OuterRef("project"), number__gt=OuterRef("number")).exclude(strategy="imported")
    noted = batches.filter(project=OuterRef("pk"), nothing_left_at__isnull=False).exclude(Exists(newer))
    apps.get_model("labeling", "Project").objects.using(alias).update(
        nothing_left_at=Subquery(noted.order_by("-nothing_left_at").values("nothing_left_at")[:1])
    )


class Migration(migrations.Migration):
    dependencies = [("labeling", "0042_language_of_the_browser")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="nothing_left_at",
            field=models.DateTimeField(
                editable=False,
                help_text="When no item was left for a next batch; null while there may be one.",
                null=True,
            ),
        ),
        migrations.RunPython(copy_notes, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField(model_name="batch", name="nothing_left_at")],
        ),
    ]
