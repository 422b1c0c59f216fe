"""Test that the settings in the how-tos pass Django's checks and have the documented effects."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import lay_tables
from starter import Process

from tests.extent import some

# For the tables of an installation, see `lay_tables`.
pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
INSTALL = ROOT / "docs/how-to/install-for-a-team.md"
PROVIDER = ROOT / "docs/how-to/login-provider.md"


def shown(page: Path, way: int = 0) -> dict[str, str]:
    """Return the settings in a page's block for /etc/marginalia.env. `way`: of pages with several such blocks."""
    text = page.read_text(encoding="utf-8")
    block = re.findall(r"/etc/marginalia\.env.*?```ini\n(.*?)```", text, re.DOTALL)[way]
    return dict(line.strip().split("=", 1) for line in block.strip().splitlines())


def manage(settings: dict[str, str], *arguments: str) -> str:
    """Run `manage.py` with exactly these settings; return its output."""
    bare = {"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "config.settings"}
    process = Process(list(arguments), {**bare, **settings})
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def run(settings: dict[str, str], *arguments: str) -> str:
    """Run Python with exactly these settings; return its output."""
    environment = {"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "config.settings", **settings}
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("provider", some([{}, shown(PROVIDER), shown(PROVIDER, 1)][::-1]))
def test_check_deploy_finds_nothing(provider: dict[str, str], tmp_path: Path) -> None:
    settings = shown(INSTALL) | provider
    assert {"HTTPS", "ALLOWED_HOSTS", "TRUSTED_PROXIES"} <= settings.keys()
    said = manage({**settings, "DATA_DIR": str(tmp_path)}, "check", "--deploy", "--fail-level", "WARNING")
    assert "no issues" in said


@pytest.mark.long
def test_check_deploy_would_find_something(tmp_path: Path) -> None:
    said = manage({"DATA_DIR": str(tmp_path), "HTTPS": "false"}, "check", "--deploy")
    assert "security.W012" in said
    settings = {**shown(INSTALL), "DATA_DIR": str(tmp_path), "SECRET_KEY": "short"}
    assert "security.W009" in manage(settings, "check", "--deploy")


def test_relative_paths_mean_the_same_from_every_folder(tmp_path: Path) -> None:
    settings = {
        "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "DATA_DIR": os.path.relpath(tmp_path, ROOT),
        "DATABASE_URL": "sqlite:///elsewhere.sqlite3",
    }  # fmt: skip
    ask = "from config import settings; print(settings.DATA_DIR, settings.DATABASES['default']['NAME'])"
    answer = subprocess.run([sys.executable, "-c", ask], cwd=tmp_path, env=settings, capture_output=True, text=True)
    assert answer.stdout.split() == [str(tmp_path), str(ROOT / "elsewhere.sqlite3")], answer.stderr


ASK = """
import json, django
django.setup()
from labeling.models import User
User.objects.create_user("mona", password="mona-password")
from django.test import Client
https = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "198.51.100.7"}
host = {"HTTP_HOST": "labels.example.org"}
def tell(response):
    cookies = {name: {"secure": bool(c["secure"]), "httponly": bool(c["httponly"]), "samesite": c["samesite"],
                      "domain": c["domain"], "path": c["path"]}
               for name, c in response.cookies.items()}
    return {"status": response.status_code, "headers": dict(response.headers), "cookies": cookies}
post = {"username": "mona", "password": "mona-password"}
print(json.dumps({
    "https": tell(Client().get("/login/", **host, **https)),
    "sign in": tell(Client().post("/login/", post, **host, **https)),
    "http": tell(Client().get("/login/", **host)),
    "forged": tell(Client().get("/login/", **host, **{**https, "REMOTE_ADDR": "198.51.100.7"})),
    "healthz": tell(Client().get("/healthz", HTTP_HOST="127.0.0.1:8000")),
    "metrics": tell(Client().get("/metrics", HTTP_HOST="127.0.0.1:8000")),
    "metrics by proxy": tell(Client().get("/metrics", **host, **https)),
    "other host": tell(Client().get("/login/", HTTP_HOST="evil.example", **https)),
}))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> dict[str, Any]:
    """Return the server's responses with the page's settings, except for the database."""
    folder = tmp_path_factory.mktemp("production")
    settings = {**shown(INSTALL), "DATA_DIR": str(folder), "DEBUG": "false"}
    del settings["DATABASE_URL"]
    lay_tables(folder / "db.sqlite3")
    program = ASK.replace("django.setup()", "django.setup(); " + STATIC_AS_IT_LIES, 1)
    return json.loads(re.findall(r"^\{.*\}$", run(settings, "-c", program), re.MULTILINE)[-1])


# Nothing is collected for tests, and pages name their static files by what was.
STATIC_AS_IT_LIES = (
    "from django.conf import settings; "
    "settings.STORAGES['staticfiles'] = {'BACKEND': 'django.contrib.staticfiles.storage.StaticFilesStorage'}"
)


@pytest.mark.long
def test_browsers_are_told_to_insist_on_https(answers: dict[str, Any]) -> None:
    answer = answers["https"]
    assert answer["status"] == 200
    assert answer["headers"]["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert answers["http"]["status"] == 301
    assert answers["http"]["headers"]["Location"] == "https://labels.example.org/login/"


# A browser takes a cookie with the prefix `__Host-` in no other form.
OF_THIS_HOST = {"domain": "", "path": "/"}


def test_cookies_go_over_https_and_forged_requests_are_refused(answers: dict[str, Any]) -> None:
    cookies = answers["sign in"]["cookies"]
    assert answers["sign in"]["status"] == 302
    assert cookies["__Host-sessionid"] == {"secure": True, "httponly": True, "samesite": "Lax", **OF_THIS_HOST}
    # The annotators' screen reads this one.
    token = {"secure": True, "httponly": False, "samesite": "Lax", **OF_THIS_HOST}
    assert cookies["__Host-csrftoken"] == answers["https"]["cookies"]["__Host-csrftoken"] == token
    assert cookies["known_device"] == {"secure": True, "httponly": True, "samesite": "Strict", **OF_THIS_HOST}
    assert len(cookies) == 3
    assert answers["forged"]["status"] == 301
    assert answers["healthz"]["status"] == 200
    assert answers["metrics"]["status"] == 200
    assert answers["metrics by proxy"]["status"] == 403
    assert answers["other host"]["status"] == 400


def test_hsts_can_be_tuned_and_spaces_in_lists_do_no_harm(tmp_path: Path) -> None:
    program = (
        "from django.conf import settings as s;"
        "print(s.SECURE_HSTS_SECONDS, s.SECURE_HSTS_INCLUDE_SUBDOMAINS, *s.ALLOWED_HOSTS, *s.TRUSTED_PROXIES, sep='|')"
    )
    settings = {"HTTPS": "true", "HSTS_SECONDS": "3600", "HSTS_SUBDOMAINS": "false"}
    lists = {"ALLOWED_HOSTS": "a.example, b.example", "TRUSTED_PROXIES": "10.0.0.1, 10.1.0.0/16"}
    said = run({"DATA_DIR": str(tmp_path), **settings, **lists}, "-c", program)
    assert said == "3600|False|a.example|b.example|10.0.0.1/32|10.1.0.0/16\n"


def test_without_https_nothing_of_it_is_on(tmp_path: Path) -> None:
    program = "from django.conf import settings as s; print(s.SECURE_HSTS_SECONDS, s.SECURE_SSL_REDIRECT, s.DEBUG)"
    assert run({"DATA_DIR": str(tmp_path)}, "-c", program).split() == ["0", "False", "False"]
