"""Test that each gunicorn process reports the counts of all processes, and that all log lines are JSON."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from operations.servers import web_server
from processes import wait_until

TOKEN = "a-token-of-some-length"
MONITOR = {"Authorization": f"Bearer {TOKEN}"}


def test_counts_ids_and_lines(tmp_path: Path) -> None:
    settings = {"METRICS_TOKEN": TOKEN, "LOG_FORMAT": "json", "TRUSTED_PROXIES": "127.0.0.1", "TMPDIR": str(tmp_path)}
    with web_server(tmp_path, **settings) as (port, log):
        site = f"http://127.0.0.1:{port}"
        asked = 0

        def both_have_answered() -> bool:
            """Send many requests at once, because one process might answer single ones."""
            nonlocal asked
            with ThreadPoolExecutor(16) as people:
                answers = list(people.map(lambda _: httpx.get(f"{site}/healthz", timeout=60), range(16)))
            assert {answer.status_code for answer in answers} == {200}
            asked += len(answers)
            return len(list(tmp_path.glob("marginalia-metrics-*/histogram_*.db"))) >= 3  # and that of the master

        wait_until(both_have_answered)
        for _ in range(3):
            text = httpx.get(f"{site}/metrics", headers=MONITOR, timeout=60).text
            assert f'marginalia_request_seconds_count{{call="page",status="2xx"}} {asked}.0' in text
            asked += 1  # this one
        assert "marginalia_database_up 0.0" in text  # it has no tables
        answer = httpx.get(f"{site}/login/", headers={"X-Request-ID": "from-the-proxy"}, timeout=60)
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "from-the-proxy")
    assert not list(tmp_path.glob("marginalia-metrics-*"))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    [failed] = [
        line for line in lines if line.get("request_id") == "from-the-proxy" and line["logger"] == "django.request"
    ]
    assert "no such table" in failed["exception"]
