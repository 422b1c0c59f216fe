from typing import Any

from django.db import migrations, models


def verify_in_grids(apps: Any, schema_editor: Any) -> None:
    """Grids are the usual screen for yes or no on a proposed class."""
    apps.get_model("labeling", "Project").objects.filter(question="verify", kind__in=["image", "text"]).update(
        grids=True
    )


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0043_quality"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="grids",
            field=models.BooleanField(
                default=False,
                help_text="Asks about many items of one class at once: annotators mark the wrong ones and confirm the "
                "rest.",
            ),
        ),
        migrations.RunPython(verify_in_grids, migrations.RunPython.noop),
    ]
