"""Endpoints that let a model version predict uploaded items, show the progress and return the result."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from labeling.api.export import files_of, format_of
from labeling.api.shared import fields
from labeling.api.shared.bodies import PARSERS, ROW_BODIES, ROWS, sent, two_texts
from labeling.api.shared.endpoints import ProjectView, answers, find_or_404, private_file, record_download
from labeling.api.shared.errors import Conflict, Error
from labeling.models import Ability, LogKind, PredictionRun
from labeling.outgoing import predictions
from labeling.outgoing.formats import DEFAULT, FORMATS
from labeling.storage.disk.files import FileDamaged

LISTED = predictions.MOST_KEPT + predictions.MOST_WAITING


class PredictOptions(fields.Shape):
    probabilities = serializers.BooleanField(default=False, help_text="Also the probability of every class.")


class LeftOut(fields.Shape):
    where = fields.Text("Its place in the file.")
    reason = fields.Text()


class PredictionRunSerializer(serializers.ModelSerializer[PredictionRun]):
    """A prediction run, its progress, and the address of its result."""

    version = fields.Integer("The model version that is asked.", source="version.number")
    rejections = LeftOut(many=True, help_text="The first 100 rows that were left out, each with the reason.")
    url = fields.Computed("Ask here again until `state` is `done` or `failed`.")
    result_url = fields.Computed("Where to fetch the result, once it is done.")
    expires_at = fields.Time("When it is removed, once it is finished.", allow_null=True)

    class Meta:
        model = PredictionRun
        fields = read_only_fields = fields.words(
            "id version name state reason probabilities position total predicted rejected rejections url result_url "
            "created_at finished_at expires_at"
        )

    def get_url(self, run: PredictionRun) -> str:
        return reverse("api:prediction", args=[run.project.slug, run.pk])

    def get_result_url(self, run: PredictionRun) -> str | None:
        is_done = run.state == PredictionRun.State.DONE
        return reverse("api:prediction-result", args=[run.project.slug, run.pk]) if is_done else None


class _Predictions(ProjectView):
    """Base of the endpoints of prediction runs."""

    def runs(self) -> QuerySet[PredictionRun]:
        return self.project.predictions.kept(timezone.now()).select_related("project", "version")

    def find(self, prediction_id: int) -> PredictionRun:
        missing = f"There is no prediction {prediction_id} in this project, or it is kept no longer."
        return find_or_404(self.runs(), missing, pk=prediction_id)


class Predict(_Predictions):
    """Predict items with the model version, from a JSON list, JSON lines, or a file in any format that the server
    imports.

    The items do not enter the project. A worker predicts them in the background and reports each bad row with a
    reason. A project can have at most 10 waiting files; a result is kept for 7 days.
    """

    parser_classes = PARSERS

    @answers(
        PredictionRunSerializer,
        202,
        needs=Ability.PREDICTIONS_CHANGE,
        request=ROW_BODIES,
        query=PredictOptions,
        examples=[two_texts([{"id": row["id"], "text": row["text"]} for row in ROWS])],
        meaning="A worker predicts it: poll `url`.",
    )
    def post(self, number: int) -> PredictionRun:
        version = self.one_of(self.project.versions.select_related("project"), "model version", number=number)
        file, options = sent(self.request, self.project, PredictOptions)
        return predictions.ask(version=version, user=self.user, **options, **file)


class PredictionList(_Predictions):
    """List the prediction runs of the last days, the newest first."""

    @answers(PredictionRunSerializer, needs=Ability.MODELS_READ, many=True)
    def get(self) -> QuerySet[PredictionRun]:
        return self.runs()[:LISTED]


class PredictionDetail(_Predictions):
    """A single prediction run."""

    @answers(PredictionRunSerializer, needs=Ability.MODELS_READ)
    def get(self, prediction_id: int) -> PredictionRun:
        """Return a prediction run and its progress."""
        return self.find(prediction_id)

    @answers(needs=Ability.PREDICTIONS_CHANGE)
    def delete(self, prediction_id: int) -> None:
        """Delete a prediction run with its file and its result; a run in progress stops."""
        predictions.remove_run(self.find(prediction_id))


class PredictionResult(_Predictions):
    """Download the predictions, one row per item in the order of the file, as a stream in the format that `format`
    names.
    """

    @answers(
        {**files_of(FORMATS), 409: OpenApiResponse(Error, description="It is not done yet, or it failed.")},
        needs=Ability.MODELS_READ,
        parameters=[format_of(FORMATS)],
    )
    def get(self, prediction_id: int) -> StreamingHttpResponse:
        name = self.request.query_params.get("format") or DEFAULT
        if name not in FORMATS:
            raise serializers.ValidationError({"format": f"There are {', '.join(FORMATS)}, not {name[:40]!r}."})
        run = self.find(prediction_id)
        if run.state != PredictionRun.State.DONE:
            raise Conflict(run.reason or "It is not done yet: ask again later.")
        fmt = FORMATS[name]
        try:
            chunks = fmt.write(predictions.pages(run), predictions.shape_of(run).layout)
        except FileNotFoundError:
            raise Http404("The result is gone from the disk.") from None
        except FileDamaged as error:
            raise Http404(f"The result is damaged: {error.problem}. Have the file predicted again.") from None
        record_download(self.request, LogKind.PREDICTION_DOWNLOADED, self.project, subject=f"prediction {run.pk}")
        headers = private_file(f"{self.project.slug}-prediction-{run.pk}{fmt.suffix}")
        return StreamingHttpResponse(chunks, content_type=fmt.content_type, headers=headers)
