"""Addresses of the pages."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from labeling.web.views.account import SignIn
from labeling.web.views.home import home
from labeling.web.views.invitation import invitation
from labeling.web.views.label import label_classes, label_page, label_today
from labeling.web.views.setup import setup

PROJECT = "p/<slug:slug>/"

urlpatterns = [
    path("", home, name="home"),
    path("login/", SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("setup/", setup, name="setup"),
    path("invitation/<word:token>/", invitation, name="invitation"),
    # annotators
    path(f"{PROJECT}label/", label_page, name="label"),
    path(f"{PROJECT}label/classes/", label_classes, name="label-classes"),
    path(f"{PROJECT}label/today/", label_today, name="label-today"),
    path("", include("labeling.web.project_urls")),
]
