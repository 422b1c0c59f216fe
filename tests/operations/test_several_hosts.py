"""Test two web servers and two workers with separate DATA_DIRs, one database and one object store.

Processes are killed by kill -9 and restart with empty disks; no acknowledged answer is lost.
"""

import io
import os
import shutil
import signal
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from factories import SECRET, digit_png, make_member
from knox.models import AuthToken
from processes import ON_LINUX, environment, wait_until, web
from s3 import Bucket, s3_server
from sklearn.datasets import load_digits
from starter import Process

from labeling.models import Annotation, Batch, Item, ItemImport, Job, Project, Role
from labeling.projects.create import create_project

pytestmark = [pytest.mark.django_db(transaction=True), ON_LINUX]

ITEMS, BATCH, PEOPLE = 200, 40, 3
API = "/api/v1/projects/digits/"


class Host:
    """A web server or a worker with its own folder, which is empty at each start."""

    def __init__(self, kind: str, folder: Path, bucket: Bucket) -> None:
        self._kind, self._folder = kind, folder
        self._variables = {
            **bucket.environment,
            "DATA_DIR": str(folder),
            "OBJECT_STORE": bucket.url,
            "SECRET_KEY": "the same on all of them",
        }
        self.port = 0

    def start(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._stack = ExitStack()
        if self._kind == "web":
            process, self.port = self._stack.enter_context(web(**self._variables))
            self.pid = process.pid
        else:
            worker = Process(["worker"], {**environment(), **self._variables})
            self._stack.callback(worker.wait)
            self._stack.callback(worker.kill)
            self.pid = worker.pid
            threading.Thread(target=lambda: print(worker.stdout.read()), daemon=True).start()  # noqa: T201

    def kill(self) -> None:
        """Kill the host and delete its disk, as a power loss does."""
        if self._kind == "web":
            os.killpg(self.pid, signal.SIGKILL)
        self._stack.close()


class Person(threading.Thread):
    """Claims and answers through both web servers in turn, until no task is left."""

    def __init__(self, ports: Callable[[], list[int]], token: str, truths: dict[int, str]) -> None:
        super().__init__(daemon=True)
        self._ports, self._headers, self._truths = ports, {"Authorization": f"Token {token}"}, truths
        self.acknowledged: list[uuid.UUID] = []
        self.seen = 0
        self.problem = ""

    def run(self) -> None:
        with httpx.Client(headers=self._headers, timeout=30, trust_env=False) as http:
            while not self.problem and (tasks := self._ask(http, "POST", "claim/", {"count": 4}).json()["tasks"]):
                media = self._ask(http, "GET", f"items/{tasks[0]['item']['id']}/media/")
                self.seen += len(media.content) > 0
                answers = [
                    {"id": str(uuid.uuid4()), "task": task["id"], "value": self._truths[task["item"]["id"]]}
                    for task in tasks
                ]
                told = self._ask(http, "POST", "annotations/", {"annotations": answers}).json()
                self.acknowledged += map(uuid.UUID, told["accepted"])

    def _ask(self, http: httpx.Client, method: str, path: str, body: dict | None = None) -> httpx.Response:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for port in self._ports():
                try:
                    answer = http.request(method, f"http://127.0.0.1:{port}{API}{path}", json=body)
                except httpx.TransportError:
                    time.sleep(0.05)
                    continue
                if answer.status_code == 200:
                    return answer
                self.problem = f"{path}: {answer.status_code} {answer.text[:300]}"
                raise AssertionError(self.problem)
        raise AssertionError(f"{path}: nobody answered")


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[dict[str, Host]]:
    with s3_server() as bucket, ExitStack() as stack:
        made = {name: Host(name[:-1], tmp_path / name, bucket) for name in ("web1", "web2", "worker1", "worker2")}
        for host in made.values():
            host.start()
            stack.callback(host.kill)
        yield made


def digits_of(n: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(n):
            archive.writestr(f"{number:04}.png", digit_png(number))
    return content.getvalue()


def wait_for_batch(number: int) -> None:
    def opened() -> bool:
        failed = Job.objects.filter(state=Job.State.FAILED).first()
        assert failed is None, failed.reason
        return Batch.objects.filter(number=number, state=Batch.State.OPEN).exists()

    wait_until(opened, seconds=60, every=0.1)


def label(hosts: dict[str, Host], tokens: list[str], truths: dict[int, str], meanwhile: Callable[[], None]) -> list:
    """Let all people answer the open batch while `meanwhile` runs."""
    ports = [lambda: [hosts["web1"].port, hosts["web2"].port], lambda: [hosts["web2"].port, hosts["web1"].port]]
    people = [Person(ports[n % 2], token, truths) for n, token in enumerate(tokens)]
    for person in people:
        person.start()
    meanwhile()
    for person in people:
        person.join(60)
        assert not person.problem, person.problem
        assert not person.is_alive()
    assert sum(person.seen for person in people) > 0
    return [answer for person in people for answer in person.acknowledged]


@pytest.mark.long
def test_nothing_acknowledged_is_lost_when_hosts_go_with_their_disks(hosts: dict[str, Host]) -> None:
    training = {"epochs": 10, "min_steps": 60, "learns_from": "labels"}
    settings = {"seed": 7, "secret": SECRET, "batch_size": BATCH, "control_share": 0.2, "training": training}
    project = create_project(
        slug="digits",
        kind="image",
        classes=[str(digit) for digit in range(10)],
        settings={**settings, "pick_ahead": None},
    )
    manager = {"Authorization": f"Token {AuthToken.objects.create(make_member(project, 'mona', Role.MANAGER))[1]}"}
    tokens = [AuthToken.objects.create(make_member(project, f"ann{n}"))[1] for n in range(PEOPLE)]
    content = digits_of(ITEMS)
    with httpx.Client(headers=manager, timeout=60, trust_env=False) as http:
        address = f"http://127.0.0.1:{hosts['web1'].port}{API}items/"
        answer = http.post(address, files={"file": ("digits.zip", content)})
        assert answer.status_code in (201, 202), answer.text

        def restart(name: str) -> None:
            hosts[name].kill()
            hosts[name].start()

        restart("web1")  # which had the upload
        wait_for_batch(1)
        assert (ItemImport.objects.get().state, Item.objects.count()) == ("done", ITEMS)

        target = load_digits().target
        truths = {item.pk: str(target[int(item.source[:4])]) for item in Item.objects.all()}

        def lose_a_web_server() -> None:
            wait_until(lambda: Annotation.objects.count() > BATCH // 4, seconds=30)
            restart("web2")

        acknowledged = label(hosts, tokens, truths, lose_a_web_server)
        trainings = Job.objects.filter(kind=Job.Kind.TRAIN).exclude(worker="")
        wait_until(trainings.exists, seconds=30, every=0.005)
        # In its training, or in what comes behind it.
        restart(next(name for name in ("worker1", "worker2") if f":{hosts[name].pid}:" in trainings.get().worker))
        wait_for_batch(2)
        acknowledged += label(hosts, tokens, truths, lambda: None)
        wait_for_batch(3)
        restart("worker1")
        restart("web1")

        assert sorted(Annotation.objects.values_list("pk", flat=True)) == sorted(acknowledged)
        assert Project.objects.get().versions.count() == 2
        assert not Item.objects.exclude(encode_error="").exists()
        for name in ("web1", "web2"):
            base = f"http://127.0.0.1:{hosts[name].port}{API}"
            rows = http.get(f"{base}export/?format=jsonl").text.splitlines()
            assert len(rows) == Item.objects.labeled().count() == 2 * BATCH
            for item in Item.objects.order_by("pk")[:10]:
                assert http.get(f"{base}items/{item.pk}/media/").content == digit_png(int(item.source[:4]))
            archive = zipfile.ZipFile(io.BytesIO(http.get(f"{base}models/2/artifact/").content))
            assert "model.safetensors" in archive.namelist()
