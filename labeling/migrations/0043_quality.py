from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0041_data"),
    ]

    operations = [
        migrations.AddField(
            model_name="membership",
            name="asked_in_doubt",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Whether they get items that others answered and whose label is in doubt.",
            ),
        ),
    ]
