"""Ask a server with an embeddings endpoint, in OpenAI's form, for the features of texts.

Each answer is stored with its items (`storage.arrays.embedded`) before the next request, so that neither a kill nor
another encoding of the same items sends their texts again.
"""

import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import orjson
from asgiref.sync import async_to_sync
from django.db.models import F

from labeling.kinds.wording import excerpt
from labeling.loop.step import ComputeAway, StepFailed
from labeling.models import EmbeddingServer, Project
from labeling.outside import outbound
from labeling.projects.encoders.encoder_settings import PRIVATE
from labeling.projects.privacy import ledger
from labeling.storage.arrays.embedded import Embedded, hash_of
from labeling.storage.db.sealed import Unreadable, unseal
from models_store import __version__
from models_store.encoders.endpoint import Endpoint, TextRefused

SECONDS = 100.0
"""The longest time of one request."""
MOST_ANSWER_BYTES = 32 << 20
PAUSES = (1.0, 4.0)
"""Between the tries of a request that the server does not answer now, unless it names a time. After the last one, or if
it asks for a longer pause than `MOST_PAUSE`, the step is put off.
"""
MOST_PAUSE = 10.0
SILENT_PAUSE = 30.0
"""The least time until a server that was silent is asked again."""
KEPT_AT_ONCE = 64
"""The embeddings that are stored together."""
MOST_TOKENS = 10**9
"""The most tokens of one answer that are believed."""
UNAUTHORIZED, TOO_MANY, TIMEOUT, LEAST_FAULT = (401, 403), 429, 408, 500
REFUSED = (400, 413, 422)
CODE = re.compile(r"[a-z_]{3,40}")


class _Answer(NamedTuple):
    status: int
    retry_after: str
    content: bytes


class Asking:
    """Sends the requests of an encoder for a project, which stores the answers."""

    def __init__(self, project: Project, address: str) -> None:
        self._project = project
        self._address = address
        self._answered = False
        self._embedded: Embedded | None = None

    def __call__(self, body: dict[str, Any]) -> Any:
        """Send a request, again after pauses if need be, and return the JSON of the answer.

        Raises `TextRefused`, `ComputeAway` if the server does not answer now, and `StepFailed` if a manager must act.
        """
        content = orjson.dumps(body)
        for pause in (*PAUSES, None):
            server, key = self._server()  # each time: its key may have been changed
            try:
                answer = _accepted(self._address, key, async_to_sync(_send)(self._address, key, content))
                break
            except ComputeAway as away:
                away.moved_on, wait = self._answered, away.seconds or pause
                if pause is None or wait is None or wait > MOST_PAUSE:
                    raise
            time.sleep(wait)
        self._answered = True
        _count_tokens(server, answer)
        return answer

    def embed(
        self, encoder: Endpoint, texts: Sequence[str], items: Sequence[int] = ()
    ) -> tuple[np.ndarray, dict[int, str]]:
        """Return the features of the texts that the server takes, in order, and the reasons by place why it refuses the
        others. Texts that were sent before are not sent again. `items`: whose texts these are, if they are items'.

        Raises `EncoderSetupError` for a wrong answer, and as `__call__`.
        """
        if self._embedded is None:
            self._embedded = Embedded(self._project, encoder.digest)
        hashes = [hash_of(encoder.sent(text)) for text in texts]
        places = {text: place for place, text in reversed(list(enumerate(hashes)))}
        found, refused = self._embedded.find(places), {}
        missing = sorted(place for text, place in places.items() if text not in found)
        unkept: list[int] = []
        try:
            for start, answer in encoder.answers([texts[place] for place in missing]):
                if isinstance(answer, str):
                    refused[hashes[missing[start]]] = answer
                    continue
                of = missing[start : start + len(answer)]
                found |= zip((hashes[place] for place in of), answer, strict=True)
                unkept += of
                if len(unkept) >= KEPT_AT_ONCE:
                    self._keep(unkept, items, hashes, found)
                    unkept = []
        finally:
            self._keep(unkept, items, hashes, found)
        rows = [found[text] for text in hashes if text in found]
        block = np.stack(rows) if rows else np.empty((0, encoder.dim), encoder.dtype)
        return block, {place: refused[text] for place, text in enumerate(hashes) if text in refused}

    def _keep(
        self, places: list[int], items: Sequence[int], hashes: list[bytes], found: dict[bytes, np.ndarray]
    ) -> None:
        if places and items and self._embedded is not None:
            texts = [hashes[place] for place in places]
            self._embedded.keep([items[place] for place in places], texts, [found[text] for text in texts])

    def _server(self) -> tuple[EmbeddingServer, str]:
        """Return the project's row of the server, and its key. Raises `StepFailed`."""
        servers = EmbeddingServer.objects.select_related("project")
        server = servers.filter(project=self._project, address=self._address).first()
        if server is None:
            raise StepFailed(
                f"The project has no server for embeddings at {self._address}. Enter it on the page Encoder, then "
                "retry."
            )
        if ledger.is_private(server.project):
            raise StepFailed(PRIVATE)
        try:
            return server, unseal(server.key) if server.key else ""
        except Unreadable as error:
            raise StepFailed(str(error)) from error


