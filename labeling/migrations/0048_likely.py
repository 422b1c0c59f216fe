from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0047_copies"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="likely",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The most probable classes by index, the most probable first; empty unless they may be shown.",
                max_length=80,
            ),
        ),
    ]
