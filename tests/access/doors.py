"""The table: for every address and method, who may, and what that person is answered.

To add an address, add a line with the name of its pattern, the method, who may, and the answer to those who may. Say
what the method needs in `body` where an empty one would be refused. A new kind of id in an address gets its values in
`world.py`. The tests fail as long as an address has no line. What everybody else is answered follows from what the
address is:

=============================  ==========================  ====================
who                            pages                       API
=============================  ==========================  ====================
signed out                     302, to the sign-in page    401
a member without the ability   403                         403
not a member                   404                         404
another's or a missing id      404                         404
another method                 405                         405
=============================  ==========================  ====================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver

# Who there is. The stranger manages another project; the staff member is in none.
SIGNED_OUT, STRANGER, STAFF = "signed-out", "stranger", "staff"
ANNOTATOR, REVIEWER, ENGINEER, MANAGER = "annotator", "reviewer", "engineer", "manager"
SUPERUSER = "superuser"
ROLES = (SIGNED_OUT, STRANGER, STAFF, ANNOTATOR, REVIEWER, ENGINEER, MANAGER, SUPERUSER)

# Who is at home in which project.
PEOPLE = {"ours": {ANNOTATOR, REVIEWER, ENGINEER, MANAGER, SUPERUSER}, "theirs": {STRANGER, SUPERUSER}}

MANAGERS = frozenset({MANAGER, SUPERUSER})
READERS = MANAGERS | {ENGINEER}
REVIEWERS = MANAGERS | {REVIEWER}
ITEM_READERS = READERS | REVIEWERS
ANNOTATORS = MANAGERS | {ANNOTATOR}
MEMBERS = MANAGERS | {ANNOTATOR, REVIEWER, ENGINEER}
CREATORS = MANAGERS | {STRANGER, STAFF}
SIGNED_IN = MEMBERS | {STRANGER, STAFF}
EVERYBODY = SIGNED_IN | {SIGNED_OUT}


class Door(NamedTuple):
    name: str
    method: str
    who: frozenset[str]
    answer: int
    body: Any = None  # JSON for the API, a form for pages
    # Where those who may are not all answered alike.
    others: Mapping[str, int] = {}

    def __str__(self) -> str:
        return f"{self.name}-{self.method}"

    def __hash__(self) -> int:
        return hash(str(self))


# What only the answer's author may take back.
NOT_THEIRS = {MANAGER: 404, SUPERUSER: 404}
ALREADY_IN = dict.fromkeys(SIGNED_IN, 302)

DOORS = [
    # operators
    Door("healthz", "get", EVERYBODY, 200),
    Door("readyz", "get", EVERYBODY, 503),  # there is no worker
    Door("metrics", "get", EVERYBODY, 403),  # METRICS_FROM names who may ask: addresses, not people
    # one's own account
    Door("home", "get", SIGNED_IN, 200),
    Door("login", "get", EVERYBODY, 200, others=ALREADY_IN),
    Door("login", "post", EVERYBODY, 200, others=ALREADY_IN),
    Door("logout", "post", EVERYBODY, 302),
    Door("setup", "get", EVERYBODY, 302),  # there are accounts: it is over
    Door("setup", "post", EVERYBODY, 302),
    Door("invitation", "get", EVERYBODY, 200),
    Door("invitation", "post", EVERYBODY, 302, others={SIGNED_OUT: 400}),  # an empty form for an account
    Door("account", "get", SIGNED_IN, 200),
    Door("account", "post", SIGNED_IN, 200, {"days": "7"}),
    Door("theme", "post", SIGNED_IN, 302, {"theme": "dark"}),
    Door("password", "get", SIGNED_IN, 200),
    Door("password", "post", SIGNED_IN, 200),
    Door("token-revoke", "post", SIGNED_IN, 302),
    Door("guidelines-preview", "post", SIGNED_IN, 200),
    Door("projects-deleted", "get", SIGNED_IN, 200),
    Door("projects-deleted", "post", SIGNED_IN, 404, {"slug": "ours"}),  # it is not deleted
    Door("project-new", "get", CREATORS, 200),
    Door("project-new", "post", CREATORS, 400),
    # annotators
    Door("label", "get", ANNOTATORS, 200),
    Door("label-classes", "get", ANNOTATORS, 200),
    Door("label-guidelines", "get", ANNOTATORS, 200),
    Door("label-today", "get", ANNOTATORS, 400),
    Door("label-comments", "get", ANNOTATORS, 200),
    Door("label-comments", "post", ANNOTATORS, 302),
    # every member
    Door("project", "get", MEMBERS, 200),
    Door("project-batches", "get", MEMBERS, 200),
    Door("project-batch", "get", MEMBERS, 200),
    # managers
    Door("project-loop", "post", MANAGERS, 302, {"loop": "paused"}),
    Door("project-batch-end", "get", MANAGERS, 200),
    Door("project-batch-end", "post", MANAGERS, 302),
    Door("project-batch-parts", "post", MANAGERS, 302, {"whom": "our-annotator", "share": "50"}),
    Door("project-batch-part-lift", "post", MANAGERS, 302),
    Door("project-retry", "post", MANAGERS, 302),
    Door("project-import", "get", MANAGERS, 200),
    Door("project-import", "post", MANAGERS, 400),
    Door("project-import-progress", "get", MANAGERS, 200),
    Door("project-import-detail", "get", MANAGERS, 200),
    Door("project-import-retry", "post", MANAGERS, 302),
    Door("project-settings", "get", MANAGERS, 200),
    Door("project-settings", "post", MANAGERS, 400),
    Door("project-consequence", "get", MANAGERS, 200),
    Door("project-encoder", "get", MANAGERS, 200),
    Door("project-encoder", "post", MANAGERS, 302, {"name": "pixels"}),
    Door("project-learner", "get", MANAGERS, 200),
    Door("project-learner", "post", MANAGERS, 302, {"name": "scikit-learn"}),
    Door("project-cluster-anew", "post", MANAGERS, 302, {"back": "settings"}),
    Door("project-model-use", "post", MANAGERS, 302),
    Door("project-model-release", "post", MANAGERS, 302),
    Door("project-models-automatic", "post", MANAGERS, 302, {"back": "overview"}),
    Door("project-members", "get", MANAGERS, 200),
    Door("project-members", "post", MANAGERS, 400, {"role": "king"}),
    Door("project-invitation-withdraw", "post", MANAGERS, 302),
    Door("project-role", "post", MANAGERS, 302, {"role": "engineer"}),
    Door("project-member-pause", "post", MANAGERS, 302),
    Door("project-remove", "get", MANAGERS, 200),
    Door("project-remove", "post", MANAGERS, 302),
    Door("project-item-example", "post", MANAGERS, 302),
    Door("project-manage", "get", MANAGERS, 200),
    Door("project-archive", "post", MANAGERS, 302),
    Door("project-duplicate", "post", MANAGERS, 302, {"copy-name": "Again", "copy-slug": "again"}),
    Door("project-delete", "post", MANAGERS, 400),  # its name was not typed
    Door("project-transfer", "get", MANAGERS, 200),
    Door("project-transfer", "post", MANAGERS, 302, {"role": "engineer"}, others={SUPERUSER: 400}),  # not a member
    Door("project-classes", "get", MANAGERS, 200),
    Door("project-classes", "post", MANAGERS, 302, {"name": "none of these"}),
    Door("project-classes-undo", "post", MANAGERS, 302),
    Door("project-proposal-accept", "post", MANAGERS, 302),
    Door("project-proposal-dismiss", "post", MANAGERS, 302),
    Door("project-class", "get", MANAGERS, 200),
    Door("project-class", "post", MANAGERS, 302, {"name": "zero"}),
    Door("project-class-merge", "get", MANAGERS, 302),
    Door("project-class-merged", "post", MANAGERS, 302, {"into": "1"}),
    Door("project-class-split", "get", MANAGERS, 302),
    Door("project-class-split-done", "post", MANAGERS, 302, {"into": "one\nother"}),
    Door("project-class-archive", "post", MANAGERS, 302),
    Door("project-guidelines-restore", "post", MANAGERS, 302),
    Door("project-guidelines-images", "get", MANAGERS, 200),
    Door("project-guidelines-images", "post", MANAGERS, 400),
    Door("project-guidelines-image-remove", "post", MANAGERS, 302),
    Door("project-items-change", "get", MANAGERS, 302),  # to the list: what to do is missing
    Door("project-items-change", "post", MANAGERS, 302),
    # reviewers
    Door("project-review", "get", REVIEWERS, 200),
    Door("project-item-comment", "post", REVIEWERS, 302, {"text": "A bar."}),
    Door("project-review-item", "post", REVIEWERS, 302, {"value": "3"}),
    Door("project-item-correct", "post", REVIEWERS, 302, {"value": "3"}),
    Door("project-item-withdraw", "post", REVIEWERS, 302),
    # engineers
    Door("project-guidelines", "get", READERS, 200),
    Door("project-items", "get", ITEM_READERS, 200),
    Door("project-item-classes", "get", ITEM_READERS, 200),
    Door("project-item", "get", ITEM_READERS, 200),
    Door("project-progress", "get", READERS, 200),
    Door("project-agreement", "get", READERS, 200),
    Door("project-copies", "get", READERS, 200),
    Door("project-models", "get", READERS, 200),
    Door("project-model", "get", READERS, 200),
    Door("project-models-compare", "get", READERS, 200),
    Door("project-model-predict", "get", READERS, 200),
    Door("project-model-predict", "post", READERS, 400),
    Door("project-prediction", "get", READERS, 200),
    Door("project-prediction-remove", "post", READERS, 302),
    Door("project-privacy", "get", READERS, 200),
    Door("project-export", "get", READERS, 200),
    # the API
    Door("api-docs", "get", SIGNED_IN, 200),
    Door("schema", "get", EVERYBODY, 200),
    Door("api:projects", "get", SIGNED_IN, 200),
    Door("api:projects", "post", CREATORS, 201, {"slug": "new", "kind": "text", "classes": ["a", "b"]}),
    Door("api:project", "get", MEMBERS, 200),
    Door("api:project", "patch", MANAGERS, 200, {"batch_size": 7}),
    Door("api:deleted-projects", "get", SIGNED_IN, 200),
    Door("api:deleted-projects", "post", SIGNED_IN, 404, {"slug": "ours"}),  # it is not deleted
    Door("api:project-archive", "post", MANAGERS, 200),
    Door("api:project-archive", "delete", MANAGERS, 200),
    Door("api:project-deletion", "get", MANAGERS, 200),
    Door("api:project-deletion", "post", MANAGERS, 200, {"name": "Ours"}),
    Door("api:project-duplicate", "post", MANAGERS, 201, {"slug": "again", "name": "Again"}),
    Door(
        "api:project-transfer",
        "post",
        MANAGERS,
        200,
        {"username": "our-annotator", "role": "engineer"},
        others={SUPERUSER: 409},  # not a member
    ),
    Door("api:guidelines", "get", READERS, 200),
    Door("api:guidelines-restore", "post", MANAGERS, 200),
    Door("api:guidelines-images", "get", READERS, 200),
    Door("api:guidelines-images", "post", MANAGERS, 400),  # without a file
    Door("api:guidelines-image", "get", MEMBERS, 200),
    Door("api:guidelines-image", "delete", MANAGERS, 204),
    Door("api:encoder", "get", READERS, 200),
    Door("api:encoder", "put", MANAGERS, 200, {"name": "pixels"}),
    Door("api:classes", "get", MEMBERS, 200),
    Door("api:classes", "post", MANAGERS, 201, {"name": "none of these"}),
    Door("api:proposals", "get", MANAGERS, 200),
    Door("api:proposal-accept", "post", MANAGERS, 200, {"key": "goose"}),
    Door("api:proposal-dismiss", "post", MANAGERS, 200, {"key": "goose"}),
    Door("api:class", "get", MEMBERS, 200),
    Door("api:class", "patch", MANAGERS, 200, {"description": "a round one"}),
    Door("api:class-merge", "post", MANAGERS, 200, {"into": 1}),
    Door("api:class-split", "post", MANAGERS, 200, {"into": ["one", "other"]}),
    Door("api:class-archive", "post", MANAGERS, 200),
    Door("api:class-archive", "delete", MANAGERS, 200),
    Door("api:class-example", "put", MANAGERS, 409),  # it has no label
    Door("api:class-example", "delete", MANAGERS, 409),  # it is none
    Door("api:class-changes", "get", READERS, 200),
    Door("api:class-undo", "post", MANAGERS, 200, {"revision": 1}),
    Door("api:batch-parts", "get", MANAGERS, 200),
    Door("api:batch-parts", "post", MANAGERS, 201, {"username": "our-annotator", "share": 0.5}),
    Door("api:batch-part", "delete", MANAGERS, 204),
    Door("api:members", "get", MANAGERS, 200),
    Door("api:members", "post", MANAGERS, 201, {"username": "our-annotator", "role": "engineer"}),
    Door("api:member", "delete", MANAGERS, 204),
    Door("api:member-pause", "post", MANAGERS, 200),
    Door("api:member-pause", "delete", MANAGERS, 200),
    Door("api:invitations", "get", MANAGERS, 200),
    Door("api:invitations", "post", MANAGERS, 201, {"role": "annotator"}),
    Door("api:invitation", "delete", MANAGERS, 204),
    Door("api:items", "post", MANAGERS, 201, [{"text": "hello"}]),
    Door("api:items", "get", ITEM_READERS, 200),
    Door("api:item", "get", ITEM_READERS, 200),
    Door("api:item-changes", "get", MANAGERS, 200),
    Door("api:item-changes", "post", MANAGERS, 200, {"action": "exclude", "items": [1]}),
    Door("api:item-correction", "put", REVIEWERS, 200, {"value": "3"}),
    Door("api:item-correction", "delete", REVIEWERS, 404),  # none stands
    Door("api:item-comments", "get", ITEM_READERS, 200),
    Door("api:item-comments", "post", REVIEWERS, 201, {"text": "A bar."}),
    Door("api:item-media", "get", MEMBERS, 200),
    Door("api:imports", "get", MANAGERS, 200),
    Door("api:import", "get", MANAGERS, 200),
    Door("api:rejected-rows", "get", MANAGERS, 200),
    Door("api:claim", "post", ANNOTATORS, 200, {"count": 1}),
    Door("api:annotations", "post", ANNOTATORS, 200, {"annotations": []}),
    Door("api:annotation", "delete", ANNOTATORS, 200, others=NOT_THEIRS),
    Door("api:skip", "post", ANNOTATORS, 200, {"task": 1, "reason": "unclear"}),
    Door("api:comments", "get", ANNOTATORS, 200),
    Door("api:comments", "post", ANNOTATORS, 200),
    Door("api:release", "post", ANNOTATORS, 200, {}),
    Door("api:progress", "get", MEMBERS, 200),
    Door("api:batches", "get", MEMBERS, 200),
    Door("api:batch", "get", MEMBERS, 200),
    Door("api:batch-end", "post", MANAGERS, 200),
    Door("api:batch-retry", "post", MANAGERS, 409),
    Door("api:models", "get", READERS, 200),
    Door("api:model", "get", READERS, 200),
    Door("api:model-in-use", "get", READERS, 200),
    Door("api:model-in-use", "delete", MANAGERS, 200),
    Door("api:model-use", "post", MANAGERS, 200),
    Door("api:model-release", "post", MANAGERS, 204),
    Door("api:model-artifact", "get", READERS, 404),  # no training has run: there are no files
    Door("api:models-compare", "get", READERS, 400),  # which two is not said
    Door("api:model-predict", "post", READERS, 202, [{"text": "hello"}]),
    Door("api:predictions", "get", READERS, 200),
    Door("api:prediction", "get", READERS, 200),
    Door("api:prediction", "delete", READERS, 204),
    Door("api:prediction-result", "get", READERS, 409),  # it waits
    Door("api:payoff", "get", READERS, 200),
    Door("api:agreement", "get", READERS, 200),
    Door("api:near-copies", "get", READERS, 200),
    Door("api:privacy", "get", READERS, 200),
    Door("api:clustering", "get", READERS, 200),
    Door("api:clustering-anew", "post", MANAGERS, 200),
    Door("api:clustering-anew", "delete", MANAGERS, 200),
    Door("api:export", "get", READERS, 200),
]


class Address(NamedTuple):
    """One pattern of the resolver."""

    name: str
    route: str

    def __str__(self) -> str:
        return self.name

    @property
    def in_api(self) -> bool:
        return self.route.startswith("api/v1/")

    @property
    def in_admin(self) -> bool:
        return self.route.startswith("admin/")

    @property
    def in_project(self) -> bool:
        return "<slug:slug>" in self.route


def addresses() -> list[Address]:
    """Every address there is, with the namespaces in its name."""
    return list(_walk(get_resolver().url_patterns, "", ""))


def _walk(patterns: list[URLPattern | URLResolver], space: str, prefix: str) -> Iterator[Address]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from _walk(pattern.url_patterns, inner, route)
        else:
            yield Address(f"{space}{pattern.name or ''}", route)


ADDRESSES = {address.name: address for address in addresses() if not address.in_admin}
