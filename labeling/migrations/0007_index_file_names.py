"""Let the worker index the items of images and recordings again, now with the names of their files."""

from __future__ import annotations

from typing import Any

from django.db import migrations


def index_again(apps: Any, schema_editor: Any) -> None:
    indexes = apps.get_model("labeling", "ItemIndex").objects
    indexes.filter(project__kind__in=["image", "audio"]).update(indexed_to=0)


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0006_help_texts"),
    ]

    operations = [
        migrations.RunPython(index_again, migrations.RunPython.noop),
    ]
