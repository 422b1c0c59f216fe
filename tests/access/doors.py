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


def same(method: str, asks: Ability | frozenset[str], answer: int, *names: str) -> Iterator[Door]:
    """Yield the doors of addresses that answer alike."""
    return (Door(name, method, asks, answer) for name in names)


# fmt: off
DOORS = [
    # operators
    *same("get", EVERYBODY, 200, "healthz", "forgotten-password", "invitation", "schema"),
    Door("certificate", "get", EVERYBODY, 404),  # the token is for something else: tests/web/test_certificate_page.py
    Door("readyz", "get", EVERYBODY, 503),  # there is no worker
    Door("metrics", "get", EVERYBODY, 403),  # METRICS_FROM names who may ask: addresses, not people
    # one's own account
    *same("get", SIGNED_IN, 200, "home", "account", "notices", "notice-choices", "account_reauthenticate",
          "mfa_index", "password", "projects-deleted", "api-docs", "api:projects", "api:deleted-projects"),
    Door("login", "get", EVERYBODY, 200, others=ALREADY_IN),
    Door("login", "post", EVERYBODY, 200, others=ALREADY_IN),
    # There is no provider: tests/walls/test_login_provider.py.
    Door("provider-login", "post", EVERYBODY, 404),
    Door("provider-callback", "get", EVERYBODY, 404),
    Door("forgotten-password", "post", EVERYBODY, 200),
    *(Door("new-password", method, EVERYBODY, 404) for method in ("get", "post")),  # the token is for something else
    *same("post", EVERYBODY, 302, "logout", "setup", "mfa_authenticate"),
    Door("setup", "get", EVERYBODY, 302),  # there are accounts: it is over
    Door("invitation", "post", EVERYBODY, 302, others={SIGNED_OUT: 400}),  # an empty form for an account
    Door(
        "invitation-answer", "post", SIGNED_IN, 404
    ),  # it is for another account: tests/walls/test_invited_accounts.py
    Door("account", "post", SIGNED_IN, 200, {"days": "7"}),
    *same("post", SIGNED_IN, 302, "notices", "notice-choices", "session-end", "token-revoke"),
    *(Door("notice-address", method, SIGNED_IN, 404) for method in ("get", "post")),  # the token is for something else
    *(Door("notice-stop", method, EVERYBODY, 404) for method in ("get", "post")),  # likewise
    *same("post", SIGNED_IN, 200, "account_reauthenticate", "password", "guidelines-preview"),
    Door("mfa_authenticate", "get", EVERYBODY, 302),  # nobody has given a password
    # They ask for the password again, or there is nothing to remove.
    *(Door("mfa_activate_totp", method, SIGNED_IN, 302) for method in ("get", "post")),
    *(Door("mfa_add_webauthn", method, SIGNED_IN, 302) for method in ("get", "post")),
    *(Door("mfa_generate_recovery_codes", method, SIGNED_IN, 302) for method in ("get", "post")),
    *(Door("mfa_remove_webauthn", method, SIGNED_IN, 404) for method in ("get", "post")),
    *(Door("mfa_deactivate_totp", method, SIGNED_IN, 404) for method in ("get", "post")),
    Door("mfa_view_recovery_codes", "get", SIGNED_IN, 404),
    *(Door("provider-unlink", method, SIGNED_IN, 404) for method in ("get", "post")),  # nothing is linked
    Door("theme", "post", SIGNED_IN, 302, {"theme": "dark"}),
    Door("language", "post", SIGNED_IN, 302, {"language": "de"}),
    Door("projects-deleted", "post", SIGNED_IN, 404, {"slug": "ours"}),  # it is not deleted
    Door("project-new", "get", CREATORS, 200),
    Door("project-new", "post", CREATORS, 400),
    Door("project-new-file", "post", CREATORS, 400),
    *same("get", Ability.TASKS_ANSWER, 200, "label", "label-worker", "label-classes", "label-guidelines",
          "label-comments", "api:comments"),
    Door("label-today", "get", Ability.TASKS_ANSWER, 400),
    Door("label-comments", "post", Ability.TASKS_ANSWER, 302),
    *same("get", Ability.PROJECT_READ, 200, "project", "project-find", "project-batches", "project-batch",
          "api:project", "api:guidelines-image", "api:classes", "api:class", "api:item-media", "api:progress",
          "api:batches", "api:batch"),
    Door("project-loop", "post", Ability.BATCHES_CHANGE, 302, {"loop": "paused"}),
    Door("project-batch-end", "get", Ability.BATCHES_CHANGE, 200),
    *same("post", Ability.BATCHES_CHANGE, 302, "project-batch-end", "project-batch-part-lift", "project-retry",
          "project-finish-stop", "project-certificate-unshare"),
    Door("project-batch-parts", "post", Ability.BATCHES_CHANGE, 302, {"whom": "our-annotator", "share": "50"}),
    *same("get", Ability.IMPORTS_READ, 200, "project-import", "project-import-progress", "project-import-detail",
          "api:item-changes", "api:imports", "api:import", "api:rejected-rows"),
    Door("project-import", "post", Ability.ITEMS_CHANGE, 400),
    *same("post", Ability.ITEMS_CHANGE, 302, "project-import-detail", "project-import-retry", "project-items-change"),
    *same("get", Ability.SETTINGS_READ, 200, "project-settings", "project-settings-page", "project-guidelines-edit",
          "project-consequence", "project-encoder", "project-learner", "project-manage", "project-classes",
          "project-class", "project-guidelines-images", "api:project-deletion", "api:embedding-servers",
          "api:proposals"),
    *same("post", Ability.SETTINGS_CHANGE, 400, "project-settings", "project-settings-page"),
    Door("project-guidelines-edit", "post", Ability.SETTINGS_CHANGE, 302, {"guidelines": "Look twice."}),
    Door("project-encoder", "post", Ability.SETTINGS_CHANGE, 302, {"name": "pixels"}),
    *same("post", Ability.SETTINGS_CHANGE, 302, "project-encoder-change", "project-encoder-measure",
          "project-embedding-server-remove", "project-item-example", "project-classes-undo",
          "project-proposal-accept", "project-proposal-dismiss", "project-class-archive",
          "project-guidelines-restore", "project-guidelines-image-remove"),
    Door("project-embedding-server", "post", Ability.SETTINGS_CHANGE, 302, {"address": "https://llm.example.org/v1"}),
    Door("project-learner", "post", Ability.SETTINGS_CHANGE, 302, {"name": "scikit-learn"}),
    Door("project-cluster-anew", "post", Ability.MODELS_CHANGE, 302, {"back": "settings"}),
    *same("post", Ability.MODELS_CHANGE, 302, "project-model-use", "project-model-release", "project-model-mlflow",
          "project-prediction-server-ask", "project-prediction-server-remove"),
    Door("project-models-automatic", "post", Ability.MODELS_CHANGE, 302, {"back": "overview"}),
    *same("get", Ability.MEMBERS_READ, 200, "project-members", "api:batch-parts", "api:members", "api:invitations"),
    Door("project-members", "post", Ability.MEMBERS_CHANGE, 400, {"role": "king"}),
    *same("post", Ability.MEMBERS_CHANGE, 302, "project-invitation-withdraw", "project-member-pause",
          "project-remove"),
    Door("project-invitation-renew", "post", Ability.MEMBERS_CHANGE, 200),
    Door("project-role", "post", Ability.MEMBERS_CHANGE, 302, {"role": "engineer"}),
    Door("project-remove", "get", Ability.MEMBERS_CHANGE, 200),
    Door("project-archive", "post", Ability.PROJECT_CHANGE, 302),
    Door("project-duplicate", "post", Ability.PROJECT_CHANGE, 302, {"copy-name": "Again", "copy-slug": "again"}),
    Door("project-delete", "post", Ability.PROJECT_CHANGE, 400),  # its name was not typed
    Door("project-transfer", "get", Ability.MEMBERS_CHANGE, 200),
    Door(
        "project-transfer", "post", Ability.MEMBERS_CHANGE, 302, {"role": "engineer"}, others={SUPERUSER: 400}
    ),  # not a member
    Door("project-classes", "post", Ability.SETTINGS_CHANGE, 302, {"name": "none of these"}),
    Door("project-class", "post", Ability.SETTINGS_CHANGE, 302, {"name": "zero"}),
    Door("project-class-merge", "get", Ability.SETTINGS_CHANGE, 302),
    Door("project-class-merged", "post", Ability.SETTINGS_CHANGE, 302, {"into": "1"}),
    Door("project-class-split", "get", Ability.SETTINGS_CHANGE, 302),
    Door("project-class-split-done", "post", Ability.SETTINGS_CHANGE, 302, {"into": "one\nother"}),
    Door("project-guidelines-images", "post", Ability.SETTINGS_CHANGE, 400),
    Door("project-items-change", "get", Ability.ITEMS_CHANGE, 302),  # to the list: what to do is missing
    Door("project-review", "get", Ability.REVIEW_READ, 200),
    Door("project-item-comment", "post", Ability.REVIEW_DO, 302, {"text": "A bar."}),
    Door("project-review-item", "post", Ability.REVIEW_DO, 302, {"value": "3"}),
    Door("project-item-correct", "post", Ability.REVIEW_DO, 302, {"value": "3"}),
    Door("project-item-withdraw", "post", Ability.REVIEW_DO, 302),
    *same("get", Ability.LABELS_READ, 200, "project-guidelines", "project-agreement", "project-copies",
          "project-export", "project-datasets", "project-dataset", "api:guidelines", "api:guidelines-images",
          "api:class-changes", "api:datasets", "api:dataset", "api:dataset-manifest", "api:dataset-card",
          "api:dataset-verification", "api:agreement", "api:near-copies", "api:export"),
    *same("get", Ability.ITEMS_READ, 200, "project-items", "project-item-classes", "project-item", "api:items",
          "api:item", "api:item-comments"),
    *same("get", Ability.BATCHES_READ, 200, "project-progress", "project-finish", "project-certificate", "api:payoff",
          "api:finish", "api:certificates", "api:certificate", "api:certificate-file"),
    *same("get", Ability.MODELS_READ, 200, "project-models", "project-model", "project-models-compare",
          "project-model-register", "project-model-predict", "project-prediction", "project-prediction-sets",
          "project-privacy", "api:encoder", "api:encoder-comparison", "api:models", "api:model", "api:model-in-use",
          "api:model-mlflow", "api:registrations", "api:registration", "api:predictions", "api:prediction",
          "api:prediction-sets", "api:prediction-set", "api:privacy", "api:clustering"),
    *same("post", Ability.MODELS_CHANGE, 400, "project-model-register", "project-prediction-sets",
          "project-prediction-server"),
    Door("project-model-predict", "post", Ability.PREDICTIONS_CHANGE, 400),
    Door("project-prediction-remove", "post", Ability.PREDICTIONS_CHANGE, 302),
    Door("project-certificate", "post", Ability.BATCHES_CHANGE, 200),
    Door("project-finish", "post", Ability.BATCHES_CHANGE, 400),  # people alone are wrong more often
    Door("project-datasets", "post", Ability.DATASETS_CHANGE, 302),
    Door("project-auditlog", "get", Ability.AUDITLOG_READ, 200),
    *same("get", OPERATORS, 200, "server", "server-auditlog", "api:server-auditlog-file"),
    # the API
    Door("api:auditlog-file", "get", Ability.AUDITLOG_READ, 200),
    Door("api:projects", "post", CREATORS, 201, {"slug": "new", "kind": "text", "classes": ["a", "b"]}),
    Door("api:project", "patch", Ability.SETTINGS_CHANGE, 200, {"batch_size": 7}),
    Door("api:deleted-projects", "post", SIGNED_IN, 404, {"slug": "ours"}),  # it is not deleted
    Door("api:project-archive", "post", Ability.PROJECT_CHANGE, 200),
    Door("api:project-archive", "delete", Ability.PROJECT_CHANGE, 200),
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
    Door("api:guidelines-restore", "post", Ability.SETTINGS_CHANGE, 200),
    Door("api:guidelines-images", "post", Ability.SETTINGS_CHANGE, 400),  # without a file
    Door("api:guidelines-image", "delete", Ability.SETTINGS_CHANGE, 204),
    Door("api:encoder", "put", Ability.SETTINGS_CHANGE, 200, {"name": "pixels"}),
    Door("api:encoder-change", "post", Ability.SETTINGS_CHANGE, 409, {"name": "pixels"}),
    Door("api:encoder-change", "delete", Ability.SETTINGS_CHANGE, 200),
    Door("api:embedding-servers", "put", Ability.SETTINGS_CHANGE, 200, {"address": "https://llm.example.org/v1"}),
    Door("api:embedding-server", "delete", Ability.SETTINGS_CHANGE, 204),
    Door("api:encoder-comparison", "post", Ability.SETTINGS_CHANGE, 409, {"also": []}),
    Door("api:classes", "post", Ability.SETTINGS_CHANGE, 201, {"name": "none of these"}),
    Door("api:proposal-accept", "post", Ability.SETTINGS_CHANGE, 200, {"key": "goose"}),
    Door("api:proposal-dismiss", "post", Ability.SETTINGS_CHANGE, 200, {"key": "goose"}),
    Door("api:class", "patch", Ability.SETTINGS_CHANGE, 200, {"description": "a round one"}),
    Door("api:class-merge", "post", Ability.SETTINGS_CHANGE, 200, {"into": 1}),
    Door("api:class-split", "post", Ability.SETTINGS_CHANGE, 200, {"into": ["one", "other"]}),
    Door("api:class-archive", "post", Ability.SETTINGS_CHANGE, 200),
    Door("api:class-archive", "delete", Ability.SETTINGS_CHANGE, 200),
    Door("api:class-example", "put", Ability.SETTINGS_CHANGE, 409),  # it has no label
    Door("api:class-example", "delete", Ability.SETTINGS_CHANGE, 409),  # it is none
    Door("api:class-undo", "post", Ability.SETTINGS_CHANGE, 200, {"revision": 1}),
    Door("api:batch-parts", "post", Ability.BATCHES_CHANGE, 201, {"username": "our-annotator", "share": 0.5}),
    Door("api:batch-part", "delete", Ability.BATCHES_CHANGE, 204),
    Door("api:members", "post", Ability.MEMBERS_CHANGE, 201, {"username": "our-annotator", "role": "engineer"}),
    Door("api:member", "delete", Ability.MEMBERS_CHANGE, 204),
    Door("api:member-pause", "post", Ability.MEMBERS_CHANGE, 200),
    Door("api:member-pause", "delete", Ability.MEMBERS_CHANGE, 200),
    Door("api:invitations", "post", Ability.MEMBERS_CHANGE, 201, {"role": "annotator"}),
    Door("api:invitation", "delete", Ability.MEMBERS_CHANGE, 204),
    Door("api:items", "post", Ability.ITEMS_CHANGE, 201, [{"image": IMAGE}]),
    Door("api:imports", "post", Ability.ITEMS_CHANGE, 201, [{"image": IMAGE}]),
    Door("api:item-changes", "post", Ability.ITEMS_CHANGE, 200, {"action": "exclude", "items": [1]}),
    Door("api:item-correction", "put", Ability.REVIEW_DO, 200, {"value": "3"}),
    Door("api:item-correction", "delete", Ability.REVIEW_DO, 404),  # none stands
    Door("api:item-comments", "post", Ability.REVIEW_DO, 201, {"text": "A bar."}),
    Door("api:claim", "post", Ability.TASKS_ANSWER, 200, {"count": 1}),
    Door("api:annotations", "post", Ability.TASKS_ANSWER, 200, {"annotations": []}),
    Door("api:annotation", "delete", Ability.TASKS_ANSWER, 200, others=NOT_THEIRS),
    Door("api:skip", "post", Ability.TASKS_ANSWER, 200, {"task": 1, "reason": "unclear"}),
    Door("api:comments", "post", Ability.TASKS_ANSWER, 200),
    Door("api:release", "post", Ability.TASKS_ANSWER, 200, {}),
    Door("api:batch-end", "post", Ability.BATCHES_CHANGE, 200),
    Door("api:batch-retry", "post", Ability.BATCHES_CHANGE, 409),
    Door("api:model-in-use", "delete", Ability.MODELS_CHANGE, 200),
    Door("api:model-use", "post", Ability.MODELS_CHANGE, 200),
    Door("api:model-release", "post", Ability.MODELS_CHANGE, 204),
    Door("api:model-artifact", "get", Ability.MODELS_READ, 404),  # no training has run: there are no files
    Door("api:model-measured-blind", "get", Ability.MODELS_READ, 404),  # it is not made of predictions from outside
    Door("api:models-compare", "get", Ability.MODELS_READ, 400),  # which two is not said
    Door("api:model-predict", "post", Ability.PREDICTIONS_CHANGE, 202, [{"text": "hello"}]),
    Door("api:model-mlflow", "post", Ability.MODELS_CHANGE, 409),  # no MLflow is set
    Door("api:registrations", "post", Ability.MODELS_CHANGE, 400),  # no file
    Door("api:prediction", "delete", Ability.PREDICTIONS_CHANGE, 204),
    Door("api:prediction-result", "get", Ability.MODELS_READ, 409),  # it waits
    Door("api:prediction-sets", "post", Ability.MODELS_CHANGE, 202, [{"external_id": "1", "margin": 0.5}]),
    Door("api:prediction-server", "get", Ability.MODELS_CHANGE, 200),
    Door("api:prediction-server", "put", Ability.MODELS_CHANGE, 200, {"url": "https://ml.example.org"}),
    Door("api:prediction-server", "delete", Ability.MODELS_CHANGE, 204),
    Door("api:prediction-server-ask", "post", Ability.MODELS_CHANGE, 202),
    Door("api:finish", "post", Ability.BATCHES_CHANGE, 409, {}),  # people alone are wrong more often
    Door("api:finish", "delete", Ability.BATCHES_CHANGE, 200),
    Door("api:datasets", "post", Ability.DATASETS_CHANGE, 202, {}),
    Door("api:dataset-comparison", "get", Ability.LABELS_READ, 400),  # the earlier version is not named
    Door("api:clustering-anew", "post", Ability.MODELS_CHANGE, 200),
    Door("api:clustering-anew", "delete", Ability.MODELS_CHANGE, 200),
    *same("get", Ability.SOURCES_CHANGE, 200, "api:sources", "api:source", "project-sources", "project-source"),
    Door("api:sources", "post", Ability.SOURCES_CHANGE, 201, SOURCE),
    Door("api:source", "patch", Ability.SOURCES_CHANGE, 200, {"paused": True}),
    Door("api:source", "delete", Ability.SOURCES_CHANGE, 204),
    Door("api:source-look", "post", Ability.SOURCES_CHANGE, 202, {"full": True}),
    Door("api:source-test", "post", Ability.SOURCES_CHANGE, 200),
    Door("project-sources", "post", Ability.SOURCES_CHANGE, 400),
    Door("project-source", "post", Ability.SOURCES_CHANGE, 302, {"name": "data", "schedule": "day"}),
    *same("post", Ability.SOURCES_CHANGE, 302, "project-source-credentials", "project-source-look",
          "project-source-remove"),
    Door("project-source-test", "post", Ability.SOURCES_CHANGE, 200),
    Door("project-source-pause", "post", Ability.SOURCES_CHANGE, 302, {"paused": "yes"}),
    *same("get", Ability.WEBHOOKS_CHANGE, 200, "api:webhooks", "api:webhook", "api:webhook-deliveries",
          "project-webhooks", "project-webhook"),
    Door("api:webhooks", "post", Ability.WEBHOOKS_CHANGE, 201, HOOK),
    Door("api:webhook", "patch", Ability.WEBHOOKS_CHANGE, 200, {"paused": True}),
    Door("api:webhook", "delete", Ability.WEBHOOKS_CHANGE, 204),
    Door("api:webhook-secret", "post", Ability.WEBHOOKS_CHANGE, 200),
    Door("api:webhook-test", "post", Ability.WEBHOOKS_CHANGE, 202),
    Door("api:delivery-again", "post", Ability.WEBHOOKS_CHANGE, 202),
    Door("project-webhooks", "post", Ability.WEBHOOKS_CHANGE, 400),
    Door("project-webhook", "post", Ability.WEBHOOKS_CHANGE, 302, HOOK),
    Door("project-webhook-secret", "post", Ability.WEBHOOKS_CHANGE, 200),
    *same("post", Ability.WEBHOOKS_CHANGE, 302, "project-webhook-test", "project-webhook-remove",
          "project-delivery-again"),
    Door("project-webhook-pause", "post", Ability.WEBHOOKS_CHANGE, 302, {"paused": "yes"}),
]
# fmt: on


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
