"""The HTTP client of one simulated annotator. It repeats requests while the server restarts."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx

# How long a request is repeated while the server restarts. A repeated answer keeps its id.
RETRY_SECONDS = 30.0
# How long a request is repeated after the end of the simulation.
LAST_TRIES_SECONDS = 1.5

OTHER_DATABASE = "Does it use the same database as this command?"


class SimulationError(Exception):
    """The simulation cannot go on; the message says how to fix the cause."""


class Client:
    """The project's endpoints, called by one annotator. Repeats requests that fail temporarily."""

    def __init__(self, *, url: str, slug: str, token: str, retry_seconds: float, stop: threading.Event) -> None:
        self.retries = 0
        self._url = url
        self._retry_seconds = retry_seconds
        self._stop = stop
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1/projects/{slug}/",
            headers={"Authorization": f"Token {token}"},
            timeout=90,
            trust_env=False,  # proxies of the environment cannot reach a local server
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, *, patient: bool = True) -> dict[str, Any]:
        return self._checked(self._send("GET", path, None, patient=patient))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._checked(self._send("POST", path, body))

    def delete(self, path: str) -> bool:
        """Return whether the resource was deleted; False if it can no longer be."""
        response = self._send("DELETE", path, None)
        if response.status_code == httpx.codes.CONFLICT:
            return False
        self._checked(response)
        return True

    def _send(self, method: str, path: str, body: dict[str, Any] | None, *, patient: bool = True) -> httpx.Response:
        end = time.monotonic() + self._retry_seconds
        pause = 0.1
        while True:
            try:
                response = self._http.request(method, path, json=body)
                if response.status_code < 500:
                    return response
                problem = f"answers {response.status_code}"
            except httpx.TransportError as error:
                problem = f"does not answer ({error})"
            if self._stop.is_set():  # the simulation has ended, but open requests may still succeed
                end = min(end, time.monotonic() + LAST_TRIES_SECONDS)
            if not patient or time.monotonic() > end:
                raise SimulationError(
                    f"The server at {self._url} {problem}. Start it (command `run`), or name another one with --url."
                )
            self.retries += 1
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    def _checked(self, response: httpx.Response) -> dict[str, Any]:
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise SimulationError(f"What answers at {self._url} is not Marginalia.")
        if response.is_success:
            return body
        detail = str(body.get("detail", response.reason_phrase))
        hint = OTHER_DATABASE if response.status_code in (401, 404) else ""
        raise SimulationError(f"The server at {self._url} refused: {detail} {hint}".strip())
