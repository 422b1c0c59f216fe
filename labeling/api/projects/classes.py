"""Endpoints that list and change the classes of a project, and settle the classes that annotators propose."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404

from labeling.api.shared import fields
from labeling.api.shared.endpoints import ProjectView, answers, find_or_404
from labeling.models import Ability, ClassChange, Item, LabelClass
from labeling.models.classes import MAX_ALIASES, MAX_DESCRIPTION, MAX_PROPOSAL
from labeling.projects.classes import changing as classes
from labeling.projects.classes import examples, proposals
from labeling.questions.base import MAX_NAME

MOST_CHANGES = 100


class ProjectClass(fields.Shape):
    """A class. Its index never changes."""

    index = fields.Integer()
    name = fields.Text()
    position = fields.Integer("Its place among the classes, from 0.")
    description = fields.Text("When it applies: for annotators.")
    key = fields.Text("The digit key that chooses it; empty for none.")
    colour = fields.Text("The colour of its mark, such as #3366cc; empty for none.")
    aliases = fields.Texts("Other words that find it.")
    parent = fields.Integer(  # type: ignore[assignment]  # a field that DRF has an attribute for
        "Index of the class that it is a kind of.", source="parent.index", allow_null=True, default=None
    )
    archived_at = fields.Time("The time since which annotators cannot choose it.", allow_null=True)
    examples = fields.Computed("Ids of the items that annotators see as its examples.")
    merged_into = fields.Computed("Index of the class that it has become; null if none.")

    def get_examples(self, label_class: LabelClass) -> list[int]:
        return [item.pk for item in self.context["examples"].get(label_class.index, [])]

    def get_merged_into(self, label_class: LabelClass) -> int | None:
        target: int | None = self.context["merges"].get(label_class.index)
        return target


class ClassDetails(fields.Shape):
    """The editable fields of a class. A missing field keeps its value."""

    name = fields.Text(max_length=MAX_NAME, required=False)
    description = fields.Text(max_length=MAX_DESCRIPTION, allow_blank=True, required=False)
    key = fields.Text(max_length=1, allow_blank=True, required=False)
    colour = fields.Text(max_length=7, allow_blank=True, required=False)
    aliases = fields.List(
        "All of them anew.", child=fields.Text(max_length=MAX_NAME), max_length=MAX_ALIASES, required=False
    )
    parent = fields.Integer(  # type: ignore[assignment]  # likewise
        min_value=0, max_value=fields.MAX_INT, allow_null=True, required=False
    )


class NewClass(ClassDetails):
    """A class to add after the others."""

    name = fields.Text(max_length=MAX_NAME)


class ClassEdit(ClassDetails):
    """The fields of a class to change."""

    position = fields.Integer("Its new place, from 0.", min_value=0, max_value=fields.MAX_INT, required=False)


class MergeRequest(fields.Shape):
    into = fields.Integer("Index of the class that it is to become.", min_value=0, max_value=fields.MAX_INT)


class SplitRequest(fields.Shape):
    into = fields.List(
        "Names of the classes that it is to become. Those that are not there yet are added.",
        child=fields.Text(max_length=MAX_NAME),
        min_length=2,
        max_length=classes.MOST_PARTS,
    )


class UndoRequest(fields.Shape):
    revision = fields.Integer("Of the newest change.", min_value=1, max_value=fields.MAX_INT)


class Change(fields.Shape):
    """A change to the classes."""

    revision = fields.Integer()
    kind = fields.Choice(ClassChange.Kind.choices)
    text = fields.Text("What was changed, for people.")
    classes = fields.Integers("Indices of the classes it is about.")
    user = fields.Text(source="user.username", allow_null=True, default=None)
    created_at = fields.Time()
    undone_at = fields.Time(allow_null=True)


class _Classes(ProjectView):
    def context_of(self, result: Any) -> dict[str, Any]:
        one = result if isinstance(result, LabelClass) else None
        if one is not None:
            self.project.refresh_from_db(fields=["merged"])
        return {"merges": self.project.merges, "examples": examples.examples_of(self.project, one)}

    def find(self, index: int) -> LabelClass:
        rows = self.project.classes.select_related("parent")
        return find_or_404(rows, "This project has no class with this index.", index=index)

    def fields_of(self, details: dict[str, Any]) -> dict[str, Any]:
        """Return the details with the parent's `LabelClass` in place of its index."""
        if details.get("parent") is not None:
            details["parent"] = self.find(details["parent"])
        return details


