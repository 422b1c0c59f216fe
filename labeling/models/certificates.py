"""The error that a pool's labels may have, audits that prove labels of a model, and the labels that they certify."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q, Sum

from labeling.models.files import FileOwner


class Finish(models.Model):
    """A project's goal: all items have a label, at most a share of them wrong. While it runs, batches ask audits."""

    project = models.OneToOneField("labeling.Project", on_delete=models.CASCADE, related_name="finish")
    running = models.BooleanField(default=True)
    job = models.ForeignKey(
        "labeling.Job", null=True, on_delete=models.SET_NULL, related_name="+", help_text="The step that advances it."
    )
    error = models.FloatField(
        default=0.02,
        validators=[MinValueValidator(0.001), MaxValueValidator(0.5)],
        help_text="The largest share of wrong labels in the whole pool.",
    )
    confidence = models.FloatField(
        default=0.95,
        validators=[MinValueValidator(0.5), MaxValueValidator(0.999)],
        help_text="The probability with which no proof is false.",
    )
    by_class = models.BooleanField(default=False, help_text="Whether each class has a bound of its own.")
    within = models.PositiveSmallIntegerField(
        default=0, help_text="For scores: the points by which a right label may differ."
    )
    forecasts = models.JSONField(default=list, help_text="The forecast with each model version, the newest last.")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    started_at = models.DateTimeField(auto_now_add=True)
    reached_at = models.DateTimeField(null=True, help_text="Since when all items have a label and no batch follows.")

    class Meta:
        verbose_name_plural = "finishes"

    def __str__(self) -> str:
        return f"{self.project}: at most {self.error:.1%} wrong"


class AuditQuerySet(models.QuerySet["Audit"]):
    def asking(self) -> AuditQuerySet:
        """Return audits whose items are still asked about."""
        return self.filter(state=Audit.State.ASKING)


class Audit(FileOwner):
    """One audit, fixed before its first answer. `finishing.certifying.plan` makes the plan again from its values.

    Its file holds the candidates: see `labeling.finishing.candidates`.
    """

    class State(models.TextChoices):
        PLANNING = "planning", "planned, but its file is not written"
        ASKING = "asking"
        PROVEN = "proven"
        ENDED = "ended", "ended without a proof"

    noun = "audits"
    suffix = ".npz"
    whole = ~Q(state="planning")
    admin_columns = ("project", "attempt", "of_class", "version", "state", "created_at")

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="audits")
    attempt = models.PositiveIntegerField(help_text="From 1. Audits of several classes share an attempt.")
    of_class = models.PositiveIntegerField(null=True, help_text="The predicted class of its candidates; null: all.")
    each_class = models.BooleanField(
        default=False, help_text="Whether its bound holds for each class by itself, and not for a label as a whole."
    )
    version = models.ForeignKey("labeling.ModelVersion", on_delete=models.PROTECT, related_name="audits")
    class_revision = models.PositiveIntegerField(help_text="How often the classes had been changed.")
    pool_size = models.PositiveBigIntegerField(help_text="Items of the pool, labeled or not.")
    pool_rows = models.PositiveBigIntegerField(
        default=0, help_text="Rows of the matrices: later items have higher rows."
    )
    candidates = models.PositiveBigIntegerField()
    error = models.FloatField(help_text="The goal's, when it was planned.")
    confidence = models.FloatField()
    within = models.PositiveSmallIntegerField(default=0)
    people_error = models.FloatField(help_text="The share of people's labels taken to be wrong.")
    target_share = models.FloatField(help_text="See `labeling.finishing.certifying.plan.Target`.")
    target_constant = models.FloatField()
    risk = models.FloatField(help_text="Of this audit: a part of 1 - confidence.")
    missed = models.FloatField(help_text="The probability that people take a wrong label for a right one.")
    bets = models.PositiveSmallIntegerField(
        db_default=1, help_text="The number of its bets: `labeling.finishing.certifying.plan.BETS`."
    )
    sizes = models.JSONField(help_text="The candidates of each stratum.")
    expected = models.JSONField(help_text="The expected share of wrong labels in each stratum.")
    seed = models.PositiveBigIntegerField(help_text="The order of the draws follows from it.")
    state = models.CharField(max_length=10, choices=State, default=State.ASKING)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it ended without a proof.")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "attempt", "of_class"], name="audit_of_class_unique"),
            models.UniqueConstraint(
                fields=["project", "attempt"], condition=Q(of_class__isnull=True), name="audit_of_all_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"audit {self.attempt} of {self.project}"


class AuditDraw(models.Model):
    """A draw of an audit whose item a task asks about. Never shown to annotators.

    A draw goes with its task, if the task is removed before a person claimed it; a later batch asks it then.
    """

    audit = models.ForeignKey(Audit, on_delete=models.CASCADE, related_name="draws")
    place = models.PositiveBigIntegerField(help_text="In the order of the draws, from 0.")
    task = models.OneToOneField("labeling.Task", on_delete=models.CASCADE, related_name="audit_draw")
    value = models.JSONField(help_text="The model's label of the item, by the audit's version.")
    is_decoy = models.BooleanField(
        default=False, help_text="Its annotators see the prediction, so its answer proves nothing."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["audit", "place"], name="audit_place_unique")]

    def __str__(self) -> str:
        return f"draw {self.place} of {self.audit}"


