"""Endpoints for batches, and for parts of a batch: tasks that managers reserve for a member or a group."""

from django.db.models import Prefetch, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers
from labeling.api.shared.visible import VisibleToMember
from labeling.loop import retrying
from labeling.models import Ability, Batch, Project, Selection, User
from labeling.models.accounts import MAX_GROUP
from labeling.queue import deadlines, parts, rechecking
from labeling.queue.parts import parts_of

# The fields that record how a batch was selected, enough to repeat the selection.
SELECTION = fields.words(
    "strategy seed batch_size candidate_factor candidates mean_cluster_size cut_height clusters class_guard "
    "control_share control_tasks pool_size pool_rows features_hash margins_hash dendrogram_hash selected_by "
    "newest_version chosen_by select_seconds kept"
)


class _Facts(fields.Shape):
    """Fields that batches and earlier selections share and that the serializer computes."""

    selected_by = fields.Integer(
        "The model version whose margins it was picked by.", source="selected_by.number", allow_null=True
    )
    newest_version = fields.Integer(
        "The newest model version then. Another picked it if this one was held back.", allow_null=True
    )
    chosen_by = fields.Text(
        "The manager who had chosen the model version; null if the gate chose it.",
        source="choice.user.username",
        allow_null=True,
        default=None,
    )
    kept = fields.List(
        "The ranks [start, stop) that kept their earlier pick, because annotators held the tasks.",
        child=fields.Integers(min_length=2, max_length=2),
    )


class EarlierSelection(_Facts, serializers.ModelSerializer[Selection]):
    """An earlier selection of a batch that was picked again, with the tasks that annotators held at that moment."""

    class Meta:
        model = Selection
        fields = read_only_fields = ("number", *SELECTION)


class BatchSerializer(VisibleToMember, _Facts, serializers.ModelSerializer[Batch]):
    """A batch with its state and progress; with its selection for members who may read all fields."""

    resource = "Batch"

    model_version = fields.Integer(
        "The model version that was trained on it.", source="model_version.number", allow_null=True
    )
    remaining = fields.Computed(
        "The number of tasks that lack answers. Annotators get an estimate if some tasks may be asked of more people."
    )
    answered = fields.Computed("Tasks that have all their answers.")
    selection = fields.Integer("How often it was picked: 2 if a newer model came in time.")
    earlier_selections = EarlierSelection(many=True, help_text="How it was picked before the last time.")

    class Meta:
        model = Batch
        fields = read_only_fields = (
            *fields.words("number state reason size remaining answered overlap overlap_max"),
            *SELECTION,
            *fields.words(
                "selection earlier_selections model_version further dropped complete_share deadline_at created_at"
            ),
            *fields.words("opened_at completed_at done_at"),
        )
        extra_kwargs = {
            "candidates": {
                "help_text": "k_m: the least certain items, from which the batch was drawn; null if any item could "
                "be picked."
            }
        }

    def get_remaining(self, batch: Batch) -> int:
        sees_all = self.context["membership_in"](batch).can(Ability.BATCHES_READ)
        return batch.remaining if sees_all else rechecking.remaining_shown(batch)

    def get_answered(self, batch: Batch) -> int:
        return batch.size - self.get_remaining(batch)


class BatchList(ProjectView):
    """List all batches, the newest first."""

    @answers(BatchSerializer, needs=Ability.PROJECT_READ, pages=True)
    def get(self) -> QuerySet[Batch]:
        return _with_versions(self.project).order_by("-number")


def _with_versions(project: Project) -> QuerySet[Batch]:
    rows = project.batches.select_related("selected_by", "model_version", "choice__user")
    earlier = Selection.objects.select_related("selected_by", "choice__user")
    return rows.prefetch_related(Prefetch("earlier_selections", earlier))


class OneBatch(ProjectView):
    def find(self, number: int) -> Batch:
        return self.one_of(_with_versions(self.project), "batch", number=number)


