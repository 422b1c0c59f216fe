"""Addresses of the pages."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from labeling.web.views.home import home
from labeling.web.views.label import label_classes, label_page, label_today

PROJECT = "p/<slug:slug>/"

urlpatterns = [
    path("", home, name="home"),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    # annotators
    path(f"{PROJECT}label/", label_page, name="label"),
    path(f"{PROJECT}label/classes/", label_classes, name="label-classes"),
    path(f"{PROJECT}label/today/", label_today, name="label-today"),
    path("", include("labeling.web.project_urls")),
]
