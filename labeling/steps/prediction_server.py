"""Ask a server that speaks Label Studio's protocol for ML backends for predictions of a project's items.

The items go in chunks, in the order of their rows, and each answer is appended to a file of JSON lines. Then its size
is recorded in a transaction: after a kill, the next attempt truncates the file to that size and asks on from there.
The protocol: https://github.com/HumanSignal/label-studio-ml-backend
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson
from asgiref.sync import async_to_sync

from labeling import kinds
from labeling.kinds.wording import excerpt
from labeling.loop.step import Step, StepFailed
from labeling.models import PredictionServer, PredictionSet, Project
from labeling.models.items import ItemQuerySet
from labeling.outgoing.exports.tasks import TAGS, data_url, label_config
from labeling.outside import outbound, references
from labeling.steps.features import ItemColumns, raw_contents
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.db.sealed import Unreadable, unseal
from labeling.storage.disk.files import FileDamaged
from labeling.storage.shared_files import store
from models_store import __version__

CHUNK = 50
CHUNK_BYTES = 4 << 20
"""The most items and bytes of one request."""
SECONDS = 100.0
"""The longest time of one request, as in Label Studio."""
MOST_ANSWER_BYTES = 16 << 20
TOO_MANY, LEAST_FAULT = 429, 500


class ServerAway(Exception):
    """The server did not answer, or not now; a later try may succeed. The message says why."""


def file_of(handed: PredictionSet) -> Path:
    """Return the file of the server's answers so far."""
    return ProjectFiles(handed.project).owned(handed).with_name(f"server-{handed.pk}.jsonl")


class _Server(NamedTuple):
    """The server's address and login, and the project's name and labeling configuration, which each request states."""

    url: str
    auth: tuple[str, str] | None
    project: str
    config: str


def answers_of(step: Step, handed: PredictionSet) -> Path | None:
    """Ask the server about all items that it was not asked about. Return the file of its answers; None if the step has
    to give way first.

    Raises `ServerAway`, and `StepFailed` for an answer that is wrong.
    """
    project = handed.project
    server = _server_of(project)
    if not handed.asked:
        _ask(server, "health")
        _ask(server, "setup", {"schema": server.config, "hostname": "", "access_token": "", "extra_params": {}})
    path = file_of(handed)
    _bring(handed, path)
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.truncate(handed.answered)
        file.seek(0, os.SEEK_END)
        complete = _ask_about_all(step, handed, server, file)
    store().publish(path)  # before the job is another worker's
    return path if complete else None


def _server_of(project: Project) -> _Server:
    row = PredictionServer.objects.filter(project=project).first()
    if row is None:
        raise StepFailed("The server was removed from the project first.")
    if project.kind not in TAGS:
        raise StepFailed(f"Such servers predict {', '.join(sorted(TAGS))}, not items of the kind {project.kind}.")
    try:
        auth = (row.username, unseal(row.password)) if row.username else None
    except Unreadable as error:
        raise StepFailed(str(error)) from error
    names = list(project.classes.order_by("index").values_list("name", flat=True))
    return _Server(row.url.rstrip("/"), auth, f"{project.pk}.0", label_config(project.kind, project.asks, names))


