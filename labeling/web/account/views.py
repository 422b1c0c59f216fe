"""The pages of accounts: sign in, a forgotten password, the user's password and API tokens, the first account."""

import datetime
from typing import Any

from allauth.account.utils import perform_login
from allauth.socialaccount.models import SocialAccount
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login
from django.contrib.auth.forms import BaseUserCreationForm, PasswordChangeForm
from django.contrib.auth.views import (
    LoginView,
    LogoutView,
    PasswordChangeView,
    PasswordResetConfirmView,
    redirect_to_login,
)
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe
from knox.models import AuthToken

from labeling.models import LogKind, SignInFailure, User
from labeling.observing import auditlog
from labeling.outside.mailing import resets
from labeling.projects.people.members import new_token
from labeling.web.account import first_account
from labeling.web.account.provider import provider_name
from labeling.web.gate import sessions
from labeling.web.shared.pages import for_people
from labeling.web.shared.words import number


class AccountForm(BaseUserCreationForm):
    """A username and a password for a new account. Validation does not reveal whether the username is taken."""

    class Meta:
        model = User
        fields = ("username",)

    def validate_unique(self) -> None:
        """Skip the check for uniqueness; the code that creates the account makes it."""


class TokenForm(forms.Form):
    """The lifetime of a new API token."""

    days = forms.TypedChoiceField(
        label=_("Valid for"),
        coerce=int,
        choices=[(7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (365, _("a year"))],
        initial=30,
        help_text=_("A program with the token acts as you until then, or until you revoke it."),
    )


THEMES = (("", _("As the device")), ("light", _("Light")), ("dark", _("Dark")))
THEME_SECONDS = 365 * 24 * 3600


@never_cache
@for_people("GET", "HEAD", "POST")
def account(request: HttpRequest, user: User) -> HttpResponse:
    """List the user's API tokens, or create a token. Only the response that creates a token shows it."""
    form = TokenForm(request.POST) if request.method == "POST" else TokenForm()
    token = ""
    if form.is_bound and form.is_valid():
        token = _new_token(user, datetime.timedelta(days=form.cleaned_data["days"]))
        if not token:
            return redirect("login")
        form = TokenForm()
    now = timezone.now()
    rows = AuthToken.objects.filter(user=user).select_related("last_use").order_by("-created")
    tokens = [
        {"row": each, "use": getattr(each, "last_use", None), "expired": each.expiry is not None and each.expiry <= now}
        for each in rows
    ]
    context = {
        "form": form,
        "token": token,
        "tokens": tokens,
        "sessions": sessions.sessions_of(user, request.session.session_key),
    }
    context["provider"] = provider_name()
    context["linked"] = bool(settings.OIDC_ISSUER) and SocialAccount.objects.filter(user=user).exists()
    context |= {"themes": THEMES, "theme": _theme_of(request), "languages": settings.LANGUAGES}
    return render(request, "account/account.html", context, status=400 if form.errors else 200)


def _theme_of(request: HttpRequest) -> str:
    chosen = request.COOKIES.get("theme", "")
    return chosen if chosen in dict(THEMES) else ""


@transaction.atomic
def _new_token(user: Any, life: datetime.timedelta) -> str:
    """Create a token. Return "" if the password changed during this request: a new password ends all tokens."""
    if not User.objects.select_for_update(no_key=True).filter(pk=user.pk, password=user.password).exists():
        return ""
    return new_token(user, life)


@for_people("POST")
def theme(request: HttpRequest, user: User) -> HttpResponse:
    """Save the colour theme in a cookie, which templates read: a page never changes its colours while loading."""
    response = redirect("account")
    chosen = request.POST.get("theme", "")
    if chosen in dict(THEMES) and chosen:
        secure = settings.SESSION_COOKIE_SECURE
        response.set_cookie("theme", chosen, THEME_SECONDS, secure=secure, httponly=True, samesite="Lax")
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response


@for_people("POST")
def language(request: HttpRequest, user: User) -> HttpResponse:
    """Save the account's language; "" for that of the browser."""
    chosen = request.POST.get("language", "")
    if chosen == "" or chosen in dict(settings.LANGUAGES):
        user.language = chosen
        user.save(update_fields=["language"])
    return redirect("account")


@for_people("POST")
def revoke_token(request: HttpRequest, user: User, key: str) -> HttpResponse:
    """Delete one of the user's own tokens."""
    with transaction.atomic():
        get_object_or_404(AuthToken, user=user, token_key=key).delete()
        auditlog.record(LogKind.TOKEN_REVOKED, subject=f"token {key[:8]}")
    sentence = gettext("The token %(token)s… is revoked. Programs that use it are refused.")
    messages.success(request, sentence % {"token": key[:8]})
    return redirect("account")


@for_people("POST")
def end_session(request: HttpRequest, user: User, session_id: int) -> HttpResponse:
    """Sign one of the user's browsers out."""
    with transaction.atomic():
        if not sessions.end(user, session_id):
            raise Http404("There is no such session.")
        auditlog.record(LogKind.SESSION_ENDED, subject=f"session {session_id}")
    messages.success(request, gettext("That browser is signed out."))
    return redirect("account")


class SignOut(LogoutView):
    """Sign out. The CSRF token changes, so that open and kept pages of the annotator's screen send nothing more."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().post(request, *args, **kwargs)
        rotate_token(request)
        return response


class SignIn(LoginView):
    """The sign-in page. A new installation redirects to the page for the first account."""

    http_method_names = ["get", "head", "post", "options"]
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        more = {"named_by_proxy": getattr(self.request, "named_by_proxy", ""), "provider": provider_name()}
        return {**super().get_context_data(**kwargs), **more}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if first_account.is_wanted():
            return redirect("setup")
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        return perform_login(self.request, form.get_user(), redirect_url=self.get_success_url())

    def form_invalid(self, form: Any) -> HttpResponse:
        # The form keeps the username, so the focus goes to the password.
        form.fields["username"].widget.attrs.pop("autofocus", None)
        form.fields["password"].widget.attrs["autofocus"] = True
        return super().form_invalid(form)


class ChangePasswordForm(PasswordChangeForm):
    """Checks the old password with `authenticate`, so that the limit on failed sign-ins also holds here."""

    def __init__(self, user: Any, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        old = self.cleaned_data["old_password"]
        if authenticate(self.request, username=self.user.get_username(), password=old) != self.user:
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
        return old


class ChangePassword(PasswordChangeView):
    """The page that changes the password. A change ends the user's other sessions and API tokens."""

    http_method_names = ["get", "head", "post", "options"]
    form_class = ChangePasswordForm
    template_name = "account/password.html"
    success_url = reverse_lazy("account")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "tokens": self._tokens()}

    def form_valid(self, form: Any) -> HttpResponse:
        tokens = self._tokens()
        with transaction.atomic():
            sessions.end_all(form.user)
            response = super().form_valid(form)
            sessions.note(form.user, self.request)
            auditlog.record(LogKind.PASSWORD_CHANGED, whom=form.user)
        sessions.remember(self.request, response, form.user)
        sentences = [gettext("Your password is changed. You are signed out everywhere else.")]
        if tokens:
            ended = ngettext(
                "%(n)s API token of yours ended with it. Programs that used it need a new one.",
                "%(n)s API tokens of yours ended with it. Programs that used them need new ones.",
                tokens,
            )
            sentences.append(ended % {"n": number(tokens)})
        messages.success(self.request, " ".join(sentences))
        return response

    def _tokens(self) -> int:
        """Return the number of the user's API tokens."""
        return AuthToken.objects.filter(user=self.request.user).count()


