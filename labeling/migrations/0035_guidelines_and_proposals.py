from django.conf import settings
from django.db import migrations, models


def number_the_guidelines(apps, schema_editor):
    """What a project has is its first version. Which of its answers were given by it is not known."""
    Project = apps.get_model("labeling", "Project")
    Version = apps.get_model("labeling", "GuidelinesVersion")
    for project in Project.objects.exclude(guidelines="").only("pk", "guidelines", "created_at"):
        Version.objects.create(
            project=project, number=1, text=project.guidelines, user=None, created_at=project.created_at
        )
        Project.objects.filter(pk=project.pk).update(guidelines_version=1)


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0034_asked_again"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="guidelines_version",
            field=models.PositiveIntegerField(
                default=0,
                editable=False,
                help_text="Number of the guidelines as they are; 0 if none were ever written.",
            ),
        ),
        migrations.AddField(
            model_name="annotation",
            name="guidelines_version",
            field=models.PositiveIntegerField(
                default=0,
                help_text="Number of the guidelines that the annotator had on the screen; 0 for none, or not known.",
            ),
        ),
        migrations.CreateModel(
            name="GuidelinesVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("text", models.TextField(blank=True)),
                ("created_at", models.DateTimeField()),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=models.deletion.CASCADE,
                        related_name="guidelines_versions",
                        to="labeling.project",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["project", "number"],
                "constraints": [
                    models.UniqueConstraint(fields=("project", "number"), name="guidelines_number_unique"),
                ],
            },
        ),
        migrations.AddField(
            model_name="project",
            name="class_proposals",
            field=models.BooleanField(
                default=False,
                help_text="Lets annotators propose a class for an item that none fits; managers accept or dismiss it.",
            ),
        ),
        migrations.CreateModel(
            name="ClassProposal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                (
                    "key",
                    models.CharField(help_text="What spellings of one name have in common.", max_length=300),
                ),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "taken_as",
                    models.PositiveIntegerField(
                        help_text="Index of the class that it became; null if dismissed.", null=True
                    ),
                ),
                (
                    "annotation",
                    models.OneToOneField(
                        on_delete=models.deletion.CASCADE, related_name="proposal", to="labeling.annotation"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=models.deletion.CASCADE, related_name="proposals", to="labeling.project"
                    ),
                ),
                (
                    "settled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("settled_at__isnull", True)),
                        fields=["project", "key"],
                        name="proposal_open",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ClassExample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "item",
                    models.ForeignKey(on_delete=models.deletion.CASCADE, related_name="example_of", to="labeling.item"),
                ),
                (
                    "label_class",
                    models.ForeignKey(
                        on_delete=models.deletion.CASCADE, related_name="examples", to="labeling.labelclass"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(on_delete=models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("label_class", "item"), name="example_unique"),
                ],
            },
        ),
        migrations.RunPython(number_the_guidelines, migrations.RunPython.noop),
    ]
