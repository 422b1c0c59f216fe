"""An index of the items whose answers give no label."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0011_first_batch_texts")]

    operations = [
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("agreement__isnull", False), ("label__isnull", True)),
                fields=["project", "agreement"],
                name="item_undecided",
            ),
        ),
    ]
