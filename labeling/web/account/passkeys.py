"""Forms of passkeys: django-allauth's checks, and those that it leaves out.

allauth accepts answers for subdomains and other ports of this host, and does not look at the passkey's counter.
"""

from __future__ import annotations

import json
import logging
import struct
from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed
from allauth.mfa.webauthn.forms import AddWebAuthnForm, AuthenticateWebAuthnForm
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from fido2.cose import UnsupportedKey
from fido2.webauthn import AuthenticationResponse, RegistrationResponse

logger = logging.getLogger(__name__)

MOST_BYTES = 20_000
"""A credential is smaller. Those of people are stored."""
# What parsers of bytes, JSON and CBOR raise for anything else.
MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, struct.error)

Answer = RegistrationResponse | AuthenticationResponse


class AddPasskeyForm(AddWebAuthnForm):
    """A new passkey."""

    def clean_credential(self) -> dict[str, Any]:
        credential: dict[str, Any] = self.cleaned_data["credential"]
        data = _parsed(RegistrationResponse, credential).response.attestation_object.auth_data.credential_data
        if data is None or isinstance(data.public_key, UnsupportedKey):
            raise _wrong()
        return credential


class PasskeyForm(AuthenticateWebAuthnForm):
    """The answer of a passkey at a sign-in."""

    def clean_credential(self) -> Authenticator:
        try:
            return self._checked()
        except ValidationError:
            own = Authenticator.objects.filter(user=self.user, type=Authenticator.Type.WEBAUTHN).first()
            if own is not None:
                authentication_failed.send(
                    Authenticator, request=context.request, user=self.user, authenticator=own, reauthentication=False
                )
            raise

    def _checked(self) -> Authenticator:
        answer = _parsed(AuthenticationResponse, self.cleaned_data["credential"])
        try:
            passkey: Authenticator = super().clean_credential()
        except MALFORMED:  # of a key that is malformed itself
            raise _wrong() from None
        if not _count(passkey, answer.response.authenticator_data.counter):
            logger.warning("A passkey of account %d was refused: its counter went back.", passkey.user_id)
            raise _wrong()
        return passkey


def _parsed(shape: type[Answer], credential: Any) -> Any:
    """Return the answer of a browser. Raises `ValidationError` if it is malformed, or made for another origin."""
    try:
        answer = shape.from_dict(credential)
        client = answer.response.client_data
        origin, crossed = client.origin, client.cross_origin
        too_long = len(json.dumps(credential)) > MOST_BYTES
    except MALFORMED:
        raise _wrong() from None
    own = f"{context.request.scheme}://{context.request.get_host()}"
    if too_long or crossed or origin not in (own, *settings.CSRF_TRUSTED_ORIGINS):
        raise _wrong()
    return answer


@transaction.atomic
def _count(passkey: Authenticator, counter: int) -> bool:
    """Store the passkey's counter. Return False if it does not grow, so that there may be a copy of the passkey.

    Passkeys that are kept on several devices do not count: theirs is 0.
    """
    row = Authenticator.objects.select_for_update(no_key=True).get(pk=passkey.pk)
    last = row.data.get("counter", row.wrap().authenticator_data.counter)
    if counter <= last and (counter or last):
        return False
    row.data["counter"] = counter
    row.save(update_fields=["data"])
    return True


def _wrong() -> ValidationError:
    error: ValidationError = get_adapter().validation_error("incorrect_code")
    return error
