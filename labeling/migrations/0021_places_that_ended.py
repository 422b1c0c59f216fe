import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

PENDING = models.Q(("answered_at__isnull", True), ("ended_at__isnull", True))


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("labeling", "0020_storage"),
    ]

    operations = [
        migrations.RenameField(model_name="assignment", old_name="created_at", new_name="claimed_at"),
        migrations.AlterField(
            model_name="assignment",
            name="claimed_at",
            field=models.DateTimeField(default=django.utils.timezone.now, help_text="When it was last claimed."),
        ),
        migrations.AddField(model_name="assignment", name="ended_at", field=models.DateTimeField(null=True)),
        migrations.RemoveIndex(model_name="assignment", name="assignment_pending"),
        migrations.RemoveIndex(model_name="assignment", name="assignment_own"),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(condition=PENDING, fields=["lease_expires_at"], name="assignment_pending"),
        ),
        migrations.AddIndex(
            model_name="assignment",
            index=models.Index(condition=PENDING, fields=["user"], name="assignment_own"),
        ),
        migrations.AddConstraint(
            model_name="assignment",
            constraint=models.CheckConstraint(
                condition=models.Q(("answered_at__isnull", True), ("ended_at__isnull", True), _connector="OR"),
                name="answered_places_stay",
            ),
        ),
    ]
