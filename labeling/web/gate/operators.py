"""For operators: is it alive, and how is it doing. Numbers only, no names."""

from __future__ import annotations

import logging

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import Error, connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import split_domain_port
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from labeling.models import Assignment, Batch, Job
from labeling.web.gate.proxies import is_in, parse

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while pages can be served, 503 while the database does not answer."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        # Anybody may ask: where the database is, and who asks it, is for the log alone.
        logger.exception("The database does not answer.")
        return JsonResponse({"status": "failing", "detail": "The database does not answer: see the log."}, status=503)
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """What a monitor should watch, in Prometheus' text format, for clients in `METRICS_FROM`."""
    if not _may_watch(request):
        raise PermissionDenied("Metrics are for monitoring: METRICS_FROM names the addresses that may ask.")
    registry = CollectorRegistry()
    jobs = Gauge("marginalia_jobs", "Background steps by state.", ["state"], registry=registry)
    batches = Gauge("marginalia_batches", "Batches by state.", ["state"], registry=registry)
    for gauge, model, states in ((jobs, Job, Job.State), (batches, Batch, Batch.State)):
        counts = dict(model.objects.order_by().values_list("state").annotate(Count("pk")))
        for state in states.values:
            gauge.labels(state).set(counts.get(state, 0))
    leases = Gauge("marginalia_leases", "Tasks that annotators hold.", registry=registry)
    leases.set(Assignment.objects.pending().count())
    oldest = Job.objects.due(timezone.now()).order_by("run_after").first()
    waiting = Gauge("marginalia_oldest_due_job_seconds", "How long the oldest due step has waited.", registry=registry)
    waiting.set((timezone.now() - oldest.run_after).total_seconds() if oldest else 0)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_watch(request: HttpRequest) -> bool:
    """Whether the client is in `METRICS_FROM`. Someone behind a proxy is not this machine because the proxy is."""
    address = parse(request.META.get("REMOTE_ADDR", ""))
    if request.client_unknown or not is_in(address, settings.METRICS_FROM):  # type: ignore[attr-defined]
        return False
    if address is None or not address.is_loopback:
        return True
    # A proxy that adds no header of its own mostly hands on the name under which people call the site.
    host = split_domain_port(request.get_host())[0]
    named = parse(host)
    return host == "localhost" or (named is not None and named.is_loopback)