class ClassList(_Classes):
    """List all classes in their order, archived ones included."""

    @answers(ProjectClass, needs=Ability.PROJECT_READ, many=True)
    def get(self) -> QuerySet[LabelClass]:
        return self.project.classes.select_related("parent").order_by("position", "index")

    @answers(ProjectClass, 201, needs=Ability.SETTINGS_CHANGE, takes=NewClass)
    def post(self) -> LabelClass:
        """Add a class. The next training learns it."""
        return classes.add(project=self.project, user=self.user, **self.fields_of(self.body))


class ClassDetail(_Classes):
    @answers(ProjectClass, needs=Ability.PROJECT_READ)
    def get(self, index: int) -> LabelClass:
        """Return one class."""
        return self.find(index)

    @answers(ProjectClass, needs=Ability.SETTINGS_CHANGE, takes=ClassEdit)
    def patch(self, index: int) -> LabelClass:
        """Rename, describe or move a class. Labels and models refer to the class by its index and do not change."""
        self.find(index)
        details = self.fields_of(self.body)
        position = details.pop("position", None)
        if details:
            classes.edit(project=self.project, user=self.user, index=index, **details)
        if position is not None:
            classes.move(project=self.project, user=self.user, index=index, position=position)
        return self.find(index)


class ClassMerge(_Classes):
    """Merge a class into another. A background job moves the labels; annotations keep their values."""

    @answers(ProjectClass, needs=Ability.SETTINGS_CHANGE, takes=MergeRequest)
    def post(self, index: int) -> LabelClass:
        self.find(index)
        classes.merge(project=self.project, user=self.user, index=index, into=self.body["into"])
        return self.find(index)


class ClassSplit(_Classes):
    """Split a class into several. A background job removes the labels of its items, and later batches ask the items
    again.

    The annotations stay. The response lists the new classes.
    """

    def context_of(self, result: Any) -> dict[str, Any]:
        return {"merges": {}, "examples": {}}

    @answers(ProjectClass, needs=Ability.SETTINGS_CHANGE, many=True, takes=SplitRequest)
    def post(self, index: int) -> QuerySet[LabelClass]:
        self.find(index)
        parts = classes.split(project=self.project, user=self.user, index=index, into=self.body["into"])
        rows = self.project.classes.select_related("parent").filter(pk__in=[part.pk for part in parts])
        return rows.order_by("position")


class ClassArchive(_Classes):
    @answers(ProjectClass, needs=Ability.SETTINGS_CHANGE)
    def post(self, index: int) -> LabelClass:
        """Archive a class: annotators can no longer choose it. Its labels stay."""
        self.find(index)
        classes.archive(project=self.project, user=self.user, index=index)
        return self.find(index)

    @answers(ProjectClass, needs=Ability.SETTINGS_CHANGE)
    def delete(self, index: int) -> LabelClass:
        """Restore an archived class, so that annotators can choose it again."""
        self.find(index)
        classes.restore(project=self.project, user=self.user, index=index)
        return self.find(index)


