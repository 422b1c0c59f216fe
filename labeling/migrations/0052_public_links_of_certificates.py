"""Public links of certificates."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0051_goals_reached"),
    ]

    operations = [
        migrations.AddField(
            model_name="certificate",
            name="link_digest",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="SHA-256 of the token of its public link, if it has one.",
                max_length=64,
            ),
        ),
        migrations.AddConstraint(
            model_name="certificate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("link_digest", ""), _negated=True),
                fields=("link_digest",),
                name="certificate_link_unique",
            ),
        ),
    ]
