"""Endpoints for predictions: of a model version for uploaded items, and those that are made outside."""

from django.db.models import QuerySet
from django.http import Http404, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from labeling.api.export import files_of, format_of
from labeling.api.shared import fields
from labeling.api.shared.bodies import PARSERS, ROW_BODIES, ROWS, file_bodies, line_bodies, sent, two_texts
from labeling.api.shared.endpoints import ProjectView, answers, find_or_404, private_file, record_download
from labeling.api.shared.errors import Conflict
from labeling.intake import prediction_sets
from labeling.intake.prediction_files import SUFFIXES
from labeling.models import Ability, LogKind, PredictionRun, PredictionServer, PredictionSet
from labeling.outgoing import predictions
from labeling.outgoing.formats import DEFAULT, FORMATS
from labeling.outside.outbound import validate_address
from labeling.storage.disk.files import FileDamaged

LISTED_RUNS = predictions.MOST_KEPT + predictions.MOST_WAITING


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

    Meta = fields.shows(
        PredictionRun,
        "id version name state reason probabilities position total predicted rejected rejections url result_url "
        "created_at finished_at expires_at",
    )

    def get_url(self, run: PredictionRun) -> str:
        return reverse("api:prediction", args=[run.project.slug, run.pk])

    def get_result_url(self, run: PredictionRun) -> str | None:
        is_done = run.state == PredictionRun.State.DONE
        return reverse("api:prediction-result", args=[run.project.slug, run.pk]) if is_done else None


class _Predictions(ProjectView):
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
        return self.runs()[:LISTED_RUNS]


class PredictionDetail(_Predictions):
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
        files_of(FORMATS),
        needs=Ability.MODELS_READ,
        errors={409: "It is not done yet, or it failed."},
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


LISTED_SETS = 100
NO_SERVER = "This project has no server for predictions."
BODIES = {  # without a JSON list, which is accepted, for the reason in `labeling.api.shared.bodies`
    **file_bodies(
        "predictions.npz",
        f"Its name ends in one of {', '.join(SUFFIXES)}.",
        strict={"type": "boolean", "default": True},
    ),
    **line_bodies("One JSON object a line for each item."),
}
EXAMPLE = OpenApiExample(
    "Two items",
    '{"external_id": "a1", "probabilities": {"barn owl": 0.9, "no owl": 0.1}}\n'
    '{"external_id": "a2", "probabilities": {"barn owl": 0.4, "no owl": 0.6}}\n',
    request_only=True,
    media_type="application/x-ndjson",
)


class HandInOptions(fields.Shape):
    strict = serializers.BooleanField(
        default=True,
        help_text="Refuse predictions that do not cover all items of the pool. Without it, the items behind the last "
        "predicted one may be left out: they wait for newer predictions, and `left_out` counts them.",
    )


class PredictionSetSerializer(serializers.ModelSerializer[PredictionSet]):
    """Predictions from outside: whether they are read, and the model version that they became."""

    version = fields.Integer(
        "The model version, once it is done.", source="version.number", default=None, allow_null=True
    )
    reason = fields.Text("Why they are refused, why the server is asked again, or which files were lost.")
    url = fields.Computed("Ask here again until `state` is `done` or `failed`.")

    Meta = fields.shows(PredictionSet, "id name state reason strict items left_out version url created_at finished_at")

    def get_url(self, handed: PredictionSet) -> str:
        return reverse("api:prediction-set", args=[handed.project.slug, handed.pk])


class PredictionServerSerializer(fields.Shape):
    """A server that speaks Label Studio's protocol for ML backends."""

    url = fields.Text("Begins with https://. `/predict` follows it.", max_length=2000, validators=[validate_address])
    username = fields.Text(
        "For HTTP basic authentication.", max_length=200, required=False, default="", allow_blank=True
    )
    password = fields.Secret("Stored encrypted, and never shown. Left out, it stays while `url` and `username` stay.")


class _Sets(ProjectView):
    def sets(self) -> QuerySet[PredictionSet]:
        return self.project.prediction_sets.select_related("project", "version")


class PredictionSetList(_Sets):
    """The newest 100 sets of predictions from outside."""

    parser_classes = PARSERS

    @answers(PredictionSetSerializer, needs=Ability.MODELS_READ, many=True)
    def get(self) -> QuerySet[PredictionSet]:
        """List the newest 100 sets of predictions from outside, the newest first."""
        return self.sets()[:LISTED_SETS]

    @answers(
        PredictionSetSerializer,
        202,
        needs=Ability.MODELS_CHANGE,
        request=BODIES,
        query=HandInOptions,
        examples=[EXAMPLE],
    )
    def post(self) -> PredictionSet:
        """Hand in predictions of your own model for all items: they become a model version, which picks batches.

        A worker reads them in the background: poll `url`. Respond with 409 if the project is private, or if 10 sets
        wait.
        """
        file, options = sent(self.request, self.project, HandInOptions)
        return prediction_sets.receive(project=self.project, user=self.user, **options, **file)


class PredictionSetDetail(_Sets):
    """Return a set of predictions from outside."""

    @answers(PredictionSetSerializer, needs=Ability.MODELS_READ)
    def get(self, set_id: int) -> PredictionSet:
        return self.one_of(self.sets(), "set of predictions", pk=set_id)


class ServerDetail(_Sets):
    """The server that makes predictions for the project."""

    # Not `models.read`, which auditors have: an address can hold a secret.

    @answers(PredictionServerSerializer, needs=Ability.MODELS_CHANGE)
    def get(self) -> PredictionServer:
        """Return the server of the project. Respond with 404 if it has none."""
        server = PredictionServer.objects.filter(project=self.project).first()
        if server is None:
            raise Http404(NO_SERVER)
        return server

    @answers(PredictionServerSerializer, needs=Ability.MODELS_CHANGE, takes=PredictionServerSerializer)
    def put(self) -> PredictionServer:
        """Set the server of the project. In a project that trains no models, it is asked after each batch."""
        return prediction_sets.set_server(project=self.project, **self.body)

    @answers(needs=Ability.MODELS_CHANGE)
    def delete(self) -> None:
        """Remove the server of the project. Its predictions stay."""
        if not prediction_sets.remove_server(self.project):
            raise Http404(NO_SERVER)


class ServerAsk(_Sets):
    """Have a worker ask the server for predictions of all items. Respond with 409 if the project has no server."""

    @answers(PredictionSetSerializer, 202, needs=Ability.MODELS_CHANGE)
    def post(self) -> PredictionSet:
        return prediction_sets.ask(project=self.project, user=self.user)
