from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0003_find_and_settle_items"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("is_control", True), ("label__isnull", False)),
                fields=["project", "labeled_at"],
                name="item_control_labeled",
            ),
        ),
    ]