class BatchDetail(OneBatch):
    """Return one batch."""

    @answers(BatchSerializer, needs=Ability.PROJECT_READ)
    def get(self, number: int) -> Batch:
        return self.find(number)


class WayOutSerializer(fields.Shape):
    """A way out of a failed batch."""

    way = serializers.ChoiceField(
        choices=retrying.NAMES,
        default="again",
        help_text="`again` runs the failed step again, a selection from its beginning. For a selection, `cluster` also "
        "clusters the pool again, and `draw` draws the batch at random, without a model. For a training, `skip` goes "
        "on without it.",
    )


class BatchRetry(OneBatch):
    """Take a way out of a failed batch, by default `again`. Respond with 409 if the batch has not failed, or if the
    way does not apply.
    """

    @answers(BatchSerializer, needs=Ability.BATCHES_CHANGE, takes=WayOutSerializer)
    def post(self, number: int) -> Batch:
        batch = self.find(number)
        # Clients of earlier releases send no body, or an empty form, which needs another parser.
        is_json = self.request.content_type.partition(";")[0].strip().lower() == "application/json"
        sent = self.request.data if is_json else {}
        retrying.retry(batch=batch, **fields.read_body(WayOutSerializer, sent or {}))
        return self.find(number)


class BatchEnd(OneBatch):
    """End an open batch with its present answers. Unanswered tasks are removed, and their items return to the pool."""

    @answers(BatchSerializer, needs=Ability.BATCHES_CHANGE)
    def post(self, number: int) -> Batch:
        deadlines.end_early(batch=self.find(number))
        return self.find(number)


class PartRequest(fields.Shape):
    """A part to reserve, for `username` or for `group`."""

    username = fields.Text("A member who may answer.", required=False, max_length=150)
    group = fields.Text("A group that members are in.", required=False, max_length=MAX_GROUP)
    share = fields.Float("Of the batch, from 0 to 1.", min_value=0.0001, max_value=1)


class Part(fields.Shape):
    """Tasks of a batch that are reserved for one member or a group."""

    id = fields.Integer(source="part.pk")
    username = fields.Text(source="part.user.username", allow_null=True)
    group = fields.Text(source="part.group", allow_blank=True)
    start = fields.Integer("Rank of its first task.", source="part.start")
    stop = fields.Integer("The rank behind its last task.", source="part.stop")
    unanswered = fields.Integer("Its tasks that lack answers.")
    people = fields.Integer(
        "The number of members who can answer them. With 0, the batch cannot become complete: remove the part."
    )


class BatchParts(OneBatch):
    """List the parts of a batch. Tasks outside all parts are open to every annotator."""

    @answers(Part, needs=Ability.MEMBERS_READ, many=True)
    def get(self, number: int) -> list[parts.PartRecord]:
        return parts_of(self.find(number))

    @answers(Part, 201, needs=Ability.BATCHES_CHANGE, takes=PartRequest)
    def post(self, number: int) -> parts.PartRecord:
        """Reserve a share of the batch's unassigned tasks for one member or a group."""
        values = self.body
        if ("username" in values) == ("group" in values):
            raise ValidationError({"group": "Name either a member or a group."})
        batch, user = self.find(number), None
        if "username" in values:
            user = User.objects.filter(memberships__project=self.project, username=values["username"]).first()
            if user is None:
                raise ValidationError({"username": "The project has no member with this username."})
        part = parts.assign_part(batch=batch, share=values["share"], user=user, group=values.get("group", ""))
        return next(each for each in parts_of(batch) if each.part == part)


class OnePart(OneBatch):
    """Remove a part. Its unassigned tasks become open to every annotator; assigned tasks stay with their
    annotators.
    """

    @answers(needs=Ability.BATCHES_CHANGE)
    def delete(self, number: int, part_id: int) -> None:
        if not parts.unassign_part(batch=self.find(number), part_id=part_id):
            raise NotFound("The batch has no part with this id.")
