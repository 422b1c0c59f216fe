import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0054_file_sums"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="itemimport",
            name="rejected_by_reason",
            field=models.JSONField(
                help_text="How many rows were set aside for each reason; empty for imports of earlier versions.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="projectstorage",
            name="row_bytes",
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name="project",
            name="guidelines",
            field=models.TextField(
                blank=True, help_text="How to decide; shown to annotators on demand.", max_length=200000
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="created_by",
            field=models.ForeignKey(
                editable=False,
                help_text="Whose quota of projects it counts towards; empty for projects that commands make.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