class ClassExampleDetail(_Classes):
    @answers(ProjectClass, needs=Ability.SETTINGS_CHANGE)
    def put(self, index: int, item_id: int) -> LabelClass:
        """Show an item to annotators as an example of the class. A class has at most six examples.

        Respond with 409 for an item with another label, or one that annotators can still be asked about.
        """
        self.find(index)
        examples.choose(project=self.project, user=self.user, index=index, item=self._item(item_id))
        return self.find(index)

    @answers(ProjectClass, needs=Ability.SETTINGS_CHANGE)
    def delete(self, index: int, item_id: int) -> LabelClass:
        """Stop showing an item as an example of the class."""
        self.find(index)
        examples.remove_example(project=self.project, index=index, item=self._item(item_id))
        return self.find(index)

    def _item(self, item_id: int) -> Item:
        return find_or_404(self.project.items.all(), "This project has no item with this id.", pk=item_id)


class ClassChanges(ProjectView):
    """List the newest hundred changes to the classes, the newest first."""

    @answers(Change, needs=Ability.LABELS_READ, many=True)
    def get(self) -> QuerySet[ClassChange]:
        return self.project.class_changes.select_related("user").order_by("-revision")[:MOST_CHANGES]


class ClassUndo(ProjectView):
    """Undo the newest change to the classes, provided that no model was trained since."""

    @answers(Change, needs=Ability.SETTINGS_CHANGE, takes=UndoRequest)
    def post(self) -> ClassChange:
        return classes.undo(project=self.project, user=self.user, **self.body)


class Proposal(fields.Shape):
    """A class that annotators proposed when they skipped an item."""

    key = fields.Text("The key of the proposal, for all spellings of the name.")
    name = fields.Text("Its most frequent spelling.")
    people = fields.Integer("How many proposed it.")
    items = fields.Computed("Ids of the items that it was proposed for.")

    def get_items(self, group: proposals.Group) -> list[int]:
        return [item.pk for item in group.items]


class DismissRequest(fields.Shape):
    key = fields.Text(max_length=3 * MAX_PROPOSAL)


class AcceptRequest(DismissRequest):
    """A proposal to accept: `into` is the index of an existing class, `name` names a new one, by default the proposed
    name.
    """

    name = fields.Text(max_length=MAX_NAME, required=False)
    into = fields.Integer("Index of the class.", min_value=0, max_value=fields.MAX_INT, required=False)


class AcceptResponse(fields.Shape):
    """The result of accepting a proposal."""

    index = fields.Integer("Of the class that the items got.", source="label_class.index")
    labeled = fields.Integer("How many items got it.")
    waiting = fields.Integer("The number of items that still lack answers: accept again later.")
    left = fields.Integer("The number of items left: accept again.")


class DismissResponse(fields.Shape):
    dismissed = fields.Integer("How many proposals there were: their items stay skipped.")


class _Proposals(ProjectView):
    def group(self, key: str) -> proposals.Group:
        group = next((each for each in proposals.groups(self.project) if each.key == key), None)
        if group is None:
            raise Http404("Nothing is proposed under this key.")
        return group


class ProposalList(_Proposals):
    """List the open proposals, those with the most items first."""

    @answers(Proposal, needs=Ability.SETTINGS_READ, many=True)
    def get(self) -> list[proposals.Group]:
        return proposals.groups(self.project)


class ProposalAccept(_Proposals):
    """Accept a proposed class, new or existing: correct the labels of its items to the class."""

    @answers(AcceptResponse, needs=Ability.SETTINGS_CHANGE, takes=AcceptRequest)
    def post(self) -> proposals.Accepted:
        values = self.body
        group = self.group(values["key"])
        return proposals.accept(
            project=self.project,
            user=self.user,
            key=group.key,
            name=values.get("name", group.name),
            into=values.get("into"),
        )


class ProposalDismiss(_Proposals):
    """Dismiss a proposed class. Its items stay skipped."""

    @answers(DismissResponse, needs=Ability.SETTINGS_CHANGE, takes=DismissRequest)
    def post(self) -> dict[str, int]:
        group = self.group(self.body["key"])
        return {"dismissed": proposals.dismiss(project=self.project, user=self.user, key=group.key)}
