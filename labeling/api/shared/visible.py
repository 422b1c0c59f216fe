"""The fields of a resource that every member may read. `Ability.BATCHES_READ` opens the other fields.

Other resources are read whole, with the endpoint's ability `reading`. `tests/access/fields.py` has the same table for
every field of every response, and checks the API against it.

An annotator must not be able to tell a control task from another: docs/decisions/07-nothing-tells-a-task.md.
"""

from collections.abc import Mapping
from typing import Any

from labeling.api.shared.fields import words
from labeling.models import Ability, Membership
from labeling.models.roles import who_may

# By the name of the resource in the published schema.
EVERY_MEMBER: dict[str, tuple[str, ...]] = {
    "Project": words(
        "slug kind question classes name prompt guidelines guidelines_version loop created_at archived_at"
    ),
    "Batch": words(
        "number state size remaining answered overlap deadline_at created_at opened_at completed_at done_at"
    ),
    "ProgressResponse": words(
        "loop batch state reason size remaining answered answers is_final phase share seconds_left step_seconds_left "
        "retry_at own"
    ),
}


def visible(resource: str, values: Mapping[str, Any], membership: Membership) -> dict[str, Any]:
    """Return the values of the resource that this member may read."""
    if membership.can(Ability.BATCHES_READ):
        return dict(values)
    return {name: value for name, value in values.items() if name in EVERY_MEMBER[resource]}


class VisibleToMember:
    """A mixin for serializers of a resource in `EVERY_MEMBER`.

    `membership_in` of the context returns the reader's membership in an instance's project.
    """

    resource: str
    context: dict[str, Any]

    def to_representation(self, instance: Any) -> dict[str, Any]:
        values = super().to_representation(instance)  # type: ignore[misc]  # a serializer's
        return visible(self.resource, values, self.context["membership_in"](instance))


def mark_in_schema(components: Mapping[str, Any]) -> None:
    """Mark the fields in the published schema that not every member may read with their readers."""
    note = f"For {who_may(Ability.BATCHES_READ)}."
    for resource, names in EVERY_MEMBER.items():
        component = components[resource]
        component["required"] = [name for name in component["required"] if name in names]
        for name, schema in component["properties"].items():
            if name not in names and "$ref" not in schema:
                schema["description"] = f"{schema['description']} {note}" if "description" in schema else note
