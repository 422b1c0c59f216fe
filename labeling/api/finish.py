"""Endpoints that finish a project: the forecast for a goal, its start and stop, and the certificates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shared.endpoints import ProjectListView, ProjectView, find_or_404, record_download
from labeling.api.shared.fields import Body, read_body, words
from labeling.api.shared.ranges import file_response
from labeling.finishing import goal as goals
from labeling.finishing.goal import GOAL, Goal
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


class GoalBody(Body):
    """The goal: the largest share of wrong labels, and the probability with which no proof is false."""

    class Meta:
        model = Finish
        fields = GOAL


class GoalFigures(serializers.Serializer[Any]):
    """A goal."""

    error = serializers.FloatField()
    confidence = serializers.FloatField()
    by_class = serializers.BooleanField()
    within = serializers.IntegerField(min_value=0)


class CurveFigures(serializers.Serializer[Any]):
    """The labels of which the model is surest, and the expected share of wrong ones among them."""

    labels = serializers.IntegerField(min_value=0)
    error = serializers.FloatField(min_value=0, max_value=1)
    answers = serializers.IntegerField(
        min_value=0,
        allow_null=True,
        help_text="Items that an audit of them asks about; null: no audit is expected to prove them.",
    )


class ClassForecastFigures(serializers.Serializer[Any]):
    """The items that the model predicts as one class. Without labels of the model, people label them."""

    index = serializers.IntegerField(min_value=0)
    name = serializers.CharField()
    candidates = serializers.IntegerField(min_value=0)
    labels = serializers.IntegerField(min_value=0, help_text="Expected to be taken from the model.")
    audit = serializers.IntegerField(min_value=0, help_text="Items that the audit asks about.")


class ForecastFigures(serializers.Serializer[Any]):
    """What finishing takes, if the model is right as often as the control slice says."""

    version = serializers.IntegerField(min_value=1, help_text="The model version in use.")
    control = serializers.IntegerField(min_value=0, help_text="Labeled control items that it stands on.")
    left = serializers.IntegerField(min_value=0, help_text="Items without a label.")
    candidates = serializers.IntegerField(min_value=0, help_text="Of these, items that the model may label.")
    labels = serializers.IntegerField(min_value=0, help_text="Expected to be taken from the model.")
    error = serializers.FloatField(min_value=0, max_value=1, help_text="The share of wrong ones among `labels`.")
    audit = serializers.IntegerField(min_value=0, help_text="Items that the audit asks about.")
    asked = serializers.IntegerField(min_value=0, help_text="Items that people look at, audit included.")
    hours = serializers.FloatField(min_value=0, help_text="Of people, until all items have a label.")
    hours_by_hand = serializers.FloatField(min_value=0, help_text="The same without labels of the model.")
    cost = serializers.FloatField(allow_null=True, help_text="Null unless the project says what an hour costs.")
    currency = serializers.CharField(allow_blank=True)
    curve = CurveFigures(many=True)
    classes = ClassForecastFigures(many=True, help_text="For a goal by class.")


class AuditFigures(serializers.Serializer[Any]):
    """An audit. `asked`: draws that tasks ask about; `answered`: those of them with all their answers."""

    attempt = serializers.IntegerField(min_value=1, source="audit.attempt")
    of_class = serializers.CharField(
        source="class_name", allow_null=True, help_text="The predicted class; null: all candidates."
    )
    each_class = serializers.BooleanField(
        source="audit.each_class", help_text="Whether it proves each class by itself, where an item may have several."
    )
    version = serializers.IntegerField(min_value=1, source="audit.version.number")
    candidates = serializers.IntegerField(min_value=0, source="audit.candidates")
    asked = serializers.IntegerField(min_value=0)
    answered = serializers.IntegerField(min_value=0)
    state = serializers.ChoiceField(choices=Audit.State.choices, source="audit.state")
    reason = serializers.CharField(source="audit.reason", allow_blank=True, help_text="Why it ended without a proof.")
    created_at = serializers.DateTimeField(source="audit.created_at")
    ended_at = serializers.DateTimeField(source="audit.ended_at", allow_null=True)


class ProgressFigures(serializers.Serializer[Any]):
    """How far the pool is from finished."""

    pool = serializers.IntegerField(min_value=0, help_text="Items that a label is wanted for.")
    labeled = serializers.IntegerField(min_value=0, help_text="Those with a label by people.")
    certified = serializers.IntegerField(min_value=0, help_text="Those with a certified label alone.")
    left = serializers.IntegerField(min_value=0, help_text="Those without a label.")
    wrong = serializers.FloatField(
        allow_null=True, help_text="The largest share of wrong labels; null without a certificate."
    )
    hours = serializers.FloatField(min_value=0, help_text="People's time to the end, in all.")
    people = serializers.IntegerField(min_value=1, help_text="People who answered in the last seven days.")
    later = serializers.IntegerField(min_value=0, help_text="Items added after the newest audit with a certificate.")
    by_class = serializers.BooleanField(help_text="Whether `wrong` is the share about any one class of an item.")


class FinishSerializer(serializers.Serializer[Any]):
    """The progress and the goal of a project, a forecast, and the newest audits."""

    progress = ProgressFigures()
    running = serializers.BooleanField(help_text="Whether batches ask audits for the goal.")
    goal = GoalFigures(allow_null=True, help_text="The goal that was started; null before the first start.")
    started_by = serializers.CharField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    need_one_more = serializers.IntegerField(
        min_value=0,
        help_text="Items that only a further person can settle: all who may be asked now have answered them.",
    )
    forecast = ForecastFigures(allow_null=True, help_text="For the goal in the address.")
    refused = serializers.CharField(allow_blank=True, help_text="Why there is no forecast.")
    audits = AuditFigures(many=True)


class ProjectFinish(ProjectView):
    """The goal of a label for each item, at most a share of them wrong."""

    subject = "Finish"
    reading = Ability.BATCHES_READ
    changing = Ability.BATCHES_CHANGE

    def shown(self, options: dict[str, Any] | None = None) -> Response:
        goal = Goal.of(Finish.objects.filter(project=self.project).first())
        values = finish_values(self.project, replace(goal, **(options or {})), timezone.now())
        return Response(FinishSerializer(values).data)

    @extend_schema(parameters=[GoalOptions], responses=FinishSerializer)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the forecast for a goal, and the state of the goal that was started."""
        return self.shown(read_body(GoalOptions, request.query_params.dict()))

    @extend_schema(request=GoalBody, responses=FinishSerializer)
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Start the goal, or go on with a stopped one. Audits that were planned for another goal end."""
        goal = replace(Goal(), **read_body(GoalBody, request.data))
        goals.start(self.project, self.user, goal)
        return self.shown()

    @extend_schema(request=None, responses={200: FinishSerializer})
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Stop the goal: no further audit is asked. Certificates and their labels stay."""
        goals.stop(self.project)
        return self.shown()


