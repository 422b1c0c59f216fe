"""Pre-trainings of encoders in the privacy ledger."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0037_password_reset"),
    ]

    operations = [
        migrations.AddField(
            model_name="privatetraining",
            name="ended_at",
            field=models.DateTimeField(help_text="When the encoder of a pre-training was stored.", null=True),
        ),
        migrations.AlterField(
            model_name="privatetraining",
            name="batch",
            field=models.ForeignKey(
                help_text="Null for a pre-training of the encoder on the pool's texts.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="private_trainings",
                to="labeling.batch",
            ),
        ),
        migrations.AlterField(
            model_name="privatetraining",
            name="labels",
            field=models.PositiveIntegerField(help_text="Labeled items that it learns from; units of a pre-training."),
        ),
    ]
