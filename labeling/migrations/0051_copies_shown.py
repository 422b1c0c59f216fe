from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0050_stand_ins"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="copies_shown",
            field=models.PositiveSmallIntegerField(
                help_text="So many of its item's near-copies are shown, the nearest ones; empty: all of them.",
                null=True,
            ),
        ),
    ]
