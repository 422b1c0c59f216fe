"""How django-allauth is set up: it carries sign-ins, sessions and second factors. Pure values, without Django."""

from __future__ import annotations

from typing import Any

APPS = ["allauth", "allauth.account", "allauth.mfa", "allauth.usersessions"]

SECOND_FACTORS = ("none", "staff", "managers", "all")
"""The values of `SECOND_FACTOR`: who must have a second factor."""


def settings(*, attempts: int, minutes: int) -> dict[str, Any]:
    """Return the settings of django-allauth.

    `attempts` wrong codes of a second factor are accepted within `minutes`. Wrong passwords are counted elsewhere:
    docs/decisions/0124-failed-sign-ins-are-rows.md.
    """
    return {
        "ACCOUNT_ADAPTER": "labeling.web.account.adapter.Accounts",
        "ACCOUNT_LOGIN_METHODS": {"username"},
        "ACCOUNT_SIGNUP_FIELDS": ["username*", "password1*", "password2*"],
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_EMAIL_NOTIFICATIONS": False,
        "ACCOUNT_REAUTHENTICATION_METHODS": ["password"],
        "ACCOUNT_RATE_LIMITS": {"login_failed": f"{attempts}/{minutes}m/key"},
        "MFA_ADAPTER": "labeling.web.account.adapter.SecondFactors",
        "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
        "MFA_TOTP_ISSUER": "Marginalia",
        # The code before and the next one count, too: clocks differ.
        "MFA_TOTP_TOLERANCE": 1,
        "MFA_ALLOW_UNVERIFIED_EMAIL": True,
        # allauth notes the time with every request; labeling/web/gate/sessions.py does so every few minutes.
        "USERSESSIONS_TRACK_ACTIVITY": False,
    }
