"""An item is reserved for control; a task of the control slice is one. The two no longer bear the same name."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0022_kinds_questions_models"),
    ]

    operations = [
        # Their conditions hold the field's name.
        migrations.RemoveIndex(model_name="item", name="item_control"),
        migrations.RemoveIndex(model_name="item", name="item_control_labeled"),
        migrations.RenameField(model_name="item", old_name="is_control", new_name="reserved"),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("reserved", True)), fields=["project", "control_key"], name="item_control"
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("label__isnull", False), ("reserved", True)),
                fields=["project", "labeled_at"],
                name="item_control_labeled",
            ),
        ),
    ]
