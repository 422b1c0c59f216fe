"""Links for a new password by e-mail."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0036_sign_in_failures"),
    ]

    operations = [
        migrations.AddField(
            model_name="mailbox",
            name="reset_asked_at",
            field=models.DateTimeField(help_text="When a link to set a new password was asked for.", null=True),
        ),
        migrations.AddField(
            model_name="mailbox",
            name="reset_mail",
            field=models.UUIDField(help_text="The mail with that link, until it is sent.", null=True),
        ),
    ]
