"""Test the queue against a model in plain Python: after any sequence of requests, both have the same state."""

import datetime
import math
import random
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from factories import make_items, make_member, make_open_batch, make_project
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from labeling.labels import corrections, counting
from labeling.labels.corrections import CorrectionError
from labeling.loop import batches
from labeling.loop.batches import BatchError
from labeling.models import Annotation, Assignment, Batch, Item, Project, Role, Task
from labeling.queue import deadlines, queue, rechecking, submitting
from labeling.queue.answer import Answer
from labeling.queue.queue import QueueError
from tests.extent import ALL

pytestmark = pytest.mark.django_db

LEASE, IDLE, LATELY, SIZE, PEOPLE = 180, 30, 5, 24, 4
CONFIDENCE = 0.95
MOST = 10  # what one person holds of a batch this small
ACTIONS = ["claim"] * 8 + ["answer_all", "answer_held"] * 2 + ["time_passes"] * 3 + ["undo"] * 3
ACTIONS += ["answer_any", "skip", "send_again", "release", "correct", "withdraw", "pause_or_go_on", "end_early"]
NUMBERS = count()


@dataclass
class Place:
    """One person's place on one task."""

    number: int
    until: float
    claimed: float
    state: str = "held"  # or "answered", "ended"


@dataclass
class Given:
    """One answer, or a skip (`value` is None)."""

    id: uuid.UUID
    task: int
    user: int
    value: int | None
    at: float
    standing: bool = True