def _bring(handed: PredictionSet, path: Path) -> None:
    """Fetch the answers up to the recorded size. If they were lost with another host, begin again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        store().local(path)
    if handed.answered and (not path.exists() or path.stat().st_size < handed.answered):
        handed.asked = handed.answered = 0
        handed.save(update_fields=["asked", "answered"])


def _ask_about_all(step: Step, handed: PredictionSet, server: _Server, file: IO[bytes]) -> bool:
    """Ask about the items in the order of their rows. Return False if the step has to give way first."""
    project = handed.project
    report = step.progress("asking the server for predictions")
    items = project.items.kept().filter(row__isnull=False).order_by("row")
    while (chunk := _next_chunk(project, items.filter(row__gte=handed.asked))) is not None:
        tasks, stop = chunk
        rows = _predictions(project, server, tasks) if tasks else []
        file.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
        file.flush()
        os.fsync(file.fileno())
        handed.asked, handed.answered, handed.failures = stop, file.tell(), 0
        with step.write():
            handed.save(update_fields=["asked", "answered", "failures"])
        report(handed.asked / project.encoded_rows)
        if step.should_give_way():
            return False
    if handed.asked and not handed.answered:
        raise StepFailed("None of the items' files can be read. Put them back, or delete the items.")
    return True


def _next_chunk(project: Project, items: ItemQuerySet) -> tuple[list[dict[str, Any]], int] | None:
    """Return tasks of the first items, as many as fit into a request, and the row behind the last item; None without
    items. Items whose files are lost have no task.
    """
    kind = kinds.of(project)
    columns = (*ItemColumns._fields, "row", "external_id", "proposed")
    rows = list(items.values_list(*columns)[:CHUNK])
    names = project.class_names(proposed for *_, proposed in rows if proposed is not None)
    references.bring(media for _, _, media, *_ in rows)
    tasks: list[dict[str, Any]] = []
    size = stop = 0
    for *item, row, external_id, proposed in rows:
        columns_of_item = ItemColumns._make(item)
        [content] = raw_contents(project, [columns_of_item])
        if isinstance(content, FileDamaged):
            stop = row + 1
            continue
        if isinstance(content, OSError):
            problem = content.strerror or type(content).__name__
            raise StepFailed(f"The file of the item “{excerpt(external_id)}” cannot be read: {problem}.")
        if kind.is_file:
            content = data_url(kind, columns_of_item.media, bytes(content))
        data = {**columns_of_item.data, kind.name: content, "external_id": external_id}
        data |= {"class": names[proposed]} if proposed is not None else {}
        size += len(content)
        if tasks and size > CHUNK_BYTES:
            break
        tasks.append({"id": columns_of_item.pk, "data": data})
        stop = row + 1
    return (tasks, stop) if rows else None


def _predictions(project: Project, server: _Server, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask the server about these items. Return its predictions as rows of a file of predictions."""
    results = _ask(server, "predict", {"tasks": asked, "params": {}}).get("results")
    if not isinstance(results, list) or len(results) != len(asked):
        n = len(results) if isinstance(results, list) else "no"
        raise StepFailed(f"The server was asked about {len(asked)} items, and answered with {n} results.")
    return [
        _prediction_row(project, each["data"]["external_id"], result)
        for each, result in zip(asked, results, strict=True)
    ]


def _prediction_row(project: Project, external_id: str, result: Any) -> dict[str, Any]:
    """Return the prediction of an item as a row of a file of predictions. Raises `StepFailed` if it is none."""
    several = result if isinstance(result, list) else [result]
    item = f"The answer of the server for the item “{excerpt(external_id)}”"
    try:
        first = several[0]
        part = next(each for each in first["result"] if each["type"] == "choices")
        chosen, score = part["value"]["choices"], first.get("score", part.get("score"))
    except (LookupError, TypeError, AttributeError, StopIteration):
        raise StepFailed(f"{item} has no choices.") from None
    if not isinstance(chosen, list) or not all(isinstance(each, str) for each in chosen):
        raise StepFailed(f"{item} has no choices.")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise StepFailed(f"{item} has no score from 0 to 1. Without it, nothing tells how sure the model is.")
    if project.asks.several:
        return {"external_id": external_id, "label": chosen, "confidence": score}
    if len(chosen) != 1:
        raise StepFailed(f"{item} has {len(chosen)} choices, and the question allows one.")
    return {"external_id": external_id, "label": chosen[0], "confidence": score}


def _ask(server: _Server, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Send a request, GET without a body; return the answer's object. Raises `ServerAway` or `StepFailed`."""
    if body is not None:
        body = {**body, "project": server.project, "label_config": server.config}
    status, content = async_to_sync(_send)(server, path, body)
    if status == TOO_MANY or status >= LEAST_FAULT:
        raise ServerAway(f"The server answered {status} to /{path}: {excerpt(content.decode('utf-8', 'replace'))}")
    if not 200 <= status < 300:
        more = " Check the name and the password." if status in (401, 403) else ""
        more = " Redirects are not followed: enter the new address." if 300 <= status < 400 else more
        raise StepFailed(f"The server answered {status} to /{path}.{more}")
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise StepFailed(f"The server's answer to /{path} is no JSON object. Is it an ML backend for Label Studio?")
    return answer


async def _send(server: _Server, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
    """Return the status and the body of the answer. Redirects are not followed."""
    method, content = ("GET", None) if body is None else ("POST", orjson.dumps(body))
    headers = {"user-agent": f"Marginalia/{__version__}"}
    if body is not None:
        headers["content-type"] = "application/json"
    try:
        async with outbound.send(
            method,
            f"{server.url}/{path}",
            seconds=SECONDS,
            silence=SECONDS,
            headers=headers,
            content=content,
            auth=server.auth,
        ) as response:
            return response.status_code, await outbound.body_of(response, MOST_ANSWER_BYTES)
    except outbound.TooLong:
        raise StepFailed(f"The server's answer to /{path} is longer than {MOST_ANSWER_BYTES >> 20} MiB.") from None
    except outbound.Late:
        raise ServerAway(f"The server did not answer to /{path} within {SECONDS:g} seconds.") from None
    except outbound.Refused as refusal:
        raise StepFailed(str(refusal)) from refusal
    except outbound.Failed as error:
        raise ServerAway(f"The server cannot be reached: {error}.") from error
