"""Since when a goal is reached."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0050_bets_of_audits"),
    ]

    operations = [
        migrations.AddField(
            model_name="finish",
            name="reached_at",
            field=models.DateTimeField(help_text="Since when all items have a label and no batch follows.", null=True),
        ),
        migrations.AlterField(
            model_name="notice",
            name="number",
            field=models.PositiveBigIntegerField(
                help_text="Of the batch, model version, certificate or import.", null=True
            ),
        ),
    ]
