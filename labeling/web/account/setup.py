"""The page of a new installation that creates the first account."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from labeling.web.account import first_account
from labeling.web.account.forms import AccountForm
from labeling.web.gate import devices


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
            messages.error(request, "Somebody else made the first account a moment ago. Yours was not made.")
            return redirect("login")
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        messages.success(request, f"Your account {user.username} is there. Now create your first project.")
        response = redirect("project-new")
        devices.remember(request, response, user)
        return response
    return render(request, "registration/setup.html", {"form": form}, status=400 if form.is_bound else 200)
