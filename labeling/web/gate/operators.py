"""Endpoints for operators: liveness, readiness and metrics. Slugs of projects are the only names in them."""

import logging
import math
import time
from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from labeling.insight import monitoring
from labeling.insight.monitoring import Figure
from labeling.observing.metrics import add_web
from labeling.web.gate.proxies import is_in, names_this_machine, parse

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Respond with 200, or with 503 while the database does not answer."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        # Every client may call this, so the details of the database go to the log alone.
        logger.exception("The database does not answer.")
        return JsonResponse({"status": "failing", "detail": "The database does not answer: see the log."}, status=503)
    return JsonResponse({"status": "ok"})


class Readyz:
    """Responds with 200 if all parts of the installation work, otherwise with 503, and with the state of each part.

    A check writes to the disk and every client may call, so that a result is repeated for `seconds`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._looked = -math.inf
        self._checks: list[monitoring.ReadinessCheck] = []

    def __call__(self, request: HttpRequest) -> JsonResponse:
        now = time.monotonic()
        if now - self._looked >= self._seconds:
            self._checks, self._looked = monitoring.checks(timezone.now()), now
        ready = all(check.ok for check in self._checks)
        states = {check.name: {"ok": check.ok, "state": check.state} for check in self._checks}
        body = {"status": "ready" if ready else "failing", "checks": states}
        return JsonResponse(body, status=200 if ready else 503)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return metrics in Prometheus' text format to clients with the token and to those in `METRICS_FROM`.

    While the database does not answer, the metrics of the web processes are still returned.
    """
    if not (_has_token(request) or _may_watch(request)):
        raise PermissionDenied("Metrics are for monitoring: see METRICS_TOKEN and METRICS_FROM.")
    registry = CollectorRegistry()
    add_web(registry)
    registry.register(Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Figures(Collector):
    """The metrics that are read from the database and the disk for each request."""

    def collect(self) -> Iterator[Metric]:
        figures = list(monitoring.disk())
        try:
            figures += monitoring.figures(timezone.now())
            answers = 1
        except Error:
            logger.exception("The database does not answer.")
            answers = 0
        figures.append(Figure("marginalia_database_up", "1 if the database answers, otherwise 0.", (), {(): answers}))
        for figure in figures:
            family = GaugeMetricFamily(figure.name, figure.help, labels=figure.labels)
            for labels, value in figure.values.items():
                family.add_metric(labels, value)
            yield family

    def describe(self) -> list[Metric]:
        """Return no descriptions, because Prometheus' registry would otherwise collect all metrics twice."""
        return []


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if not settings.METRICS_TOKEN or scheme.lower() != "bearer":
        return False
    return constant_time_compare(token.strip(), settings.METRICS_TOKEN)


def _may_watch(request: HttpRequest) -> bool:
    """Return whether the client is in `METRICS_FROM`. A client behind a local proxy does not count as local."""
    address = parse(request.META.get("REMOTE_ADDR", ""))
    if request.client_unknown or not is_in(address, settings.METRICS_FROM):  # type: ignore[attr-defined]
        return False
    if address is None or not address.is_loopback:
        return True
    # A proxy that adds no header usually forwards the host name under which users visit the site.
    return names_this_machine(request)
