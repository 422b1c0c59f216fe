"""Predictions from outside that leave items out are taken only if their sender says so, and the items are counted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0047_erasures")]

    operations = [
        migrations.AddField(
            model_name="predictionset",
            name="left_out",
            field=models.PositiveBigIntegerField(
                db_default=0, default=0, help_text="Items of the pool behind the last one with a prediction."
            ),
        ),
        migrations.AddField(
            model_name="predictionset",
            name="strict",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Refuse predictions that do not cover all items of the pool.",
            ),
        ),
    ]
