"""Endpoints that finish a project: the forecast for a goal, its start and stop, and the certificates."""

from dataclasses import replace
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers, record_download
from labeling.api.shared.ranges import file_response
from labeling.finishing import goal as goals
from labeling.finishing.forecasts import ClassForecast, Forecast, Point
from labeling.finishing.goal import GOAL, Goal
from labeling.finishing.progress import PoolProgress
from labeling.finishing.state import certificates_of, finish_values
from labeling.models import Ability, Audit, Certificate, Finish, LogKind
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged
from labeling.storage.shared_files import store


class GoalOptions(serializers.ModelSerializer[Finish]):
    """The goal that is forecast; by default the one that was started, else 2 % at 95 %."""

    class Meta:
        model = Finish
        fields = GOAL
        extra_kwargs = {name: {"required": False} for name in GOAL}


class GoalBody(fields.Body):
    """The goal: the largest share of wrong labels, and the probability with which no proof is false."""

    class Meta:
        model = Finish
        fields = GOAL


fields.shape_of(Point, "CurveFigures")


class ClassForecastFigures(fields.shape_of(ClassForecast)):  # type: ignore[misc]  # a class that is made of another
    name = fields.Text()


class ForecastFigures(fields.shape_of(Forecast, without="answers_each classes")):  # type: ignore[misc]
    asked = fields.Count("Items that people look at, audit included.")
    hours = fields.Float("Of people, until all items have a label.", min_value=0)
    hours_by_hand = fields.Float("The same without labels of the model.", min_value=0)
    cost = fields.Float("Null unless the project says what an hour costs.", allow_null=True)
    currency = fields.Text(allow_blank=True)
    classes = ClassForecastFigures(many=True, help_text="For a goal by class.")


class AuditFigures(fields.Shape):
    """An audit. `asked`: draws that tasks ask about; `answered`: those of them with all their answers."""

    attempt = fields.Integer(min_value=1, source="audit.attempt")
    of_class = fields.Text("The predicted class; null: all candidates.", source="class_name", allow_null=True)
    each_class = fields.Boolean(
        "Whether it proves each class by itself, where an item may have several.", source="audit.each_class"
    )
    version = fields.Integer(min_value=1, source="audit.version.number")
    candidates = fields.Count(source="audit.candidates")
    asked = fields.Count()
    answered = fields.Count()
    state = fields.Choice(Audit.State.choices, source="audit.state")
    reason = fields.Text("Why it ended without a proof.", source="audit.reason", allow_blank=True)
    created_at = fields.Time(source="audit.created_at")
    ended_at = fields.Time(source="audit.ended_at", allow_null=True)


class ProgressFigures(fields.shape_of(PoolProgress, without="seconds one_more")):  # type: ignore[misc]
    left = fields.Count("Those without a label.")
    hours = fields.Float(
        "Annotators’ time to the end, in all; 0 if a manager or a further person has to settle the rest.", min_value=0
    )


class FinishSerializer(fields.Shape):
    """The progress and the goal of a project, a forecast, and the newest audits."""

    progress = ProgressFigures()
    running = fields.Boolean("Whether batches ask audits for the goal.")
    goal = fields.shape_of(Goal)(allow_null=True, help_text="The goal that was started; null before the first start.")
    started_by = fields.Text(allow_null=True)
    started_at = fields.Time(allow_null=True)
    need_one_more = fields.Count(
        "Items that only a further person can settle: all who may be asked now have answered them."
    )
    forecast = ForecastFigures(allow_null=True, help_text="For the goal in the address.")
    refused = fields.Text("Why there is no forecast.", allow_blank=True)
    audits = AuditFigures(many=True)


class ProjectFinish(ProjectView):
    """The goal of a label for each item, at most a share of them wrong."""

    def shown(self, **options: Any) -> dict[str, Any]:
        goal = Goal.of(Finish.objects.filter(project=self.project).first())
        return finish_values(self.project, replace(goal, **options), timezone.now())

    @answers(FinishSerializer, needs=Ability.BATCHES_READ, query=GoalOptions)
    def get(self) -> dict[str, Any]:
        """Return the forecast for a goal, and the state of the goal that was started."""
        return self.shown(**self.query)

    @answers(FinishSerializer, needs=Ability.BATCHES_CHANGE, takes=GoalBody)
    def post(self) -> dict[str, Any]:
        """Start the goal, or resume a stopped one. Audits that were planned for another goal end."""
        goals.start(self.project, self.user, replace(Goal(), **self.body))
        return self.shown()

    @answers(FinishSerializer, needs=Ability.BATCHES_CHANGE)
    def delete(self) -> dict[str, Any]:
        """Stop the goal: no further audit is asked. Certificates and their labels stay."""
        goals.stop(self.project)
        return self.shown()


class CertificateSerializer(serializers.ModelSerializer[Certificate]):
    """The proof that at most `most_wrong` of `labels` labels of a model are wrong, and whether it is valid."""

    attempt = fields.Integer("Of the audit.", source="audit.attempt")
    version = fields.Integer("The model version that gave them.", source="audit.version.number")
    error = fields.Float("`most_wrong` as a share of `labels`.")
    confidence = fields.Float(source="audit.confidence")
    each_class = fields.Boolean(
        "Whether `most_wrong` holds for each class by itself, where an item may have several.",
        source="audit.each_class",
    )

    Meta = fields.shows(
        Certificate,
        "number attempt version labels most_wrong error confidence each_class threshold asked found digest "
        "issued_at suspended_at suspended_for",
    )


class CertificateList(ProjectView):
    """List all certificates, the newest first."""

    @answers(CertificateSerializer, needs=Ability.BATCHES_READ, pages=True)
    def get(self) -> QuerySet[Certificate]:
        return certificates_of(self.project)


class _OneCertificate(ProjectView):
    def find(self, number: int) -> Certificate:
        return self.one_of(certificates_of(self.project), "certificate", number=number)


class CertificateDetail(_OneCertificate):
    """Return one certificate."""

    @answers(CertificateSerializer, needs=Ability.BATCHES_READ)
    def get(self, number: int) -> Certificate:
        return self.find(number)


class CertificateFile(_OneCertificate):
    """Download the document of a certificate: the plan, the model, all answers of the audit, and the proof. Its SHA-256
    is `digest`.
    """

    @answers({(200, "application/json"): OpenApiTypes.OBJECT}, needs=Ability.BATCHES_READ)
    def get(self, number: int) -> HttpResponseBase:
        path = ProjectFiles(self.project).owned(self.find(number))
        try:
            response = file_response(self.request, store().local(path), content_type="application/json")
        except (FileNotFoundError, FileDamaged):
            raise Http404("The document is gone from the disk.") from None
        response["Content-Disposition"] = f'attachment; filename="{self.project.slug}-certificate-{number}.json"'
        record_download(self.request, LogKind.CERTIFICATE_DOWNLOADED, self.project, subject=f"certificate {number}")
        return response
