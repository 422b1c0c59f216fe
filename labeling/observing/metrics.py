"""The metrics of web and worker processes for Prometheus. Times are in seconds.

The values of labels come from the code, never from requests: Prometheus keeps a series for each value.
"""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

REQUEST_SECONDS = Histogram(
    "marginalia_request_seconds",
    "Time from when a thread takes a request to its answer, by what was asked for and class of status.",
    ["call", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
CLAIMS = Counter("marginalia_claims", "Claims by result: `tasks`, or the reason why there were none.", ["result"])
IDLE_SECONDS = Counter(
    "marginalia_idle_seconds", "Time from a claim without tasks to the same person's next one with tasks."
)
LEASE_TIMEOUTS = Counter(
    "marginalia_lease_timeouts", "Assignments that went to another annotator because their lease had run out."
)
UPLOAD_BYTES = Counter("marginalia_upload_bytes", "Bytes of files with items that were uploaded and stored.")
JOB_SECONDS = Histogram(
    "marginalia_job_seconds",
    "Time that a worker spent on a background step, by kind and outcome: done, failed, put_off, gave_way, lost.",
    ["kind", "outcome"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400),
)
WEBHOOK_TRIES = Counter(
    "marginalia_webhook_tries",
    "Tries to deliver a message to a webhook by result: delivered, failed, dead.",
    ["result"],
)
WEB = (REQUEST_SECONDS, CLAIMS, IDLE_SECONDS, LEASE_TIMEOUTS, UPLOAD_BYTES)

# Cached, because every request looks up its series.
requests = cache(REQUEST_SECONDS.labels)


def add_web(registry: CollectorRegistry) -> None:
    """Register the metrics of all processes of this web server, or of this process if it is the only one."""
    try:
        MultiProcessCollector(registry)
    except ValueError:  # no folder in which several processes count: config/gunicorn.py makes one
        for each in WEB:
            registry.register(each)


def serve(address: str) -> None:
    """Serve the metrics of this process on `HOST:PORT` from a thread. Raises `OSError`."""
    host, _, port = address.rpartition(":")
    start_http_server(int(port), host.strip("[]"))
