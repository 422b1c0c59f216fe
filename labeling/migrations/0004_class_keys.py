"""Each class gets the key that annotators use for it now; from here on, keys belong to classes."""

import re

import django.core.validators
from django.db import migrations, models

KEYS = "1234567890"


def keep_present_keys(apps, schema_editor):
    classes = apps.get_model("labeling", "LabelClass").objects.using(schema_editor.connection.alias)
    projects = apps.get_model("labeling", "Project").objects.using(schema_editor.connection.alias)
    for project in projects.values_list("pk", flat=True):
        offered = classes.filter(project=project, archived_at__isnull=True).order_by("position", "index")
        rows = list(offered.values_list("pk", "name", "key"))
        for pk, key, new in present_keys(rows):
            if new != key:
                classes.filter(pk=pk).update(key=new)


def present_keys(rows):
    """(pk, key, present key) of each class: its own key, or else its name if all are digits, or else the next."""
    own = {}
    for pk, _, key in rows:
        own.setdefault(key, pk)
    own.pop("", None)
    all_digits = not own and all(len(name) == 1 and name in KEYS for _, name, _ in rows)
    left = iter([key for key in KEYS if key not in own])
    for pk, name, key in rows:
        yield pk, key, name if all_digits else key if own.get(key) == pk else next(left, "")


class Migration(migrations.Migration):
    dependencies = [("labeling", "0003_invitations_for_several")]

    operations = [
        migrations.AlterField(
            model_name="labelclass",
            name="key",
            field=models.CharField(
                blank=True,
                help_text="The digit key that chooses it. It stays while the class is offered.",
                max_length=1,
                validators=[django.core.validators.RegexValidator(re.compile("[0-9]\\Z"), "A key is one digit.")],
            ),
        ),
        migrations.RunPython(keep_present_keys, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="labelclass",
            constraint=models.UniqueConstraint(
                condition=models.Q(("archived_at__isnull", True), models.Q(("key", ""), _negated=True)),
                fields=("project", "key"),
                name="class_key_unique",
            ),
        ),
    ]
