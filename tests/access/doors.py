"""The table: for every address and method, who may, and what that person is answered.

To add an address, add a line with the name of its pattern, the method, its ability, and the answer to those who may.
Say what the method needs in `body` where an empty one would be refused. A new kind of id in an address gets its values
in `world.py`. The tests fail as long as an address has no line. What everybody else is answered follows from what the
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

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from addresses import ALIASES
from django.urls import URLPattern, URLResolver, get_resolver
from factories import digit_png

from labeling.models import Ability

IMAGE = f"data:image/png;base64,{b64encode(digit_png(0)).decode()}"

SOURCE = {"name": "data", "address": "https://example.org/data.csv", "content": "file", "schedule": "day"}
HOOK = {"url": "https://example.org/hook", "events": ["batch.done"]}

# Who there is. The stranger manages another project; the staff member is in none.
SIGNED_OUT, STRANGER, STAFF = "signed-out", "stranger", "staff"
ANNOTATOR, REVIEWER, ENGINEER, AUDITOR, MANAGER = "annotator", "reviewer", "engineer", "auditor", "manager"
SUPERUSER = "superuser"

# The second table of roles, written out. `test_abilities.py` compares it with the first one.
ABILITIES = {
    ANNOTATOR: "project.read tasks.answer",
    REVIEWER: "project.read items.read review.read review.do",
    ENGINEER: "project.read items.read labels.read datasets.change batches.read models.read predictions.change",
    AUDITOR: "project.read items.read imports.read review.read labels.read batches.read models.read settings.read "
    "members.read auditlog.read",
    MANAGER: "project.read project.change tasks.answer items.read items.change imports.read review.read review.do "
    "labels.read datasets.change batches.read batches.change models.read models.change predictions.change "
    "settings.read settings.change webhooks.change sources.change members.read members.change "
    "auditlog.read",
}
MEMBERS = tuple(ABILITIES)

CREATORS = frozenset({MANAGER, STRANGER, STAFF, SUPERUSER})
OPERATORS = frozenset({STAFF, SUPERUSER})
SIGNED_IN = frozenset({*MEMBERS, STRANGER, STAFF, SUPERUSER})
EVERYBODY = SIGNED_IN | {SIGNED_OUT}


def roles_with(ability: str) -> frozenset[str]:
    """Return the roles that have the ability. A superuser counts as manager."""
    return frozenset({SUPERUSER, *(role for role in MEMBERS if ability in ABILITIES[role].split())})


class Door(NamedTuple):
    name: str
    method: str
    asks: Ability | frozenset[str]  # in a project the ability, elsewhere the people
    answer: int
    body: Any = None  # JSON for the API, a form for pages
    # Where those who may are not all answered alike.
    others: Mapping[str, int] = {}

    def __str__(self) -> str:
        return f"{self.name}-{self.method}"

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def who(self) -> frozenset[str]:
        return roles_with(self.asks) if isinstance(self.asks, Ability) else self.asks

    @property
    def asked(self) -> list[str]:
        """Return the roles that the tests send requests as: signed out, a stranger, a member with the ability and one
        without.

        The first member has the fewest abilities of those with the ability, the second the most of the others.
        """
        by_abilities = sorted(MEMBERS, key=lambda role: len(ABILITIES[role]))
        may = [role for role in by_abilities if role in self.who]
        may_not = [role for role in by_abilities if role not in self.who]
        return [SIGNED_OUT, STRANGER, *may[:1], *may_not[-1:]]


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
    # There is no provider: tests/walls/test_login_provider.py.
    Door("provider-login", "post", EVERYBODY, 404),
    Door("provider-callback", "get", EVERYBODY, 404),
    Door("forgotten-password", "get", EVERYBODY, 200),
    Door("forgotten-password", "post", EVERYBODY, 200),
    *(Door("new-password", method, EVERYBODY, 404) for method in ("get", "post")),  # the token is for something else
    Door("logout", "post", EVERYBODY, 302),
    Door("setup", "get", EVERYBODY, 302),  # there are accounts: it is over
    Door("setup", "post", EVERYBODY, 302),
    Door("invitation", "get", EVERYBODY, 200),
    Door("invitation", "post", EVERYBODY, 302, others={SIGNED_OUT: 400}),  # an empty form for an account
    Door(
        "invitation-answer", "post", SIGNED_IN, 404
    ),  # it is for another account: tests/walls/test_invited_accounts.py
    Door("account", "get", SIGNED_IN, 200),
    Door("account", "post", SIGNED_IN, 200, {"days": "7"}),
    Door("notices", "get", SIGNED_IN, 200),
    Door("notices", "post", SIGNED_IN, 302),
    Door("notice-choices", "get", SIGNED_IN, 200),
    Door("notice-choices", "post", SIGNED_IN, 302),
    *(Door("notice-address", method, SIGNED_IN, 404) for method in ("get", "post")),  # the token is for something else
    *(Door("notice-stop", method, EVERYBODY, 404) for method in ("get", "post")),  # likewise
    Door("account_reauthenticate", "get", SIGNED_IN, 200),
    Door("account_reauthenticate", "post", SIGNED_IN, 200),
    Door("mfa_authenticate", "get", EVERYBODY, 302),  # nobody has given a password
    Door("mfa_authenticate", "post", EVERYBODY, 302),
    Door("mfa_index", "get", SIGNED_IN, 200),
    # They ask for the password again, or there is nothing to remove.
    *(Door("mfa_activate_totp", method, SIGNED_IN, 302) for method in ("get", "post")),
    *(Door("mfa_add_webauthn", method, SIGNED_IN, 302) for method in ("get", "post")),
    *(Door("mfa_generate_recovery_codes", method, SIGNED_IN, 302) for method in ("get", "post")),
    *(Door("mfa_remove_webauthn", method, SIGNED_IN, 404) for method in ("get", "post")),
    *(Door("mfa_deactivate_totp", method, SIGNED_IN, 404) for method in ("get", "post")),
    Door("mfa_view_recovery_codes", "get", SIGNED_IN, 404),
    *(Door("provider-unlink", method, SIGNED_IN, 404) for method in ("get", "post")),  # nothing is linked
    Door("session-end", "post", SIGNED_IN, 302),
    Door("theme", "post", SIGNED_IN, 302, {"theme": "dark"}),
    Door("language", "post", SIGNED_IN, 302, {"language": "de"}),
    Door("password", "get", SIGNED_IN, 200),
    Door("password", "post", SIGNED_IN, 200),
    Door("token-revoke", "post", SIGNED_IN, 302),
    Door("guidelines-preview", "post", SIGNED_IN, 200),
    Door("projects-deleted", "get", SIGNED_IN, 200),
    Door("projects-deleted", "post", SIGNED_IN, 404, {"slug": "ours"}),  # it is not deleted
    Door("project-new", "get", CREATORS, 200),
    Door("project-new", "post", CREATORS, 400),
    Door("label", "get", Ability.TASKS_ANSWER, 200),
    Door("label-worker", "get", Ability.TASKS_ANSWER, 200),
    Door("label-classes", "get", Ability.TASKS_ANSWER, 200),
    Door("label-guidelines", "get", Ability.TASKS_ANSWER, 200),
    Door("label-today", "get", Ability.TASKS_ANSWER, 400),
    Door("label-comments", "get", Ability.TASKS_ANSWER, 200),
    Door("label-comments", "post", Ability.TASKS_ANSWER, 302),
    Door("project", "get", Ability.PROJECT_READ, 200),
    Door("project-batches", "get", Ability.PROJECT_READ, 200),
    Door("project-batch", "get", Ability.PROJECT_READ, 200),
    Door("project-loop", "post", Ability.BATCHES_CHANGE, 302, {"loop": "paused"}),
    Door("project-batch-end", "get", Ability.BATCHES_CHANGE, 200),
    Door("project-batch-end", "post", Ability.BATCHES_CHANGE, 302),
    Door("project-batch-parts", "post", Ability.BATCHES_CHANGE, 302, {"whom": "our-annotator", "share": "50"}),
    Door("project-batch-part-lift", "post", Ability.BATCHES_CHANGE, 302),
    Door("project-retry", "post", Ability.BATCHES_CHANGE, 302),
    Door("project-import", "get", Ability.IMPORTS_READ, 200),
    Door("project-import", "post", Ability.ITEMS_CHANGE, 400),
    Door("project-import-progress", "get", Ability.IMPORTS_READ, 200),
    Door("project-import-detail", "get", Ability.IMPORTS_READ, 200),
    Door("project-import-detail", "post", Ability.ITEMS_CHANGE, 302),
    Door("project-import-retry", "post", Ability.ITEMS_CHANGE, 302),
    Door("project-settings", "get", Ability.SETTINGS_READ, 200),
    Door("project-settings", "post", Ability.SETTINGS_CHANGE, 400),
    Door("project-guidelines-edit", "get", Ability.SETTINGS_READ, 200),
    Door("project-guidelines-edit", "post", Ability.SETTINGS_CHANGE, 302, {"guidelines": "Look twice."}),
    Door("project-consequence", "get", Ability.SETTINGS_READ, 200),
    Door("project-encoder", "get", Ability.SETTINGS_READ, 200),
    Door("project-encoder", "post", Ability.SETTINGS_CHANGE, 302, {"name": "pixels"}),
    Door("project-encoder-change", "post", Ability.SETTINGS_CHANGE, 302),
    Door("project-encoder-measure", "post", Ability.SETTINGS_CHANGE, 302),
    Door("project-embedding-server", "post", Ability.SETTINGS_CHANGE, 302, {"address": "https://llm.example.org/v1"}),
    Door("project-embedding-server-remove", "post", Ability.SETTINGS_CHANGE, 302),
    Door("project-learner", "get", Ability.SETTINGS_READ, 200),
    Door("project-learner", "post", Ability.SETTINGS_CHANGE, 302, {"name": "scikit-learn"}),
    Door("project-cluster-anew", "post", Ability.MODELS_CHANGE, 302, {"back": "settings"}),
    Door("project-model-use", "post", Ability.MODELS_CHANGE, 302),
    Door("project-model-release", "post", Ability.MODELS_CHANGE, 302),
    Door("project-models-automatic", "post", Ability.MODELS_CHANGE, 302, {"back": "overview"}),
    Door("project-members", "get", Ability.MEMBERS_READ, 200),
    Door("project-members", "post", Ability.MEMBERS_CHANGE, 400, {"role": "king"}),
    Door("project-invitation-withdraw", "post", Ability.MEMBERS_CHANGE, 302),
    Door("project-invitation-renew", "post", Ability.MEMBERS_CHANGE, 200),
    Door("project-role", "post", Ability.MEMBERS_CHANGE, 302, {"role": "engineer"}),
    Door("project-member-pause", "post", Ability.MEMBERS_CHANGE, 302),
    Door("project-remove", "get", Ability.MEMBERS_CHANGE, 200),
    Door("project-remove", "post", Ability.MEMBERS_CHANGE, 302),
    Door("project-item-example", "post", Ability.SETTINGS_CHANGE, 302),
    Door("project-manage", "get", Ability.SETTINGS_READ, 200),
    Door("project-archive", "post", Ability.PROJECT_CHANGE, 302),
    Door("project-duplicate", "post", Ability.PROJECT_CHANGE, 302, {"copy-name": "Again", "copy-slug": "again"}),
    Door("project-delete", "post", Ability.PROJECT_CHANGE, 400),  # its name was not typed
    Door("project-transfer", "get", Ability.MEMBERS_CHANGE, 200),
    Door(
        "project-transfer", "post", Ability.MEMBERS_CHANGE, 302, {"role": "engineer"}, others={SUPERUSER: 400}
    ),  # not a member
    Door("project-classes", "get", Ability.SETTINGS_READ, 200),
    Door("project-classes", "post", Ability.SETTINGS_CHANGE, 302, {"name": "none of these"}),
    Door("project-classes-undo", "post", Ability.SETTINGS_CHANGE, 302),
    Door("project-proposal-accept", "post", Ability.SETTINGS_CHANGE, 302),
    Door("project-proposal-dismiss", "post", Ability.SETTINGS_CHANGE, 302),
    Door("project-class", "get", Ability.SETTINGS_READ, 200),
    Door("project-class", "post", Ability.SETTINGS_CHANGE, 302, {"name": "zero"}),
    Door("project-class-merge", "get", Ability.SETTINGS_CHANGE, 302),
    Door("project-class-merged", "post", Ability.SETTINGS_CHANGE, 302, {"into": "1"}),
    Door("project-class-split", "get", Ability.SETTINGS_CHANGE, 302),
    Door("project-class-split-done", "post", Ability.SETTINGS_CHANGE, 302, {"into": "one\nother"}),
    Door("project-class-archive", "post", Ability.SETTINGS_CHANGE, 302),
    Door("project-guidelines-restore", "post", Ability.SETTINGS_CHANGE, 302),
    Door("project-guidelines-images", "get", Ability.SETTINGS_READ, 200),
    Door("project-guidelines-images", "post", Ability.SETTINGS_CHANGE, 400),
    Door("project-guidelines-image-remove", "post", Ability.SETTINGS_CHANGE, 302),
    Door("project-items-change", "get", Ability.ITEMS_CHANGE, 302),  # to the list: what to do is missing
    Door("project-items-change", "post", Ability.ITEMS_CHANGE, 302),
    Door("project-review", "get", Ability.REVIEW_READ, 200),
    Door("project-item-comment", "post", Ability.REVIEW_DO, 302, {"text": "A bar."}),
    Door("project-review-item", "post", Ability.REVIEW_DO, 302, {"value": "3"}),
    Door("project-item-correct", "post", Ability.REVIEW_DO, 302, {"value": "3"}),
    Door("project-item-withdraw", "post", Ability.REVIEW_DO, 302),
    Door("project-guidelines", "get", Ability.LABELS_READ, 200),
    Door("project-items", "get", Ability.ITEMS_READ, 200),
    Door("project-item-classes", "get", Ability.ITEMS_READ, 200),
    Door("project-item", "get", Ability.ITEMS_READ, 200),
    Door("project-progress", "get", Ability.BATCHES_READ, 200),
    Door("project-agreement", "get", Ability.LABELS_READ, 200),
    Door("project-copies", "get", Ability.LABELS_READ, 200),
    Door("project-models", "get", Ability.MODELS_READ, 200),
    Door("project-model", "get", Ability.MODELS_READ, 200),
    Door("project-models-compare", "get", Ability.MODELS_READ, 200),
    Door("project-model-register", "get", Ability.MODELS_READ, 200),
    Door("project-model-register", "post", Ability.MODELS_CHANGE, 400),
    Door("project-model-mlflow", "post", Ability.MODELS_CHANGE, 302),
    Door("project-model-predict", "get", Ability.MODELS_READ, 200),
    Door("project-model-predict", "post", Ability.PREDICTIONS_CHANGE, 400),
    Door("project-prediction", "get", Ability.MODELS_READ, 200),
    Door("project-prediction-remove", "post", Ability.PREDICTIONS_CHANGE, 302),
    Door("project-prediction-sets", "get", Ability.MODELS_READ, 200),
    Door("project-prediction-sets", "post", Ability.MODELS_CHANGE, 400),
    Door("project-prediction-server", "post", Ability.MODELS_CHANGE, 400),
    Door("project-prediction-server-ask", "post", Ability.MODELS_CHANGE, 302),
    Door("project-prediction-server-remove", "post", Ability.MODELS_CHANGE, 302),
    Door("project-privacy", "get", Ability.MODELS_READ, 200),
    Door("project-finish", "get", Ability.BATCHES_READ, 200),
    Door("project-finish", "post", Ability.BATCHES_CHANGE, 400),  # people alone are wrong more often
    Door("project-finish-stop", "post", Ability.BATCHES_CHANGE, 302),
    Door("project-certificate", "get", Ability.BATCHES_READ, 200),
    Door("project-export", "get", Ability.LABELS_READ, 200),
    Door("project-datasets", "get", Ability.LABELS_READ, 200),
    Door("project-datasets", "post", Ability.DATASETS_CHANGE, 302),
    Door("project-dataset", "get", Ability.LABELS_READ, 200),
    Door("project-auditlog", "get", Ability.AUDITLOG_READ, 200),
    Door("server", "get", OPERATORS, 200),
    Door("server-auditlog", "get", OPERATORS, 200),
    # the API
    Door("api:auditlog-file", "get", Ability.AUDITLOG_READ, 200),
    Door("api:server-auditlog-file", "get", OPERATORS, 200),
    Door("api-docs", "get", SIGNED_IN, 200),
    Door("schema", "get", EVERYBODY, 200),
    Door("api:projects", "get", SIGNED_IN, 200),
    Door("api:projects", "post", CREATORS, 201, {"slug": "new", "kind": "text", "classes": ["a", "b"]}),
    Door("api:project", "get", Ability.PROJECT_READ, 200),
    Door("api:project", "patch", Ability.SETTINGS_CHANGE, 200, {"batch_size": 7}),
    Door("api:deleted-projects", "get", SIGNED_IN, 200),
    Door("api:deleted-projects", "post", SIGNED_IN, 404, {"slug": "ours"}),  # it is not deleted
    Door("api:project-archive", "post", Ability.PROJECT_CHANGE, 200),
    Door("api:project-archive", "delete", Ability.PROJECT_CHANGE, 200),
    Door("api:project-deletion", "get", Ability.SETTINGS_READ, 200),
    Door("api:project-deletion", "post", Ability.PROJECT_CHANGE, 200, {"name": "Ours"}),
    Door("api:project-duplicate", "post", Ability.PROJECT_CHANGE, 201, {"slug": "again", "name": "Again"}),
    Door(
        "api:project-transfer",
        "post",
        Ability.MEMBERS_CHANGE,
        200,
        {"username": "our-annotator", "role": "engineer"},
        others={SUPERUSER: 409},  # not a member
    ),
    Door("api:guidelines", "get", Ability.LABELS_READ, 200),
    Door("api:guidelines-restore", "post", Ability.SETTINGS_CHANGE, 200),
    Door("api:guidelines-images", "get", Ability.LABELS_READ, 200),
    Door("api:guidelines-images", "post", Ability.SETTINGS_CHANGE, 400),  # without a file
    Door("api:guidelines-image", "get", Ability.PROJECT_READ, 200),
    Door("api:guidelines-image", "delete", Ability.SETTINGS_CHANGE, 204),
    Door("api:encoder", "get", Ability.MODELS_READ, 200),
    Door("api:encoder", "put", Ability.SETTINGS_CHANGE, 200, {"name": "pixels"}),
    Door("api:encoder-change", "post", Ability.SETTINGS_CHANGE, 409, {"name": "pixels"}),
    Door("api:encoder-change", "delete", Ability.SETTINGS_CHANGE, 200),
    Door("api:embedding-servers", "get", Ability.SETTINGS_READ, 200),
    Door("api:embedding-servers", "put", Ability.SETTINGS_CHANGE, 200, {"address": "https://llm.example.org/v1"}),
    Door("api:embedding-server", "delete", Ability.SETTINGS_CHANGE, 204),
    Door("api:encoder-comparison", "get", Ability.MODELS_READ, 200),
    Door("api:encoder-comparison", "post", Ability.SETTINGS_CHANGE, 409, {"also": []}),
    Door("api:classes", "get", Ability.PROJECT_READ, 200),
    Door("api:classes", "post", Ability.SETTINGS_CHANGE, 201, {"name": "none of these"}),
    Door("api:proposals", "get", Ability.SETTINGS_READ, 200),
    Door("api:proposal-accept", "post", Ability.SETTINGS_CHANGE, 200, {"key": "goose"}),
    Door("api:proposal-dismiss", "post", Ability.SETTINGS_CHANGE, 200, {"key": "goose"}),
    Door("api:class", "get", Ability.PROJECT_READ, 200),
    Door("api:class", "patch", Ability.SETTINGS_CHANGE, 200, {"description": "a round one"}),
    Door("api:class-merge", "post", Ability.SETTINGS_CHANGE, 200, {"into": 1}),
    Door("api:class-split", "post", Ability.SETTINGS_CHANGE, 200, {"into": ["one", "other"]}),
    Door("api:class-archive", "post", Ability.SETTINGS_CHANGE, 200),
    Door("api:class-archive", "delete", Ability.SETTINGS_CHANGE, 200),
    Door("api:class-example", "put", Ability.SETTINGS_CHANGE, 409),  # it has no label
    Door("api:class-example", "delete", Ability.SETTINGS_CHANGE, 409),  # it is none
    Door("api:class-changes", "get", Ability.LABELS_READ, 200),
    Door("api:class-undo", "post", Ability.SETTINGS_CHANGE, 200, {"revision": 1}),
    Door("api:batch-parts", "get", Ability.MEMBERS_READ, 200),
    Door("api:batch-parts", "post", Ability.BATCHES_CHANGE, 201, {"username": "our-annotator", "share": 0.5}),
    Door("api:batch-part", "delete", Ability.BATCHES_CHANGE, 204),
    Door("api:members", "get", Ability.MEMBERS_READ, 200),
    Door("api:members", "post", Ability.MEMBERS_CHANGE, 201, {"username": "our-annotator", "role": "engineer"}),
    Door("api:member", "delete", Ability.MEMBERS_CHANGE, 204),
    Door("api:member-pause", "post", Ability.MEMBERS_CHANGE, 200),
    Door("api:member-pause", "delete", Ability.MEMBERS_CHANGE, 200),
    Door("api:invitations", "get", Ability.MEMBERS_READ, 200),
    Door("api:invitations", "post", Ability.MEMBERS_CHANGE, 201, {"role": "annotator"}),
    Door("api:invitation", "delete", Ability.MEMBERS_CHANGE, 204),
    Door("api:items", "post", Ability.ITEMS_CHANGE, 201, [{"image": IMAGE}]),
    Door("api:imports", "post", Ability.ITEMS_CHANGE, 201, [{"image": IMAGE}]),
    Door("api:items", "get", Ability.ITEMS_READ, 200),
    Door("api:item", "get", Ability.ITEMS_READ, 200),
    Door("api:item-changes", "get", Ability.IMPORTS_READ, 200),
    Door("api:item-changes", "post", Ability.ITEMS_CHANGE, 200, {"action": "exclude", "items": [1]}),
    Door("api:item-correction", "put", Ability.REVIEW_DO, 200, {"value": "3"}),
    Door("api:item-correction", "delete", Ability.REVIEW_DO, 404),  # none stands
    Door("api:item-comments", "get", Ability.ITEMS_READ, 200),
    Door("api:item-comments", "post", Ability.REVIEW_DO, 201, {"text": "A bar."}),
    Door("api:item-media", "get", Ability.PROJECT_READ, 200),
    Door("api:imports", "get", Ability.IMPORTS_READ, 200),
    Door("api:import", "get", Ability.IMPORTS_READ, 200),
    Door("api:rejected-rows", "get", Ability.IMPORTS_READ, 200),
    Door("api:claim", "post", Ability.TASKS_ANSWER, 200, {"count": 1}),
    Door("api:annotations", "post", Ability.TASKS_ANSWER, 200, {"annotations": []}),
    Door("api:annotation", "delete", Ability.TASKS_ANSWER, 200, others=NOT_THEIRS),
    Door("api:skip", "post", Ability.TASKS_ANSWER, 200, {"task": 1, "reason": "unclear"}),
    Door("api:comments", "get", Ability.TASKS_ANSWER, 200),
    Door("api:comments", "post", Ability.TASKS_ANSWER, 200),
    Door("api:release", "post", Ability.TASKS_ANSWER, 200, {}),
    Door("api:progress", "get", Ability.PROJECT_READ, 200),
    Door("api:batches", "get", Ability.PROJECT_READ, 200),
    Door("api:batch", "get", Ability.PROJECT_READ, 200),
    Door("api:batch-end", "post", Ability.BATCHES_CHANGE, 200),
    Door("api:batch-retry", "post", Ability.BATCHES_CHANGE, 409),
    Door("api:models", "get", Ability.MODELS_READ, 200),
    Door("api:model", "get", Ability.MODELS_READ, 200),
    Door("api:model-in-use", "get", Ability.MODELS_READ, 200),
    Door("api:model-in-use", "delete", Ability.MODELS_CHANGE, 200),
    Door("api:model-use", "post", Ability.MODELS_CHANGE, 200),
    Door("api:model-release", "post", Ability.MODELS_CHANGE, 204),
    Door("api:model-artifact", "get", Ability.MODELS_READ, 404),  # no training has run: there are no files
    Door("api:models-compare", "get", Ability.MODELS_READ, 400),  # which two is not said
    Door("api:model-predict", "post", Ability.PREDICTIONS_CHANGE, 202, [{"text": "hello"}]),
    Door("api:model-mlflow", "get", Ability.MODELS_READ, 200),
    Door("api:model-mlflow", "post", Ability.MODELS_CHANGE, 409),  # no MLflow is set
    Door("api:registrations", "get", Ability.MODELS_READ, 200),
    Door("api:registrations", "post", Ability.MODELS_CHANGE, 400),  # no file
    Door("api:registration", "get", Ability.MODELS_READ, 200),
    Door("api:predictions", "get", Ability.MODELS_READ, 200),
    Door("api:prediction", "get", Ability.MODELS_READ, 200),
    Door("api:prediction", "delete", Ability.PREDICTIONS_CHANGE, 204),
    Door("api:prediction-result", "get", Ability.MODELS_READ, 409),  # it waits
    Door("api:prediction-sets", "get", Ability.MODELS_READ, 200),
    Door("api:prediction-sets", "post", Ability.MODELS_CHANGE, 202, [{"external_id": "1", "margin": 0.5}]),
    Door("api:prediction-set", "get", Ability.MODELS_READ, 200),
    Door("api:prediction-server", "get", Ability.MODELS_CHANGE, 200),
    Door("api:prediction-server", "put", Ability.MODELS_CHANGE, 200, {"url": "https://ml.example.org"}),
    Door("api:prediction-server", "delete", Ability.MODELS_CHANGE, 204),
    Door("api:prediction-server-ask", "post", Ability.MODELS_CHANGE, 202),
    Door("api:payoff", "get", Ability.BATCHES_READ, 200),
    Door("api:finish", "get", Ability.BATCHES_READ, 200),
    Door("api:finish", "post", Ability.BATCHES_CHANGE, 409, {}),  # people alone are wrong more often
    Door("api:finish", "delete", Ability.BATCHES_CHANGE, 200),
    Door("api:certificates", "get", Ability.BATCHES_READ, 200),
    Door("api:certificate", "get", Ability.BATCHES_READ, 200),
    Door("api:certificate-file", "get", Ability.BATCHES_READ, 200),
    Door("api:datasets", "get", Ability.LABELS_READ, 200),
    Door("api:datasets", "post", Ability.DATASETS_CHANGE, 202, {}),
    Door("api:dataset", "get", Ability.LABELS_READ, 200),
    Door("api:dataset-manifest", "get", Ability.LABELS_READ, 200),
    Door("api:dataset-card", "get", Ability.LABELS_READ, 200),
    Door("api:dataset-comparison", "get", Ability.LABELS_READ, 400),  # the earlier version is not named
    Door("api:dataset-verification", "get", Ability.LABELS_READ, 200),
    Door("api:agreement", "get", Ability.LABELS_READ, 200),
    Door("api:near-copies", "get", Ability.LABELS_READ, 200),
    Door("api:privacy", "get", Ability.MODELS_READ, 200),
    Door("api:clustering", "get", Ability.MODELS_READ, 200),
    Door("api:clustering-anew", "post", Ability.MODELS_CHANGE, 200),
    Door("api:clustering-anew", "delete", Ability.MODELS_CHANGE, 200),
    Door("api:export", "get", Ability.LABELS_READ, 200),
    Door("api:sources", "get", Ability.SOURCES_CHANGE, 200),
    Door("api:sources", "post", Ability.SOURCES_CHANGE, 201, SOURCE),
    Door("api:source", "get", Ability.SOURCES_CHANGE, 200),
    Door("api:source", "patch", Ability.SOURCES_CHANGE, 200, {"paused": True}),
    Door("api:source", "delete", Ability.SOURCES_CHANGE, 204),
    Door("api:source-look", "post", Ability.SOURCES_CHANGE, 202, {"full": True}),
    Door("api:source-test", "post", Ability.SOURCES_CHANGE, 200),
    Door("project-sources", "get", Ability.SOURCES_CHANGE, 200),
    Door("project-sources", "post", Ability.SOURCES_CHANGE, 400),
    Door("project-source", "get", Ability.SOURCES_CHANGE, 200),
    Door("project-source", "post", Ability.SOURCES_CHANGE, 302, {"name": "data", "schedule": "day"}),
    Door("project-source-credentials", "post", Ability.SOURCES_CHANGE, 302),
    Door("project-source-test", "post", Ability.SOURCES_CHANGE, 200),
    Door("project-source-look", "post", Ability.SOURCES_CHANGE, 302),
    Door("project-source-pause", "post", Ability.SOURCES_CHANGE, 302, {"paused": "yes"}),
    Door("project-source-remove", "post", Ability.SOURCES_CHANGE, 302),
    Door("api:webhooks", "get", Ability.WEBHOOKS_CHANGE, 200),
    Door("api:webhooks", "post", Ability.WEBHOOKS_CHANGE, 201, HOOK),
    Door("api:webhook", "get", Ability.WEBHOOKS_CHANGE, 200),
    Door("api:webhook", "patch", Ability.WEBHOOKS_CHANGE, 200, {"paused": True}),
    Door("api:webhook", "delete", Ability.WEBHOOKS_CHANGE, 204),
    Door("api:webhook-secret", "post", Ability.WEBHOOKS_CHANGE, 200),
    Door("api:webhook-test", "post", Ability.WEBHOOKS_CHANGE, 202),
    Door("api:webhook-deliveries", "get", Ability.WEBHOOKS_CHANGE, 200),
    Door("api:delivery-again", "post", Ability.WEBHOOKS_CHANGE, 202),
    Door("project-webhooks", "get", Ability.WEBHOOKS_CHANGE, 200),
    Door("project-webhooks", "post", Ability.WEBHOOKS_CHANGE, 400),
    Door("project-webhook", "get", Ability.WEBHOOKS_CHANGE, 200),
    Door("project-webhook", "post", Ability.WEBHOOKS_CHANGE, 302, HOOK),
    Door("project-webhook-secret", "post", Ability.WEBHOOKS_CHANGE, 200),
    Door("project-webhook-test", "post", Ability.WEBHOOKS_CHANGE, 302),
    Door("project-webhook-pause", "post", Ability.WEBHOOKS_CHANGE, 302, {"paused": "yes"}),
    Door("project-webhook-remove", "post", Ability.WEBHOOKS_CHANGE, 302),
    Door("project-delivery-again", "post", Ability.WEBHOOKS_CHANGE, 302),
]


class Address(NamedTuple):
    """A URL pattern."""

    name: str
    route: str
    view: Any

    def __str__(self) -> str:
        return self.name

    def declared(self) -> dict[str, Ability]:
        """Return the ability that the view requires, by method; empty for views outside projects."""
        endpoint = getattr(self.view, "cls", None)
        if endpoint is None or not hasattr(endpoint, "ability"):
            abilities: dict[str, Ability] = getattr(self.view, "abilities", {})
            return {method.lower(): ability for method, ability in abilities.items() if method != "HEAD"}
        methods = [name for name in ("get", "post", "put", "patch", "delete") if hasattr(endpoint, name)]
        return {name: endpoint.ability(name.upper()) for name in methods}

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
    """Return all URL patterns, with the namespaces in their names."""
    return [each for each in _walk(get_resolver().url_patterns, "", "") if each.name not in ALIASES]


def _walk(patterns: list[URLPattern | URLResolver], space: str, prefix: str) -> Iterator[Address]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from _walk(pattern.url_patterns, inner, route)
        else:
            yield Address(f"{space}{pattern.name or ''}", route, pattern.callback)


ADDRESSES = {address.name: address for address in addresses() if not address.in_admin}
