"""Failed sign-ins, which are counted for a while, and the last uses of API tokens."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from knox.models import AuthToken

from labeling.models.accounts import User


class SignInFailureQuerySet(models.QuerySet["SignInFailure"]):
    def recent(self) -> SignInFailureQuerySet:
        """Return the failures that count: those within `LOGIN_COOL_OFF_MINUTES`."""
        return self.filter(at__gt=_cool_off_began())

    def outdated(self) -> SignInFailureQuerySet:
        return self.filter(at__lte=_cool_off_began())


class SignInFailure(models.Model):
    """One failed sign-in. Of the typed name only a keyed hash is stored: people sometimes type their password there."""

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, help_text="The account of the typed name.")
    name_hash = models.CharField(max_length=64)
    client = models.CharField(max_length=45, help_text="The address, or the first of an IPv6 network.")
    device = models.CharField(max_length=64, blank=True, help_text="The browser, if it is known.")
    at = models.DateTimeField(default=timezone.now)

    objects = SignInFailureQuerySet.as_manager()
    admin_columns = ("user", "client", "at")

    class Meta:
        indexes = [
            models.Index(fields=["client", "at"], name="failure_by_client"),
            models.Index(fields=["name_hash", "at"], name="failure_by_name"),
        ]

    def __str__(self) -> str:
        return f"failed sign-in {self.pk}"


class TokenUse(models.Model):
    """The last use of an API token, up to a few minutes."""

    token = models.OneToOneField(AuthToken, primary_key=True, on_delete=models.CASCADE, related_name="last_use")
    at = models.DateTimeField()
    client = models.CharField(max_length=45, help_text="The address.")
    agent = models.CharField(max_length=200, blank=True, help_text="The program, as it names itself.")

    def __str__(self) -> str:
        return f"use of token {self.token_id[:8]}"


class CacheEntry(models.Model):
    """The table of Django's cache in the database."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.cache_key


def _cool_off_began() -> datetime:
    return timezone.now() - timedelta(minutes=settings.LOGIN_COOL_OFF_MINUTES)
