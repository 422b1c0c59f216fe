"""A secret for each project, from which follows what nobody may foresee; item numbers that say nothing; prompted tasks."""

import hmac

from django.db import migrations, models

import labeling.models.projects

CHUNK = 1000


def give_secrets(apps, schema_editor):
    """A secret of its own to every project, and new control items to those that have no batch yet.

    Where there are batches, the reserved items stay: others have had their chance of being picked since, so a new draw
    would be no fair sample of the pool (docs/decisions/0003-control-items-are-reserved.md).
    """
    Project = apps.get_model("labeling", "Project")
    Batch = apps.get_model("labeling", "Batch")
    for project in Project.objects.only("pk", "control_share").iterator():
        project.secret = labeling.models.projects.new_secret()
        project.save(update_fields=["secret"])
        if not Batch.objects.filter(project_id=project.pk).exists():
            reserve_anew(apps.get_model("labeling", "Item"), project)


def reserve_anew(Item, project):
    last = 0
    while chunk := list(
        Item.objects.filter(project_id=project.pk, pk__gt=last).order_by("pk").only("pk", "external_id")[:CHUNK]
    ):
        for item in chunk:
            message = f"control/{item.external_id}".encode("utf-8", "surrogatepass")
            digest = hmac.digest(project.secret, message, "sha256")
            item.control_key = int.from_bytes(digest[:6], "big") / 2**48
            item.is_control = item.control_key < project.control_share
        Item.objects.bulk_update(chunk, ["control_key", "is_control"])
        last = chunk[-1].pk


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0017_privacy_noise"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="item", name="item_unencoded"),
        migrations.AddField(
            model_name="itemimport",
            name="first_number",
            field=models.PositiveBigIntegerField(null=True, unique=True),
        ),
        migrations.AddField(
            model_name="itemimport",
            name="numbered_from",
            field=models.PositiveBigIntegerField(default=0, help_text="The position that the first of them is for."),
        ),
        migrations.AddField(
            model_name="itemimport",
            name="numbers",
            field=models.PositiveBigIntegerField(default=0, help_text="How many numbers are reserved for it."),
        ),
        migrations.AddField(
            model_name="project",
            name="secret",
            field=models.BinaryField(default=labeling.models.projects.new_secret, editable=False),
        ),
        migrations.AddField(
            model_name="task",
            name="prompted",
            field=models.BooleanField(default=False, help_text="Its annotators are shown what was predicted."),
        ),
        migrations.AlterField(
            model_name="project",
            name="seed",
            field=models.PositiveIntegerField(
                default=labeling.models.projects.random_seed,
                help_text="What trainings draw at random follows from it.",
            ),
        ),
        migrations.AlterField(
            model_name="project",
            name="show_predictions",
            field=models.BooleanField(
                default=False,
                help_text="Shows annotators what the model predicts, on half of the tasks. Quicker, but people tend to agree.",
            ),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(
                condition=models.Q(("row__isnull", True)),
                fields=["project", "media", "media_offset", "id"],
                name="item_unencoded_media",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("is_control", True), ("prompted", True)),
                fields=["item"],
                name="task_control_prompted",
            ),
        ),
        migrations.RunPython(give_secrets, migrations.RunPython.noop),
    ]