def _accepted(address: str, key: str, answer: _Answer) -> Any:
    """Return the JSON of an answer. Raises `TextRefused`, `ComputeAway` or `StepFailed` by its status."""
    status, host = answer.status, urlsplit(address).hostname
    try:
        content = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        content = None
    if 200 <= status < 300:
        return content
    code, details = _explained(content, key)
    reason = f"The server for embeddings, {host}, answered {status}{code}."
    if status in (TOO_MANY, TIMEOUT) or status >= LEAST_FAULT:
        raise ComputeAway(reason, seconds=_seconds(answer.retry_after))
    if status in REFUSED:
        raise TextRefused(reason, details)
    if status in UNAUTHORIZED:
        raise StepFailed(f"{reason} Check its key on the page Encoder, then retry.")
    if 300 <= status < 400:
        raise StepFailed(f"{reason} Redirects are not followed: choose the encoder with the new address.")
    raise StepFailed(f"{reason} Check the address and the model, then retry.")


def _explained(content: Any, key: str) -> tuple[str, str]:
    """Return the error's code, which people keep, and its message, which may quote texts; both without the key."""
    error = content.get("error") if isinstance(content, dict) else None
    error = error if isinstance(error, dict) else {"message": error}
    codes = [error.get("code"), error.get("type")]
    code = next((each for each in codes if isinstance(each, str) and CODE.fullmatch(each) and each != key), "")
    message = error.get("message")
    details = message if isinstance(message, str) else ""
    return f" ({code})" if code else "", excerpt(details.replace(key, "…") if key else details)


def _seconds(retry_after: str) -> float:
    """Return the seconds of a header `Retry-After`; 0 without one, or if it is a date."""
    return float(retry_after) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", retry_after) else 0.0


def _count_tokens(server: EmbeddingServer, answer: Any) -> None:
    usage = answer.get("usage") if isinstance(answer, dict) else None
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    if isinstance(tokens, int) and 0 < tokens <= MOST_TOKENS:
        EmbeddingServer.objects.filter(pk=server.pk).update(tokens=F("tokens") + tokens)


async def _send(address: str, key: str, content: bytes) -> _Answer:
    """Return the answer. Redirects are not followed. Raises `ComputeAway` if none comes, and `StepFailed`."""
    host = urlsplit(address).hostname
    headers = {"user-agent": f"Marginalia/{__version__}", "content-type": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    try:
        async with outbound.send(
            "POST", address, seconds=SECONDS, silence=SECONDS, headers=headers, content=content
        ) as response:
            body = await outbound.body_of(response, MOST_ANSWER_BYTES)
            return _Answer(response.status_code, response.headers.get("retry-after", ""), body)
    except outbound.TooLong:
        raise StepFailed(f"The answer of {host} is longer than {MOST_ANSWER_BYTES >> 20} MiB.") from None
    except outbound.Late:
        reason = f"The server for embeddings, {host}, did not answer within {SECONDS:g} seconds."
        raise ComputeAway(reason, seconds=SILENT_PAUSE) from None
    except outbound.Refused as refusal:
        raise StepFailed(str(refusal)) from refusal
    except outbound.Failed as error:
        raise ComputeAway(f"The server for embeddings, {host}, cannot be reached: {error}.") from error
