"""The URL patterns of the whole site."""

from django.conf import settings
from django.urls import include, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from labeling.api.published.reference import SchemaView, api_docs
from labeling.web.account.views import sign_in_to_admin
from labeling.web.admin import site as admin_site
from labeling.web.gate.operators import Readyz, healthz, metrics
from labeling.web.server import styleguide

urlpatterns = [
    # First, because most requests are claims and answers: otherwise each would be matched against some fifty pages.
    path("api/v1/", include("labeling.api.urls")),
    path("", include("labeling.web.urls")),
    path("api/docs/", api_docs, name="api-docs"),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    # The admin's own pages for signing in and for passwords are not throttled, so ours replace them.
    path("admin/login/", sign_in_to_admin, name="admin-sign-in"),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password"), name="admin-password"),
    path("admin/", admin_site.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", never_cache(require_safe(Readyz(seconds=2))), name="readyz"),
    path("metrics", metrics, name="metrics"),
]
if settings.DEBUG:
    urlpatterns.append(path("styleguide/", styleguide, name="styleguide"))

handler400 = "labeling.api.shared.errors.bad_request"
handler404 = "labeling.api.shared.errors.not_found"
handler500 = "labeling.api.shared.errors.server_error"
