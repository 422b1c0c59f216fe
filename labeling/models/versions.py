"""What was learned: trained networks, and the one clustering of the pool."""

from django.db import models


class ModelVersion(models.Model):
    """A trained network with its metrics and the labels it saw. Its artifact is a folder below the project's data."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    batch = models.OneToOneField(
        "labeling.Batch", on_delete=models.PROTECT, related_name="model_version", help_text="Its last batch."
    )
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT)
    artifact = models.CharField(max_length=300, help_text="Folder, relative to the project's data.")
    digest = models.CharField(max_length=64)
    labels_hash = models.CharField(max_length=64, help_text="Over the labeled rows that it saw.")
    labels = models.PositiveIntegerField(help_text="Labeled items that it learned from.")
    seed = models.PositiveBigIntegerField()
    training = models.JSONField(default=dict)
    metrics = models.JSONField(default=dict, help_text="As measured when it was trained.")
    seconds = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project", "number"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="version_number_unique")]

    def __str__(self) -> str:
        return f"{self.project} v{self.number}"


class Clustering(models.Model):
    """The dendrogram of a project's pool, built once. Items that came later joined their nearest neighbour."""

    project = models.OneToOneField("labeling.Project", on_delete=models.CASCADE, related_name="clustering")
    embedded_by = models.ForeignKey(ModelVersion, on_delete=models.PROTECT)
    rows = models.PositiveBigIntegerField(help_text="Rows that the dendrogram was built over.")
    joined_rows = models.PositiveBigIntegerField(help_text="Rows that have a place in it, later ones included.")
    digest = models.CharField(max_length=64)
    seconds = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"clustering of {self.project}"