class CertificateQuerySet(models.QuerySet["Certificate"]):
    def standing(self) -> CertificateQuerySet:
        """Return certificates whose labels count: finished and not suspended."""
        return self.filter(suspended_at__isnull=True).exclude(digest="")

    def most_wrong(self, *, classes: int = 1) -> int:
        """Return how many labels of these certificates may be wrong. A bound for each class counts `classes` times."""
        each = Q(audit__each_class=True)
        sums = self.aggregate(
            whole=Sum("most_wrong", filter=~each, default=0), each=Sum("most_wrong", filter=each, default=0)
        )
        return int(sums["whole"]) + classes * int(sums["each"])


class Certificate(FileOwner):
    """The proof that at most `most_wrong` of `labels` labels of a model are wrong. Its file says how it was proven.

    It counts once it has a digest; until then its labels are still being written. Later, only `suspended_at`,
    `suspended_for` and `link_digest` change.
    """

    noun = "certificates"
    suffix = ".json"
    whole = ~Q(digest="")
    admin_columns = ("project", "number", "labels", "most_wrong", "issued_at", "suspended_at")

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="certificates")
    number = models.PositiveIntegerField()
    audit = models.OneToOneField(Audit, on_delete=models.PROTECT, related_name="certificate")
    labels = models.PositiveBigIntegerField(help_text="The certified labels, when it was issued.")
    most_wrong = models.PositiveBigIntegerField(help_text="The largest number of wrong ones among them.")
    last_stratum = models.PositiveIntegerField()
    threshold = models.FloatField(help_text="The lowest probability of a certified label.")
    asked = models.PositiveBigIntegerField(help_text="The set's labels that people were asked about.")
    found = models.PositiveBigIntegerField(help_text="Of these, the labels that people found wrong.")
    evidence = models.FloatField(help_text="Against more wrong labels, as a logarithm.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of its file.")
    issued_at = models.DateTimeField(auto_now_add=True)
    suspended_at = models.DateTimeField(null=True)
    suspended_for = models.CharField(max_length=500, blank=True)
    link_digest = models.CharField(
        max_length=64, blank=True, db_default="", help_text="SHA-256 of the token of its public link, if it has one."
    )

    objects = CertificateQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="certificate_number_unique"),
            models.UniqueConstraint(
                fields=["link_digest"], condition=~Q(link_digest=""), name="certificate_link_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"certificate {self.number} of {self.project}"

    @property
    def stands(self) -> bool:
        """Whether its labels count, as in `CertificateQuerySet.standing`."""
        return self.suspended_at is None and self.digest != ""

    @property
    def error(self) -> float:
        """The largest share of wrong labels among the certified ones."""
        return self.most_wrong / max(self.labels, 1)


class CertifiedLabelQuerySet(models.QuerySet["CertifiedLabel"]):
    def standing(self) -> CertifiedLabelQuerySet:
        """Return the labels of valid certificates, of items that have no label by people and are kept."""
        return self.certifying().filter(item__label__isnull=True, item__excluded_at__isnull=True)

    def certifying(self) -> CertifiedLabelQuerySet:
        """Return the labels of valid certificates."""
        return self.filter(certificate__in=Certificate.objects.standing().order_by())


class CertifiedLabel(models.Model):
    """A model's label of an item, as a certificate covers it. No model learns from it, and it measures none."""

    item = models.OneToOneField(
        "labeling.Item", primary_key=True, on_delete=models.CASCADE, related_name="certified_label"
    )
    certificate = models.ForeignKey(Certificate, on_delete=models.CASCADE, related_name="certified_labels")
    value = models.JSONField()
    probability = models.FloatField(help_text="Of the label, by the model and its calibration.")

    objects = CertifiedLabelQuerySet.as_manager()

    def __str__(self) -> str:
        return f"certified label of {self.item}"
