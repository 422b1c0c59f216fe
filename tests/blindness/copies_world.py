"""A pool of repeated digits, whose batches the steps of the loop pick and truthful people answer.

Records which near-copies people see, by the kind of the task.
"""

import uuid
from dataclasses import dataclass, field

import numpy as np
from django.db.models import F
from factories import make_member, make_open_batch, make_project, new_items
from sklearn.datasets import load_digits

from labeling.loop.step import Step
from labeling.models import Batch, Clustering, Item, Job, ModelVersion, Project, Task, User
from labeling.queue import copy_answers, queue, submitting
from labeling.queue.answer import Answer
from labeling.steps import batch_copies as choosing
from labeling.steps.batch_tasks import Picked, write_tasks
from labeling.steps.further import choose_further
from labeling.steps.select import read_pool
from labeling.storage.arrays.batch_plan import Pool, plan_batch
from labeling.storage.arrays.files import ProjectFiles
from selector.dendrogram import Dendrogram
from selector.linkage import average_linkage

MOST = 4
"""Near-copies shown beside an item."""


def noisy_digits(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return `n` pictures of digits, some up to eight times with slight noise, and their labels."""
    digits = load_digits()
    times = rng.choice([1, 1, 2, 4, 8], 1797)
    which = rng.permutation(np.repeat(np.arange(1797), times)[:n])
    pictures = digits.data[which] + rng.normal(0, 0.5, (n, 64))
    return pictures / np.linalg.norm(pictures, axis=1, keepdims=True), digits.target[which]


def margins(pictures: np.ndarray, labeled: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return each picture's distance from the middle between the two nearest means of the labeled digits."""
    shown = targets[labeled]
    means = np.stack([pictures[labeled[shown == digit]].mean(axis=0) for digit in np.unique(shown)])
    nearest = np.sort(-pictures @ means.T, axis=1)
    return nearest[:, 1] - nearest[:, 0]


@dataclass
class World:
    """A project whose batches are picked one after the other."""

    project: Project
    people: list[User]
    pictures: np.ndarray
    targets: np.ndarray
    tree: Dendrogram
    seen: list[tuple[int, str, int]] = field(default_factory=list)
    """Of each task that somebody was given: its batch, what it was for, and how many near-copies were beside it."""

    def pick(self, *, clustered: bool = True) -> Batch:
        """Pick the next batch as the selection does, and open it; at random unless `clustered`."""
        project, number = self.project, self.project.batches.count() + 1
        labeled = np.array(project.items.trainable().values_list("row", flat=True), np.int64)
        clusters = self.tree.cut(mean_cluster_size=project.mean_cluster_size)
        height = self.tree.height_at(clusters=int(clusters.max()) + 1)
        plan = plan_batch(
            self.pool(),
            batch_size=project.batch_size,
            control_share=project.control_share,
            strategy="cluster-margin" if clustered else "uniform",
            candidate_factor=None,
            margins=margins(self.pictures, labeled, self.targets),
            clusters=clusters if clustered else None,
            checks=choosing.due_rows(project),
            rng=np.random.default_rng(number),
        )
        facts = {"dendrogram_hash": self.tree.digest if clustered else "", "cut_height": height}
        batch = Batch.objects.create(project=project, number=number, strategy="cluster-margin")
        job = Job.objects.create(project=project, batch=batch, kind=Job.Kind.SELECT, state=Job.State.RUNNING)
        step = Step(job, gives_way=False)
        further = choose_further(project, batch, plan.rows, pool_rows=len(self.pictures))
        write_tasks(step, batch, Picked(plan, facts, None), further)
        of_copies = choosing.choose(step, batch, facts)
        size = batch.tasks.count()
        Batch.objects.filter(pk=batch.pk).update(
            state=Batch.State.OPEN, size=size, remaining=size, further=len(further.items), **facts, **of_copies
        )
        Job.objects.filter(pk=job.pk).update(state=Job.State.DONE)
        return Batch.objects.get(pk=batch.pk)

    def pool(self) -> Pool:
        return read_pool(self.project, len(self.pictures))

    def answer(self, batch: Batch) -> None:
        """Answer all tasks of the batch, record their near-copies, and leave copies with the same label in."""
        truth = dict(self.project.items.values_list("pk", "truth"))
        for user in self.people * 2:
            while tasks := queue.claim(project=self.project, user=user, count=50).tasks:
                beside = copy_answers.shown_beside(self.project, tasks)
                for_what = {task.pk: what_for(task) for task in Task.objects.filter(pk__in=[task.pk for task in tasks])}
                self.seen += [(batch.number, for_what[task.pk], len(beside[task.pk])) for task in tasks]
                answers = []
                for task in tasks:
                    known = truth[task.item_key]
                    near = [item.pk for item in beside[task.pk]]
                    same = [item for item in near if truth[item] == known]
                    different = [item for item in near if truth[item] != known]
                    answers.append(Answer(uuid.uuid4(), task.pk, known, same=same, different=different))
                assert not submitting.submit(project=self.project, user=user, answers=answers).rejected
        assert not Batch.objects.get(pk=batch.pk).remaining
        Batch.objects.filter(pk=batch.pk).update(state=Batch.State.DONE)
        Job.objects.all().delete()


def what_for(task: Task) -> str:
    if task.repeats_id is not None:
        return "gold" if task.is_gold else "again"
    return "control" if task.is_control else "asked" if task.asked else "picked"


def make_world(n: int = 1500, *, n_gold: int = 60, seed: int = 0, people: int = 2, **settings: object) -> World:
    """Create a pool of `n` pictures and their dendrogram, with random control and gold items."""
    rng = np.random.default_rng(seed)
    pictures, targets = noisy_digits(n, rng)
    settings = {"near_copies": MOST, "batch_size": 100, "control_share": 0.15, "gold_share": 0.15, **settings}
    project = make_project(kind="text", mean_cluster_size=4.0, **settings)
    items = new_items(project, n)
    project.encoded_rows = n
    project.save(update_fields=["encoded_rows"])
    reserved, gold = np.split(rng.permutation(n)[: n // 6 + n_gold], [n // 6])
    for item, target in zip(items, targets.tolist(), strict=True):
        item.truth = target
        item.control_key = float(rng.random())
        item.reserved = item.row in set(reserved.tolist())
        item.gold = target if item.row in set(gold.tolist()) else None
    Item.objects.bulk_create(items)
    first = make_open_batch(project, list(project.items.unlabeled().filter(reserved=False)[:60]))
    first.tasks.update(free=0, outstanding=0)
    Item.objects.filter(task__isnull=False).update(label=F("truth"))
    Batch.objects.update(state=Batch.State.DONE)
    tree = average_linkage(pictures)
    version = ModelVersion.objects.create(project=project, number=1, batch=first, labels=60, seed=1, seconds=1)
    path = ProjectFiles(project).dendrogram(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    tree.save(path)
    Clustering.objects.create(
        project=project, embedded_by=version, rows=n, joined_rows=n, generation=1, digest=tree.digest, seconds=0.0
    )
    return World(project, [make_member(project, f"ann{i}") for i in range(people)], pictures, targets, tree)