@dataclass
class Model:
    """A batch of `SIZE` tasks, by rank: slow, and simple enough to compare with docs/explanation/loop.md."""

    overlap: int
    most: int | None = None
    checked: set[int] = field(default_factory=set)  # by the random share
    extra: Counter[int] = field(default_factory=Counter)
    now: float = 0.0
    state: str = "open"
    ended_early: bool = False
    places: dict[tuple[int, int], Place] = field(default_factory=dict)
    given: list[Given] = field(default_factory=list)
    corrected: dict[int, int] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)  # by an early end
    dropped: set[int] = field(default_factory=set)

    def holders(self, task: int, *states: str) -> list[int]:
        return [user for (rank, user), place in self.places.items() if rank == task and place.state in states]

    def free(self, task: int) -> int:
        return (
            0 if task in self.settled else self.overlap + self.extra[task] - len(self.holders(task, "held", "answered"))
        )

    def standing(self, task: int) -> list[Given]:
        return [each for each in self.given if each.task == task and each.standing]

    def outstanding(self, task: int) -> int:
        return 0 if task in self.settled else self.overlap + self.extra[task] - len(self.standing(task))

    def tasks(self) -> list[int]:
        return [task for task in range(SIZE) if task not in self.dropped]

    def label(self, task: int) -> int | None:
        if task in self.corrected:
            return self.corrected[task]
        counts = Counter(each.value for each in self.standing(task) if each.value is not None).most_common(2)
        tie = len(counts) > 1 and counts[0][1] == counts[1][1]
        return None if not counts or tie or self.outstanding(task) else counts[0][0]

    def is_doubted(self, task: int) -> bool:
        """Return whether one more person is asked, for people who are right 9 times of 10 and 10 classes."""
        given = self.standing(task)
        if self.overlap + self.extra[task] >= (self.most or 0) or len({each.user for each in given}) == PEOPLE:
            return False
        if task in self.checked and not self.extra[task]:
            return True
        values = [each.value for each in given if each.value is not None]
        if not values:
            return len(given) < 2
        odds = [math.prod(0.9 if value == truth else 0.1 / 9 for value in values) for truth in range(10)]
        return max(odds) / sum(odds) < CONFIDENCE

    def answers(self, user: int, since: float, without: Given | None = None) -> bool:
        return any(g.user == user and g.standing and g.at > since and g is not without for g in self.given)

    def held(self, user: int) -> list[int]:
        return [task for task in self.tasks() if self._state(task, user) == "held"]

    def _state(self, task: int, user: int) -> str:
        place = self.places.get((task, user))
        return place.state if place else ""

    def closed_to(self, user: int, task: int) -> bool:
        """Return whether the person has a place on the task, or let its lease expire less than a lease ago without an
        answer since.
        """
        place = self.places.get((task, user))
        if place is None:
            return False
        lapsed = self.now - LEASE < place.until <= self.now
        return place.state != "ended" or (lapsed and not self.answers(user, self.now - LEASE))

    def claim(self, user: int, number: int) -> list[int]:
        if self.state != "open":
            return []
        answers, own = self.answers(user, self.now - LEASE), self.in_order(user)
        kept, most = own[:number], self.share(user)
        for task in kept:
            place = self.places[task, user]
            place.claimed = self.now
            if answers:
                place.until = self.now + LEASE
        room = min(number - len(kept), most - len(own))
        picked = self.pick(user, room)
        if len(picked) < room and self.free_lapsed(user, room - len(picked)):
            picked += self.pick(user, room - len(picked), besides=picked)
        if room > 0 and not own and not picked and (self.free_idle(user, room) or self.free_excess(user, room, most)):
            picked = self.pick(user, room)
        return kept + self.hold(user, picked)

    def in_order(self, user: int) -> list[int]:
        """Return the tasks that the person holds, in the order of the claims."""
        return sorted(self.held(user), key=lambda task: self.places[task, user].number)

    def share(self, user: int) -> int:
        """Return the person's fair share of the remaining tasks: at least 1, at most `MOST`."""
        at_work = {user}
        for (task, other), place in self.places.items():
            if place.state == "held" and place.until > self.now and task not in self.dropped:
                at_work.add(other)
        at_work |= {other for other in range(PEOPLE) if self.answers(other, self.now - LEASE)}
        left = self.overlap * sum(self.outstanding(task) > 0 for task in self.tasks())
        return max(1, min(MOST, -(-left // len(at_work))))

    def pick(self, user: int, number: int, besides: Sequence[int] = ()) -> list[int]:
        own = [(place.number, task) for (task, other), place in self.places.items() if other == user]
        # With several answers a task, one goes on behind what one took last, and comes round again.
        last = max(own)[1] if own and (self.overlap > 1 or self.most) else -1
        order = sorted(self.tasks(), key=lambda task: (task <= last, task))
        picked = [task for task in order if self.free(task) > 0 and not self.closed_to(user, task)]
        return [task for task in picked if task not in besides][: max(number, 0)]

    def hold(self, user: int, picked: list[int]) -> list[int]:
        for task in sorted(picked):
            earlier = self.places.get((task, user))
            if earlier is None:
                self.places[task, user] = Place(next(NUMBERS), self.now + LEASE, self.now)
                continue
            earlier.state, earlier.claimed = "held", self.now
            if earlier.until <= self.now or self.answers(user, self.now - LEASE):
                earlier.until = self.now + LEASE
        return sorted(picked)

    def _of_others(self, user: int) -> list[tuple[int, int, Place]]:
        return [
            (task, other, place)
            for (task, other), place in self.places.items()
            if other != user and place.state == "held" and not self.closed_to(user, task)
        ]

    def free_lapsed(self, user: int, number: int) -> int:
        lapsed = [(place.until, task, place) for task, _, place in self._of_others(user) if place.until <= self.now]
        first = {}
        for until, task, place in sorted(lapsed, key=lambda each: each[2].number):
            first.setdefault(task, (until, task, place))
        chosen = sorted(first.values(), key=lambda each: each[:2])[:number]
        for _, _, place in chosen:
            place.state = "ended"
        return len(chosen)

    def free_idle(self, user: int, number: int) -> int:
        of: dict[int, list[Place]] = {}
        for _, other, place in self._of_others(user):
            if place.until <= self.now + LEASE - IDLE and not self.answers(other, self.now - IDLE):
                of.setdefault(other, []).append(place)
        idle = sorted((-len(held), other) for other, held in of.items() if len(held) > 1)
        if not idle:
            return 0
        held = sorted(of[idle[0][1]], key=lambda each: each.number, reverse=True)
        for place in held[: min(number, len(held) // 2)]:
            place.state = "ended"
        return min(number, len(held) // 2)

    def free_excess(self, user: int, number: int, most: int) -> int:
        of: dict[int, list[Place]] = {}
        for _, other, place in self._of_others(user):
            if place.claimed <= self.now - LATELY:
                of.setdefault(other, []).append(place)
        above = sorted((-len(held), other) for other, held in of.items() if len(held) > max(2, most))
        if not above:
            return 0
        held = sorted(of[above[0][1]], key=lambda each: each.number, reverse=True)
        freed = min(number, len(held) - max(2, most))
        for place in held[:freed]:
            place.state = "ended"
        return freed

    def submit(self, given: Given) -> str:
        """Return '' for an accepted answer, or the code of the refusal."""
        before = next((each for each in self.given if each.id == given.id), None)
        if given.task in self.dropped:
            return "batch_closed"
        if before is not None:
            return "" if before.standing else "undone"
        if self.state != "open":
            return "batch_closed"
        place = self.places.get((given.task, given.user))
        if place is None:
            return "not_assigned"
        if place.state == "answered" or (place.state == "ended" and not self.free(given.task)):
            return "taken"
        place.state = "answered"
        self.given.append(given)
        if not self.outstanding(given.task) and self.is_doubted(given.task):
            self.extra[given.task] += 1
        if not any(self.outstanding(task) for task in self.tasks()):
            self.state = "training"
        return ""

    def undo(self, given: Given) -> str:
        if given.task in self.dropped:
            return "not_found"  # with its task the annotation is gone
        if self.state != "open" and self.ended_early:
            return "batch_closed"
        if not given.standing:
            return "undone" if self.state == "open" or not self.ended_early else "batch_closed"
        self.state = "open"  # no worker has begun the training
        held = [task for task in self.in_order(given.user) if task != given.task]
        for task in held[len(held) - max(0, len(held) + 1 - MOST) :]:
            self.places[task, given.user].state = "ended"
        place = self.places[given.task, given.user]
        undone = any(g.task == given.task and g.user == given.user and not g.standing for g in self.given)
        if self.answers(given.user, self.now - LEASE, without=given) or not undone:
            place.until = self.now + LEASE
        place.state, given.standing = "held", False
        return ""

    def end_early(self) -> bool:
        if self.state != "open" or not any(g.standing for g in self.given):
            return False
        self.state, self.ended_early = "training", True
        self.dropped = {task for task in self.tasks() if not self.standing(task) and task not in self.corrected}
        self.settled = {task for task in self.tasks() if self.outstanding(task)}
        for place in self.places.values():
            place.state = "ended" if place.state == "held" else place.state
        self.places = {key: place for key, place in self.places.items() if key[0] not in self.dropped}
        self.given = [each for each in self.given if each.task not in self.dropped]
        return True


class Queue(RuleBasedStateMachine):
    """Applies each request to the queue and to the model."""

    @initialize(overlap=st.integers(1, 3), more=st.integers(0, 2), seed=st.integers(0, 2**32))
    def start(self, overlap: int, more: int, seed: int) -> None:
        self.rng = random.Random(seed)
        most = overlap + more if more else None
        self.model, self.passed = Model(overlap, most), 0.0
        self.tick()
        self.paused = False
        self.project = make_project(
            f"p{next(NUMBERS)}", overlap=overlap, overlap_max=most, label_confidence=CONFIDENCE, lease_seconds=LEASE,
        )  # fmt: skip
        self.batch = make_open_batch(self.project, make_items(self.project, SIZE), overlap=overlap, overlap_max=most)
        self.ids = list(self.batch.tasks.order_by("rank").values_list("pk", flat=True))
        is_checked = rechecking.is_checked(self.project)
        self.model.checked = {task for task, pk in enumerate(self.ids) if is_checked(pk)}
        self.users = [make_member(self.project, f"user{number}") for number in range(PEOPLE)]
        self.manager = make_member(self.project, "mona", Role.MANAGER)

    # One rule, and chance of its own: Hypothesis prefers few rules and small values, where a queue needs people who do
    # everything. It still looks for the fewest steps to a failure.
    @rule()
    def act(self) -> None:
        rng = self.rng
        action = rng.choice(ACTIONS)
        user, task, value = rng.randrange(PEOPLE), rng.randrange(SIZE), rng.randrange(3)
        getattr(self, action)(user, task, value)

    def claim(self, user: int, task: int, value: int) -> None:
        self.tick()
        number = (1, 5, 100)[value]
        claimed = queue.claim(project=self.project, user=self.users[user], count=number)
        assert [each.rank for each in claimed.tasks] == ([] if self.paused else self.model.claim(user, number))

    def answer_all(self, user: int, task: int, value: int) -> None:
        for held in self.model.held(user):
            self.send(user, held, value)

    def answer_held(self, user: int, task: int, value: int) -> None:
        for held in self.model.held(user)[: task % 3 + 1]:
            self.send(user, held, value)

    def answer_any(self, user: int, task: int, value: int) -> None:
        self.send(user, task, value)

    def skip(self, user: int, task: int, value: int) -> None:
        for held in self.model.held(user)[:1]:
            self.send(user, held, None)

    def send(self, user: int, task: int, value: int | None, again: Given | None = None) -> None:
        self.tick()
        given = again or Given(uuid.uuid4(), task, user, value, self.model.now)
        reason = "" if given.value is not None else "unclear"
        answer = Answer(id=given.id, task=self.ids[given.task], value=given.value, skip_reason=reason)
        outcome = submitting.submit(project=self.project, user=self.users[given.user], answers=[answer])
        assert [each.code for each in outcome.rejected] == [code for code in [self.model.submit(given)] if code]
        assert len(outcome.accepted) + len(outcome.rejected) == 1

    def send_again(self, user: int, task: int, value: int) -> None:
        given = self.one_given(user, task)
        if given is not None:
            self.send(0, 0, None, again=given)

    def undo(self, user: int, task: int, value: int) -> None:
        given = self.one_given(user, task)
        if given is None:
            return
        self.tick()
        try:
            queue.undo(project=self.project, user=self.users[given.user], annotation_id=given.id)
            code = ""
        except QueueError as error:
            code = error.code
        assert code == self.model.undo(given)

    def one_given(self, user: int, task: int) -> Given | None:
        given = [each for each in self.model.given if each.user == user]
        return given[-1 - task % len(given)] if given else None

    def release(self, user: int, task: int, value: int) -> None:
        self.tick()
        held = self.model.held(user)
        assert queue.release(project=self.project, user=self.users[user]) == len(held)
        for each in held:
            self.model.places[each, user].state = "ended"

    def correct(self, user: int, task: int, value: int) -> None:
        full = [each for each in self.model.tasks() if not self.model.outstanding(each)]
        task = full[task % len(full)] if full and user else task
        try:
            corrections.correct(item=self.item(task), user=self.manager, value=value)
        except CorrectionError:
            assert task not in self.model.corrected
            assert task in self.model.dropped or self.model.outstanding(task) > 0
        else:
            assert self.model.outstanding(task) == 0 or task in self.model.corrected
            self.model.corrected[task] = value

    def withdraw(self, user: int, task: int, value: int) -> None:
        for corrected in list(self.model.corrected)[:1]:
            corrections.withdraw(item=self.item(corrected), user=self.manager)
            del self.model.corrected[corrected]

    def time_passes(self, user: int, task: int, value: int) -> None:
        seconds = (55, 55, 260)[value]  # no sums of them come near the length of a lease
        self.passed += seconds
        self.tick()
        past = datetime.timedelta(seconds=seconds)
        times = ("lease_expires_at", "claimed_at", "answered_at")
        Assignment.objects.update(**{name: F(name) - past for name in times})
        Annotation.objects.update(created_at=F("created_at") - past)
        counting.recount(self.batch)  # what was counted in these ten minutes was done in others now

    def pause_or_go_on(self, user: int, task: int, value: int) -> None:
        self.paused = not self.paused and user == 0
        loop = Project.Loop.PAUSED if self.paused else Project.Loop.RUNNING
        batches.set_loop(project=self.project, loop=loop)

    def end_early(self, user: int, task: int, value: int) -> None:
        if user or value or task > 8:  # once in a while: not much happens behind it
            return
        try:
            deadlines.end_early(batch=Batch.objects.get(pk=self.batch.pk))
            deadlines.clear_unanswered(batch=Batch.objects.get(pk=self.batch.pk))
            ended = True
        except BatchError:
            ended = False
        assert ended == self.model.end_early()

    def item(self, task: int) -> Item:
        return self.project.items.get(row=task)

    def tick(self) -> None:
        """Advance the model's clock by the time that the test itself takes."""
        self.model.now = time.monotonic() + self.passed

    @invariant()
    def same(self) -> None:
        model = self.model
        batch = Batch.objects.get(pk=self.batch.pk)
        tasks = {task.rank: task for task in Task.objects.filter(batch=batch).select_related("item")}
        assert sorted(tasks) == model.tasks()
        open_tasks = sum(model.outstanding(task) > 0 for task in tasks)
        assert (batch.state, batch.remaining) == (model.state, batch.remaining if model.ended_early else open_tasks)
        for rank, task in tasks.items():
            assert (task.free, task.outstanding) == (model.free(rank), model.outstanding(rank))
            assert task.item.label == model.label(rank)
        places = Assignment.objects.filter(task__batch=batch).select_related("task")
        users = [user.pk for user in self.users]
        stored: dict[tuple[int, int], Any] = {
            (each.task.rank, users.index(each.user_id)): "ended"
            if each.ended_at
            else "answered"
            if each.answered_at
            else "held"
            for each in places
        }
        assert stored == {key: place.state for key, place in model.places.items()}
        assert counting.recount(batch) == [], "counters are what they count after each step"
        told = rechecking.remaining_shown(batch)
        assert (told >= 1) if batch.state == "open" else (told == batch.remaining)
        assert batch.labeled == sum(model.label(rank) is not None for rank in tasks)
        standing = Annotation.objects.standing().filter(task__batch=batch).values_list("pk", flat=True)
        assert set(standing) == {each.id for each in model.given if each.standing}


def test_the_queue_does_what_the_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rechecking, "CHECK_SHARE", 0.2)
    run_state_machine_as_test(
        Queue,
        settings=settings(
            # Both databases are asked the same; of the second, whether its statements mean the same takes fewer.
            max_examples=2 if not ALL else 16 if connection.vendor == "sqlite" else 6,
            stateful_step_count=120,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        ),
    )