class CertificateSerializer(serializers.ModelSerializer[Certificate]):
    """The proof that at most `most_wrong` of `labels` labels of a model are wrong, and whether it stands."""

    attempt = serializers.IntegerField(source="audit.attempt", help_text="Of the audit.")
    version = serializers.IntegerField(source="audit.version.number", help_text="The model version that gave them.")
    error = serializers.FloatField(help_text="`most_wrong` as a share of `labels`.")
    confidence = serializers.FloatField(source="audit.confidence")
    each_class = serializers.BooleanField(
        source="audit.each_class",
        help_text="Whether `most_wrong` holds for each class by itself, where an item may have several.",
    )

    class Meta:
        model = Certificate
        fields = read_only_fields = words(
            "number attempt version labels most_wrong error confidence each_class threshold asked found digest "
            "issued_at suspended_at suspended_for"
        )


class CertificateList(ProjectListView):
    """List all certificates, the newest first."""

    subject = "Finish"
    reading = Ability.BATCHES_READ
    serializer_class = CertificateSerializer

    def get_queryset(self) -> QuerySet[Certificate]:
        return certificates_of(self.project)


class _OneCertificate(ProjectView):
    """Base of the endpoints of a single certificate."""

    subject = "Finish"
    reading = Ability.BATCHES_READ

    def find(self, number: int) -> Certificate:
        missing = f"There is no certificate {number} in this project."
        return find_or_404(certificates_of(self.project), missing, number=number)


class CertificateDetail(_OneCertificate):
    """Return one certificate."""

    @extend_schema(responses=CertificateSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        return Response(CertificateSerializer(self.find(number)).data)


class CertificateFile(_OneCertificate):
    """Download the document of a certificate: the plan, the model, all answers of the audit, and the proof. Its SHA-256
    is `digest`.
    """

    @extend_schema(responses={(200, "application/json"): OpenApiTypes.OBJECT})
    def get(self, request: Request, slug: str, number: int) -> HttpResponseBase:
        path = ProjectFiles(self.project).owned(self.find(number))
        try:
            response = file_response(request, store().local(path), content_type="application/json")
        except (FileNotFoundError, FileDamaged):
            raise Http404("The document is gone from the disk.") from None
        response["Content-Disposition"] = f'attachment; filename="{slug}-certificate-{number}.json"'
        record_download(request, LogKind.CERTIFICATE_DOWNLOADED, self.project, subject=f"certificate {number}")
        return response
