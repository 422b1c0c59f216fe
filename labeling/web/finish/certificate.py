"""The page of a certificate, to print and to send: a proof in words that need no knowledge of the product."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext, ngettext

from labeling.finishing.state import certificates_of
from labeling.models import Ability, Annotation, Audit, Certificate, Membership
from labeling.web.shared.pages import for_members, render_page
from labeling.web.shared.words import number as figure
from labeling.web.shared.words import percent


@for_members(reading=Ability.BATCHES_READ)
def certificate(request: HttpRequest, membership: Membership, number: int) -> HttpResponse:
    """Show the certificate with this number. No item is shown, so the page can be passed on."""
    issued = get_object_or_404(certificates_of(membership.project), number=number)
    audit = issued.audit
    context = {
        "certificate": issued,
        "audit": audit,
        "statement": _statement(issued),
        "checked": _checked(issued),
        "why_more": _why_more(issued),
        "missed": percent(audit.missed, exact=True),
        "sure": percent(audit.confidence),
        "error": percent(issued.error, exact=True),
        "of_class": _class_of(audit),
    }
    return render_page(request, membership, "project/certificate.html", context, section="project-finish")


def _statement(certificate: Certificate) -> str:
    """Say what was proven in one sentence."""
    text = gettext("Of %(labels)s labels that a model gave, at most %(most)s are wrong (%(share)s).")
    if certificate.audit.each_class:
        text = gettext(
            "Of %(labels)s labels that a model gave, at most %(most)s are wrong about any one class (%(share)s)."
        )
    return text % {
        "labels": figure(certificate.labels),
        "most": figure(certificate.most_wrong),
        "share": percent(certificate.error, exact=True),
    }


def _checked(certificate: Certificate) -> str:
    """Say how many people checked how many labels, and what they found."""
    answers = Annotation.objects.standing().filter(
        task__audit_draw__audit=certificate.audit, task__audit_draw__is_decoy=False
    )
    people = answers.order_by().values("user").distinct().count()
    text = ngettext(
        "%(people)s person checked %(asked)s labels, drawn at random, and found %(found)s wrong. They did not see the "
        "model’s label, and could not tell these items from others.",
        "%(people)s people checked %(asked)s labels, drawn at random, and found %(found)s wrong. They did not see the "
        "model’s label, and could not tell these items from others.",
        people,
    )
    values = {"people": people, "asked": certificate.asked, "found": certificate.found}
    return text % {name: figure(value) for name, value in values.items()}


def _why_more(certificate: Certificate) -> str:
    """Say why more of its labels may be wrong than the goal allows; "" if they may not."""
    audit = certificate.audit
    if certificate.error <= audit.error:
        return ""
    text = gettext(
        "The goal of %(error)s counts all %(pool)s items. People labeled the others, and %(people)s of their "
        "labels are assumed to be wrong. That leaves room for more wrong ones among the model’s labels."
    )
    people = percent(audit.people_error, exact=True)
    return text % {"error": percent(audit.error), "pool": figure(audit.pool_size), "people": people}


def _class_of(audit: Audit) -> Any:
    """Return the name of the class whose labels it is about; None if it is about all classes."""
    return None if audit.of_class is None else audit.project.answer_names([audit.of_class]).get(audit.of_class, "")
