"""Two projects with one of each kind of row, and a user in each role."""

import uuid
from collections.abc import Callable
from typing import Any

from access.doors import (
    ADDRESSES,
    ANNOTATOR,
    MEMBERS,
    SIGNED_OUT,
    STAFF,
    STRANGER,
    SUPERUSER,
    Door,
)
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from factories import (
    make_guidelines_image,
    make_items,
    make_member,
    make_open_batch,
    make_project,
    make_source,
    make_user,
    make_webhook,
    recount,
)
from knox.models import AuthToken
from pages import make_dataset, make_prediction
from pools import make_certificate

from labeling.models import (
    Annotation,
    Assignment,
    Batch,
    BatchPart,
    BulkChange,
    ClassProposal,
    Clustering,
    Comment,
    EncoderComparison,
    GuidelinesVersion,
    ItemImport,
    LabelClass,
    LogEntry,
    ModelVersion,
    PredictionServer,
    PredictionSet,
    Project,
    Registration,
    Role,
    TrackedVersion,
    User,
)
from labeling.projects.classes import changing as classes
from labeling.projects.people import invitations


class World:
    """The project `ours`, with a member in each role, and the project `theirs`, which the stranger manages."""

    def __init__(self) -> None:
        self.users = {
            STAFF: make_user("staff", is_staff=True),
            SUPERUSER: make_user("boss", is_staff=True, is_superuser=True),
        }
        ours = make_project("ours", kind="image")
        for role in MEMBERS:
            self.users[role] = make_member(ours, f"our-{role}", role)
        theirs = make_project("theirs", kind="image")
        self.users[STRANGER] = make_member(theirs, "their-manager", Role.MANAGER)
        made = {role: AuthToken.objects.create(user) for role, user in self.users.items()}
        self.tokens = {role: row.token_key for role, (row, _) in made.items()}
        self.api_tokens = {role: token for role, (_, token) in made.items()}
        annotator = make_member(theirs, "their-annotator")
        self.own_ids = _fill(ours, self.users[ANNOTATOR], leaver="leaver", number=1)
        self.foreign_ids = _fill(theirs, annotator, leaver="their-leaver", number=2)
        self.foreign_ids["key"] = AuthToken.objects.create(make_user("a-token's-owner"))[0].token_key
        used, self.foreign_ids["token"] = invitations.invite(
            project=theirs, user=self.users[STRANGER], role=Role.ANNOTATOR
        )
        invitations.join(invitation=used, user=make_user("newcomer"))
        self.foreign_ids["page"] = "no-such-page"  # pages have the same names in all projects
        self.missing_ids = {
            **dict.fromkeys([*self.own_ids, "session_id"], 10**9),
            "username": "nobody-at-all",
            "key": "0" * 15,
        }
        self.missing_ids["annotation_id"] = uuid.uuid4()
        self.sessions = {role: _session_of(user) for role, user in self.users.items()}
        keys = dict(UserSession.objects.values_list("session_key", "pk"))
        self.session_ids = {role: keys[key] for role, key in self.sessions.items()}
        _session_of(User.objects.get(username="newcomer"))
        self.foreign_ids["session_id"] = UserSession.objects.latest("pk").pk

    def client(self, role: str, **options: Any) -> Client:
        client = Client(raise_request_exception=False, **options)
        if role != SIGNED_OUT:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[role]
        return client

    def knock(
        self,
        role: str,
        door: Door,
        slug: str,
        ids: dict[str, Any] | None = None,
        *,
        then: Callable[[], object] | None = None,
        keep: bool = False,
    ) -> HttpResponse:
        """Send the request as this role and return the response. Its changes are rolled back after `then`, unless
        `keep`.
        """
        address = ADDRESSES[door.name]
        own = {"key": self.tokens.get(role, "0" * 15), "session_id": self.session_ids.get(role, 10**9)}
        values = {**own, **(ids or self.own_ids), "slug": slug}
        wanted = {part.rpartition(":")[2] for part in _between(address.route)}
        path = reverse(door.name, kwargs={name: values[name] for name in wanted})
        body: dict[str, Any] = {"data": door.body or {}} if door.method in ("post", "put") else {}
        if address.in_api and door.body is not None:
            body = {"data": door.body, "content_type": "application/json"}
        with transaction.atomic():
            response: HttpResponse = getattr(self.client(role), door.method)(path, **body)
            if then is not None:
                then()
            transaction.set_rollback(not keep)
        return response

    def kinds_after(self, role: str, door: Door) -> tuple[HttpResponse, list[str]]:
        """Send the request; return the response and the kinds of the log's entries that it wrote."""
        last = LogEntry.objects.order_by("pk").values_list("pk", flat=True).last() or 0
        kinds: list[str] = []
        written = LogEntry.objects.filter(pk__gt=last).order_by("pk").values_list("kind", flat=True)
        return self.knock(role, door, "ours", then=lambda: kinds.extend(written.all())), kinds


