"""How django-allauth is set up: it carries sign-ins, sessions and second factors. Pure values, without Django."""

import re
from collections.abc import Sequence
from typing import Any

from environs import EnvError

OIDC = "allauth.socialaccount.providers.openid_connect"
APPS = ["allauth", "allauth.account", "allauth.mfa", "allauth.usersessions", "allauth.socialaccount", OIDC]

SECOND_FACTORS = ("none", "staff", "managers", "all")
"""The values of `SECOND_FACTOR`: who must have a second factor."""


GROUP = re.compile(r"([^=]+)=([-a-z0-9_]+):([a-z]+)")


def groups(entries: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return group, project and role of each entry `GROUP=PROJECT:ROLE`. Raises `EnvError` for another form."""
    found = []
    for entry in entries:
        match = GROUP.fullmatch(entry)
        if match is None:
            raise EnvError(f"OIDC_GROUPS: {entry!r} is not GROUP=PROJECT:ROLE")
        found.append((match[1], match[2], match[3]))
    return found


def provider(*, issuer: str, name: str, client_id: str, secret: str) -> dict[str, Any]:
    """Return allauth's settings of the OpenID Connect provider; of none without an issuer."""
    app = {"provider_id": "oidc", "name": name, "client_id": client_id, "secret": secret}
    apps = [{**app, "settings": {"server_url": issuer, "oauth_pkce_enabled": True}}] if issuer else []
    return {"openid_connect": {"APPS": apps}}


def settings(*, attempts: int, minutes: int) -> dict[str, Any]:
    """Return the settings of django-allauth.

    `attempts` wrong codes of a second factor are accepted within `minutes`. Wrong passwords are counted elsewhere:
    docs/decisions/38-signing-in.md.
    """
    return {
        "ACCOUNT_ADAPTER": "labeling.web.account.adapter.Accounts",
        "ACCOUNT_LOGIN_METHODS": {"username"},
        "ACCOUNT_SIGNUP_FIELDS": ["username*", "password1*", "password2*"],
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_EMAIL_NOTIFICATIONS": False,
        "ACCOUNT_REAUTHENTICATION_METHODS": ["password"],
        "ACCOUNT_RATE_LIMITS": {"login_failed": f"{attempts}/{minutes}m/key"},
        "SOCIALACCOUNT_ADAPTER": "labeling.web.account.provider.ProviderAccounts",
        "SOCIALACCOUNT_EMAIL_VERIFICATION": "none",
        "MFA_ADAPTER": "labeling.web.account.adapter.SecondFactors",
        "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
        "MFA_TOTP_ISSUER": "Marginalia",
        # The code before and the next one count, too: clocks differ.
        "MFA_TOTP_TOLERANCE": 1,
        "MFA_ALLOW_UNVERIFIED_EMAIL": True,
        # allauth notes the time with every request; labeling/web/gate/sessions.py does so every few minutes.
        "USERSESSIONS_TRACK_ACTIVITY": False,
    }
