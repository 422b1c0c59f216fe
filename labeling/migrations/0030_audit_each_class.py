from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("labeling", "0024_reference_problem")]

    operations = [
        migrations.AddField(
            model_name="audit",
            name="each_class",
            field=models.BooleanField(
                default=False,
                help_text="Whether its bound holds for each class by itself, and not for a label as a whole.",
            ),
        ),
    ]