def _session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def _between(route: str) -> list[str]:
    return [part.partition(">")[0] for part in route.split("<")[1:]]


def _fill(project: Project, annotator: User, *, leaver: str, number: int) -> dict[str, Any]:
    """Create one of each kind of row in the project; return their ids by the names of address variables."""
    make_member(project, leaver)
    items = make_items(project, 3)
    batch = make_open_batch(project, items, number=number)
    task = batch.tasks.order_by("rank")[0]
    annotation = Annotation.objects.create(task=task, user=annotator, value=1)
    Assignment.objects.create(
        task=task, user=annotator, lease_expires_at=annotation.created_at, answered_at=annotation.created_at
    )
    batch.tasks.filter(pk=task.pk).update(free=0, outstanding=0)
    Batch.objects.filter(pk=batch.pk).update(remaining=2)
    recount(project)
    part = BatchPart.objects.create(batch=batch, start=0, stop=1, user=annotator)
    Batch.objects.filter(pk=batch.pk).update(in_parts=True)
    version = ModelVersion.objects.create(project=project, number=number, batch=batch, labels=1, seed=1, seconds=1)
    predicted = make_prediction(version, name="b.csv")
    handed = PredictionSet.objects.create(project=project, name="c.npz", path="/nowhere")
    PredictionServer.objects.create(project=project, url="https://ml.example.org")
    make_certificate(version, number=number)
    TrackedVersion.objects.create(project=project, version=version)
    dataset = make_dataset(project, f"labels-{number}")
    EncoderComparison.objects.create(project=project, choices=[], asked_at=timezone.now())
    Clustering.objects.create(project=project, embedded_by=version, rows=2, joined_rows=3, seconds=1)
    manager = project.memberships.get(role=Role.MANAGER).user
    BulkChange.objects.create(project=project, user=manager, action="queue", last_item=0, total=0)
    invitation, token = invitations.invite(project=project, user=manager, role=Role.ANNOTATOR)
    classes.edit(project=project, user=manager, index=2, description="A swan.")
    Project.objects.filter(pk=project.pk).update(guidelines="Another bird.", guidelines_version=100)
    GuidelinesVersion.objects.create(project=project, number=number, text="A swan.", created_at=timezone.now())
    image = make_guidelines_image(project, f"swan-{number}.png")
    skipped = Annotation.objects.create(
        task=batch.tasks.order_by("rank")[1], user=annotator, value=None, skip_reason="None of these: goose"
    )
    ClassProposal.objects.create(project=project, annotation=skipped, name="goose", key="goose")
    Comment.objects.create(item=items[0], annotation=annotation, user=annotator, text="A swan?")
    Comment.objects.create(item=items[0], user=manager, to=annotator, text="A goose.")
    webhook = make_webhook(project)
    extra = LabelClass.objects.create(project=project, index=100 + number, position=100, name="another one")
    return {
        "index": extra.index,
        "part_id": part.pk,
        "server_id": project.embedding_servers.create(address="https://ml.example.org/v1").pk,
        "source_id": make_source(project).pk,
        "webhook_id": webhook.pk,
        "page": "batch",
        "delivery_id": webhook.deliveries.get().pk,
        "image": image.name,
        "invitation_id": invitation.pk,
        "token": token,
        "uidb64": "MQ",
        "pk": 10**9,  # of a passkey
        "item_id": items[0].pk,
        "import_id": ItemImport.objects.create(project=project, name="a.csv", path="/nowhere").pk,
        "prediction_id": predicted.pk,
        "registration_id": Registration.objects.create(project=project, name="m.zip", path="/nowhere").pk,
        "set_id": handed.pk,
        "number": number,
        "name": dataset.name,
        "annotation_id": annotation.pk,
        "username": leaver,
    }
