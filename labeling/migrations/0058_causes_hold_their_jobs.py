import django.db.models.deletion
from django.db import migrations, models
from django.db.models import CharField, F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Cast, Concat

RECURRING = ["encode", "repick", "replace", "relabel"]


def hand_over(apps, schema_editor):
    """Imports and predictions get the keys of their jobs. Jobs that no batch causes get an occasion, by which several
    of a kind may wait in a project, unless one stands for all that wait.
    """
    job = apps.get_model("labeling", "Job")
    for name, column in (("ItemImport", "item_import"), ("PredictionRun", "prediction")):
        causes = apps.get_model("labeling", name)
        own = job.objects.filter(**{column: OuterRef("pk")})
        causes.objects.update(job=Subquery(own.values("pk")[:1]))
        jobs = job.objects.filter(**{f"{column}__isnull": False})
        text = Concat(Value(f"{name.lower()} "), Cast(F(f"{column}_id"), CharField()))
        jobs.update(occasion=text, **{column: None})
    others = job.objects.filter(batch=None, occasion="").exclude(kind__in=RECURRING)
    others.update(occasion=Concat(Value("job "), Cast(F("pk"), CharField())))


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0057_roles"),
    ]

    operations = [
        migrations.AddField(
            model_name="itemimport",
            name="job",
            field=models.OneToOneField(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="labeling.job"
            ),
        ),
        migrations.AddField(
            model_name="predictionrun",
            name="job",
            field=models.OneToOneField(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="labeling.job"
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="occasion",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Which of several causes of its kind it has.",
                max_length=100,
            ),
        ),
        migrations.AlterField(model_name="job", name="kind", field=models.CharField(max_length=10)),
        migrations.RunPython(hand_over, migrations.RunPython.noop),
        *[
            migrations.RemoveConstraint(model_name="job", name=name)
            for name in (
                "one_job_per_batch_step",
                "one_job_per_import",
                "one_of_its_kind_waiting",
                "one_of_its_kind_running",
            )
        ],
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=Q(batch__isnull=False), fields=("batch", "kind", "occasion"), name="one_job_per_batch_step"
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=Q(batch__isnull=True, state="waiting"),
                fields=("project", "kind", "occasion"),
                name="one_of_its_kind_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=Q(batch__isnull=True, state="running"),
                fields=("project", "kind", "occasion"),
                name="one_of_its_kind_running",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=Q(kind__in=["train"], state="running"),
                fields=("project", "kind"),
                name="one_running_in_turn",
            ),
        ),
        # The columns stay for a release, and are empty: decision 65.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField(model_name="job", name="item_import"),
                migrations.RemoveField(model_name="job", name="prediction"),
                migrations.AlterField(
                    model_name="itemimport",
                    name="job",
                    field=models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="item_import",
                        to="labeling.job",
                    ),
                ),
                migrations.AlterField(
                    model_name="predictionrun",
                    name="job",
                    field=models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prediction",
                        to="labeling.job",
                    ),
                ),
            ],
        ),
    ]