@require_safe
def sign_in_to_admin(request: HttpRequest) -> HttpResponse:
    """Redirect visitors of Django's admin to the common sign-in page; users who are signed in get a 403."""
    if request.user.is_authenticated:
        raise PermissionDenied("Only staff may use the admin pages.")
    return redirect_to_login(request.GET.get("next", ""))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters()
def setup(request: HttpRequest) -> HttpResponse:
    """Show the form for the first account to visitors with the key, and to others where to find the key.

    Redirects to the home page once an account exists.
    """
    if not first_account.is_wanted():
        return redirect("home")
    if not first_account.is_key(request.GET.get("key", "")):
        return render(request, "registration/setup.html", {"form": None}, status=403)
    form = AccountForm(request.POST or None, initial={"username": getattr(request, "named_by_proxy", "")})
    if form.is_bound and form.is_valid():
        values = form.cleaned_data
        user = first_account.create(username=values["username"], password=values["password1"])
        if user is None:
            messages.error(
                request, gettext("Another person created the first account a moment ago. Yours was not created.")
            )
            return redirect("login")
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        sentence = gettext("Your account %(name)s is created. Now create your first project.")
        messages.success(request, sentence % {"name": user.username})
        response = redirect("project-new")
        sessions.remember(request, response, user)
        return response
    return render(request, "registration/setup.html", {"form": form}, status=400 if form.is_bound else 200)


class AddressForm(forms.Form):
    """The confirmed address of an account."""

    address = forms.EmailField(
        label=_("Your e-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def ask_for_link(request: HttpRequest) -> HttpResponse:
    """Have a link mailed. The answer is the same for every address; without a mail server it says whom to ask."""
    form = AddressForm(request.POST if request.method == "POST" and settings.MAIL else None)
    asked = form.is_bound and form.is_valid()
    if asked:
        resets.ask(form.cleaned_data["address"])
    context = {"form": form, "can_mail": settings.MAIL, "asked": asked}
    return render(request, "registration/forgotten.html", context, status=400 if form.errors else 200)


@method_decorator(require_http_methods(["GET", "HEAD", "POST"]), name="dispatch")  # before the link is checked
class NewPassword(PasswordResetConfirmView):
    """The page of a mailed link. A new password ends all sessions and API tokens, and the wait after failed sign-ins.

    It signs no one in: a thief of the mail still needs the second factor.
    """

    template_name = "registration/new_password.html"
    token_generator = resets.TOKENS
    success_url = reverse_lazy("login")

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            SignInFailure.objects.filter(user=form.user).delete()
            auditlog.record(LogKind.PASSWORD_RESET, who=form.user, whom=form.user)
        messages.success(self.request, gettext("Your new password is set. Sign in with it."))
        return response

    def render_to_response(self, context: dict[str, Any], **more: Any) -> HttpResponse:
        if not context["validlink"]:
            more["status"] = 404
        elif context["form"].errors:
            more["status"] = 400
        return super().render_to_response(context, **more)
