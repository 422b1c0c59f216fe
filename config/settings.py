"""Settings, read once from the environment (and an optional `.env` file).

Every variable is listed in docs/reference/settings.md. No other module reads the environment, except
`config/gunicorn.py` for what gunicorn alone needs.
"""

import os
from logging import LogRecord, captureWarnings
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.http import UnreadablePostError
from environs import Env, EnvError, validate

from config import accounts, databases, private, security, syslog
from config.secret_key import read_or_create_secret_key
from models_store import __version__

BASE_DIR = Path(__file__).resolve().parent.parent

# In a clone, `.env` and data lie beside `manage.py`; with an installed wheel, in the current folder.
IS_CLONE = (BASE_DIR / "manage.py").exists()
HOME = BASE_DIR if IS_CLONE else Path.cwd()
COMMAND = "python manage.py" if IS_CLONE else "marginalia"

env = Env()
env.read_env(HOME / ".env", recurse=False)

COMPUTE_PATTERN = r"(local|ray|ray:auto|ray://([\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5})\Z"
COMPUTE_FORMS = "Use local, ray, ray:auto or ray://HOST:PORT."
ADDRESS = r"(\S+:\d{1,5})?\Z"
TOKEN_FORM = "Use 16 to 200 characters without spaces."  # noqa: S105  no token
SYSLOG = r"(/\S{1,100}|\S+:\d{1,5})?\Z"
SYSLOG_FORMS = "Use HOST:PORT, or the path of a socket such as /dev/log."
OTLP = "http/protobuf"
LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

try:
    # A relative path means the same folder to web, worker and commands, which start in different ones.
    DATA_DIR: Path = (HOME / env.path("DATA_DIR", Path("var" if IS_CLONE else "marginalia-data"))).resolve()
    DEBUG: bool = env.bool("DEBUG", False)
    ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"], subcast=str.strip)
    CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [], subcast=str.strip)
    LOG_LEVEL: str = env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(LOG_LEVELS))
    LOG_FORMAT: str = env.str("LOG_FORMAT", "text", validate=validate.OneOf(LOG_FORMATS))
    # True behind a proxy that terminates TLS: secure cookies, the redirect to HTTPS and HSTS follow from it.
    HTTPS: bool = env.bool("HTTPS", False)
    HSTS_SECONDS: int = env.int("HSTS_SECONDS", 365 * 24 * 3600, validate=validate.Range(min=0))
    HSTS_SUBDOMAINS: bool = env.bool("HSTS_SUBDOMAINS", True)
    TRUSTED_PROXIES = security.networks(
        "TRUSTED_PROXIES", env.list("TRUSTED_PROXIES", security.THIS_MACHINE if HTTPS else [], subcast=str.strip)
    )
    LOGIN_HEADER: str = env.str("LOGIN_HEADER", "", validate=validate.Regexp(r"([A-Za-z][A-Za-z0-9-]*)?\Z"))
    LOGIN_HEADER_CREATES_ACCOUNTS: bool = env.bool("LOGIN_HEADER_CREATES_ACCOUNTS", True)
    SIGN_OUT_URL: str = env.str("SIGN_OUT_URL", "", validate=validate.Regexp(security.PATH_OR_URL))
    if LOGIN_HEADER and not TRUSTED_PROXIES:
        raise EnvError("LOGIN_HEADER needs TRUSTED_PROXIES: anybody could send the header otherwise")
    AUDIT_LOG_DAYS: int = env.int("AUDIT_LOG_DAYS", 3 * 365, validate=validate.Range(min=0))
    AUDIT_LOG_SYSLOG: str = env.str("AUDIT_LOG_SYSLOG", "", validate=validate.Regexp(SYSLOG, error=SYSLOG_FORMS))
    SITE_URL: str = env.str("SITE_URL", "", validate=validate.Regexp(r"(https?://[^\s/]{1,200})?\Z"))
    EMAIL_FROM: str = env.str("EMAIL_FROM", "", validate=validate.Regexp(r"([^\s@]{1,64}@[^\s@]{1,200})?\Z"))
    _mail = env.dj_email_url("EMAIL_URL") if env.str("EMAIL_URL", "") else {}
    if _mail and not (_mail.get("EMAIL_BACKEND") and SITE_URL and EMAIL_FROM):
        raise EnvError("EMAIL_URL must begin with smtp, smtp+tls or smtp+ssl, and needs SITE_URL and EMAIL_FROM")
    METRICS_FROM = security.networks("METRICS_FROM", env.list("METRICS_FROM", [], subcast=str.strip))
    METRICS_TOKEN: str = env.str("METRICS_TOKEN", "", validate=validate.Regexp(r"([!-~]{16,200})?\Z", error=TOKEN_FORM))
    OUTGOING_ALLOWED_NETWORKS = security.networks(
        "OUTGOING_ALLOWED_NETWORKS", env.list("OUTGOING_ALLOWED_NETWORKS", [], subcast=str.strip)
    )
    READY_FREE_MB: int = env.int("READY_FREE_MB", 200, validate=validate.Range(min=0))
    WORKER_METRICS: str = env.str("WORKER_METRICS", "", validate=validate.Regexp(ADDRESS, error="Use HOST:PORT."))
    _otlp_endpoint: str = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    TRACES: bool = bool(_otlp_endpoint) and not env.bool("OTEL_SDK_DISABLED", False)
    if TRACES:
        env.str("OTEL_EXPORTER_OTLP_PROTOCOL", OTLP, validate=validate.Equal(OTLP))
    LOGIN_ATTEMPTS: int = env.int("LOGIN_ATTEMPTS", 5, validate=validate.Range(min=1))
    LOGIN_COOL_OFF_MINUTES: int = env.int("LOGIN_COOL_OFF_MINUTES", 15, validate=validate.Range(min=1))
    SECOND_FACTOR: str = env.str("SECOND_FACTOR", "none", validate=validate.OneOf(accounts.SECOND_FACTORS))
    OIDC_ISSUER: str = env.str("OIDC_ISSUER", "", validate=validate.Regexp(r"(https?://\S{1,200})?\Z"))
    OIDC_CLIENT_ID: str = env.str("OIDC_CLIENT_ID", "")
    OIDC_CLIENT_SECRET: str = env.str("OIDC_CLIENT_SECRET", "")
    OIDC_NAME: str = env.str("OIDC_NAME", "your organisation", validate=validate.Length(min=1, max=40))
    OIDC_CREATES_ACCOUNTS: bool = env.bool("OIDC_CREATES_ACCOUNTS", False)
    OIDC_GROUPS_CLAIM: str = env.str("OIDC_GROUPS_CLAIM", "groups")
    OIDC_GROUPS = accounts.groups(env.list("OIDC_GROUPS", [], subcast=str.strip))
    if OIDC_ISSUER and not (OIDC_CLIENT_ID and OIDC_CLIENT_SECRET):
        raise EnvError("OIDC_ISSUER needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET")
    MAX_UPLOAD_MB: int = env.int("MAX_UPLOAD_MB", 2048, validate=validate.Range(min=1))
    PROJECT_STORAGE_MB: int = env.int("PROJECT_STORAGE_MB", 100 * 1024, validate=validate.Range(min=1))
    PROJECT_WAITING_MB: int = env.int("PROJECT_WAITING_MB", 20 * 1024, validate=validate.Range(min=1))
    PROJECT_ITEMS: int = env.int("PROJECT_ITEMS", 0, validate=validate.Range(min=0))
    PROJECT_MEMBERS: int = env.int("PROJECT_MEMBERS", 0, validate=validate.Range(min=0))
    MAX_PROJECTS: int = env.int("MAX_PROJECTS", 1000, validate=validate.Range(min=0))
    MAX_PROJECTS_PER_PERSON: int = env.int("MAX_PROJECTS_PER_PERSON", 50, validate=validate.Range(min=0))
    MLFLOW_TRACKING_URI: str = env.str("MLFLOW_TRACKING_URI", "")
    OBJECT_STORE: str = env.str("OBJECT_STORE", "", validate=validate.Regexp(r"([a-z][a-z0-9+]*://\S{1,200})?\Z"))
    OBJECT_CACHE_MB: int = env.int("OBJECT_CACHE_MB", 50 * 1024, validate=validate.Range(min=1))
    REFERENCE_CACHE_MB: int = env.int("REFERENCE_CACHE_MB", 10 * 1024, validate=validate.Range(min=1))
    MODEL_STORE: str = env.str(
        "MODEL_STORE", OBJECT_STORE, validate=validate.Regexp(r"(([a-z][a-z0-9+]*:/)?/\S{1,200})?\Z")
    )
    PORT: int = env.int("PORT", 8000, validate=validate.Range(min=1, max=65_535))
    COMPUTE: str = env.str("COMPUTE", "local", validate=validate.Regexp(COMPUTE_PATTERN, error=COMPUTE_FORMS))
    RAY_ADDRESS: str = env.str("RAY_ADDRESS", "", validate=validate.Regexp(ADDRESS, error="Use HOST:PORT."))
    COMPUTE_TRAINING_WORLD: int = env.int("COMPUTE_TRAINING_WORLD", 1, validate=validate.Range(min=1, max=1000))
    WORKER_THREADS: int = env.int("WORKER_THREADS", 0, validate=validate.Range(min=0))
    WORKER_STEPS: int = env.int("WORKER_STEPS", 4, validate=validate.Range(min=1, max=64))
    STEP_MAX_SECONDS: float = env.float("STEP_MAX_SECONDS", 12 * 3600, validate=validate.Range(min=1))
    STEP_MEMORY_MB: int = env.int("STEP_MEMORY_MB", 0, validate=validate.Range(min=0))
    _database = databases.below(HOME, env.dj_db_url("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}"))
    _replica = env.dj_db_url("DATABASE_REPLICA_URL") if env.str("DATABASE_REPLICA_URL", "") else None
    _secret_key: str = env.str("SECRET_KEY", "")
    SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [], subcast=str.strip)
except EnvError as error:
    raise ImproperlyConfigured(f"A setting in the environment is wrong: {error}") from error

# Ray reports usage statistics to its makers unless this variable is 0.
RAY_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0"}
if COMPUTE != "local":
    os.environ |= RAY_ENVIRONMENT

# Here, because web, worker and commands all load the settings first.
os.umask(private.UMASK)
DATA_DIR.mkdir(parents=True, exist_ok=True)
private.close_to_others(DATA_DIR)
SECRET_KEY = _secret_key or read_or_create_secret_key(DATA_DIR / "secret_key")

INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",  # `config.urls` loads `labeling.web.admin`
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "csp",
    *accounts.APPS,
    "labeling",
    "demo",
    # Behind `labeling`, whose commands `createsuperuser` and `changepassword` take the place of Django's.
    "django.contrib.auth",
]

MIDDLEWARE = [
    "labeling.web.gate.proxies.TrustedProxies",
    *(["labeling.web.gate.requests.Traces"] if TRACES else []),
    "labeling.web.gate.requests.Requests",
    "labeling.web.gate.requests.MoreHeaders",
    "labeling.web.gate.requests.ContentPolicy",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "labeling.web.gate.sessions.SessionsSeen",
    "labeling.web.gate.login_header.LoginHeader",
    "labeling.web.gate.languages.Languages",
    "labeling.web.gate.second_factor.SecondFactorRequired",
    "labeling.web.gate.spool.given_back",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "labeling.web.gate.throttle.LockedOut",
    "allauth.account.middleware.AccountMiddleware",
    "labeling.web.gate.requests.ErrorPages",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "labeling.web.account.notices.bell",
            ],
            "libraries": {"markdown": "labeling.web.shared.markdown"},
            "builtins": ["django.templatetags.i18n", "labeling.web.shared.figures"],
        },
    }
]

# On SQLite a transaction takes the write lock when it begins, and a second one waits. If both read first and took the
# lock later, the second one would fail at once, whatever the timeout.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 60,
    # SQLite checkpoints the log after 256 MB, background steps after 64 MB (config/sqlite/checkpoint.py). The default
    # of 4 MB would write the same pages often: an import writes to pages all over the tables. Removed rows are
    # overwritten with zeros (`secure_delete`), as they are by default with the SQLite of Debian.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-20000; "
    "PRAGMA wal_autocheckpoint=64000; PRAGMA secure_delete=ON;",
}
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # Opening the file and reading its schema takes milliseconds: once for each thread, not for each request.
    _default = _database | {"ENGINE": "config.sqlite", "OPTIONS": SQLITE_OPTIONS, "CONN_MAX_AGE": None}
    # SQLite gives the files beside the database the permissions of the database.
    for _suffix in ("", "-wal", "-shm", "-lock"):
        private.close_to_others(Path(f"{_database['NAME']}{_suffix}"))
else:
    _default = databases.on_postgresql(_database, "DATABASE_URL")
DATABASES = {"default": _default}
if _replica:
    DATABASES["replica"] = databases.replica(_replica, _database)
    DATABASE_ROUTERS = ["labeling.storage.db.replica.Router"]

AUTH_USER_MODEL = "labeling.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = [
    "labeling.web.gate.throttle.Throttle",
    "django.contrib.auth.backends.ModelBackend",
    "labeling.web.gate.login_header.HeaderBackend",
    "labeling.web.account.provider.ProviderBackend",
]
PASSWORD_RESET_TIMEOUT = 3600
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = SIGN_OUT_URL or "login"

SOCIALACCOUNT_PROVIDERS = accounts.provider(
    issuer=OIDC_ISSUER, name=OIDC_NAME, client_id=OIDC_CLIENT_ID, secret=OIDC_CLIENT_SECRET
)
globals().update(accounts.settings(attempts=LOGIN_ATTEMPTS, minutes=LOGIN_COOL_OFF_MINUTES))

# A table, which all web processes share: each code of a second factor counts once.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "labeling_cacheentry",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("ar", "العربية")]
FORMAT_MODULE_PATH = "config.formats"
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "static/"
STATIC_ROOT = (BASE_DIR if IS_CLONE else DATA_DIR) / "static_root"
STATICFILES_DIRS = [BASE_DIR / "static"]
# A view that checks membership serves media; no URL is the path of a file.
MEDIA_ROOT = DATA_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "config.static_files.HashedFiles",
        "OPTIONS": {"directory_permissions_mode": 0o755},
    },
}
# Uploads are spooled, after the permission check, to the disk where they stay until their import.
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "uploads"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "labeling.web.gate.spool.UploadSpool",
]
# The limit on form fields. Uploads have their own limit, MAX_UPLOAD_MB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# Without a mail server, pages offer no e-mail.
MAIL = bool(_mail)
EMAIL_BACKEND = _mail.get("EMAIL_BACKEND", "django.core.mail.backends.dummy.EmailBackend")
EMAIL_HOST, EMAIL_PORT = _mail.get("EMAIL_HOST"), _mail.get("EMAIL_PORT")
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_USER") or "", _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = EMAIL_FROM

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {"DIRECTIVES": security.content_policy(SIGN_OUT_URL, OIDC_ISSUER)}
PERMISSIONS_POLICY = security.PERMISSIONS_POLICY
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
if HTTPS:
    # Browsers accept a cookie with the prefix `__Host-` only over HTTPS and from this host: no other host can set it.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    # labeling/web/gate/proxies.py removes this header from requests of other senders than trusted proxies.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # Monitoring requests these addresses from the web server directly, without the proxy.
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
    SECURE_HSTS_SECONDS = HSTS_SECONDS
    SECURE_HSTS_INCLUDE_SUBDOMAINS = HSTS_SUBDOMAINS
    # HSTS preloading binds a whole domain for years: only its owner may decide on it.
    SILENCED_SYSTEM_CHECKS = ["security.W021"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "labeling.api.shared.authentication.Token",
        "labeling.api.shared.authentication.SessionByHeader",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["labeling.api.shared.json_format.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["labeling.api.shared.json_format.OrjsonParser"],
    "DEFAULT_SCHEMA_CLASS": "labeling.api.published.schema.PublishedSchema",
    "EXCEPTION_HANDLER": "labeling.api.shared.errors.handle",
}
REST_KNOX = {"TOKEN_TTL": None, "AUTH_HEADER_PREFIX": "Token"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Marginalia API",  # generated clients are named after it, and `marginalia_client` is ours
    "DESCRIPTION": "Batches worth labeling: claim, answer, export. Send a token of yours as `Authorization: Token …`.",
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATIONS": False,
    "ENUM_NAME_OVERRIDES": {
        "ItemStateEnum": "labeling.labels.items.item_filters.State",
        "ProjectKindEnum": "labeling.kinds.choices",
        "BatchState": "labeling.models.Batch.State",
        "ImportState": "labeling.models.ItemImport.State",
        "RequestState": "labeling.models.Registration.State",
        "SourceContent": "labeling.models.Source.Content",
        "Schedule": "labeling.models.Source.Every",
        "PredictionState": "labeling.models.PredictionRun.State",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "labeling.api.published.schema.finish",
    ],
}


def _is_ours(record: LogRecord) -> bool:
    """Return whether the server is at fault for a failed request, and not a client that broke off its request."""
    return not (record.exc_info and isinstance(record.exc_info[1], UnreadablePostError))


def _is_no_act_of_a_command(record: LogRecord) -> bool:
    """Return False for entries of the audit log about commands, whose output is for the person who runs them."""
    return getattr(record, "via", "") != "command"


# With JSON, the records of gunicorn and Django and Python's warnings go to our handler, so that every line is JSON.
_OTHERS = ("gunicorn.error", "gunicorn.access", "django") if LOG_FORMAT == "json" else ()
captureWarnings(LOG_FORMAT == "json")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {"()": "labeling.observing.logs.JsonLines"},
        "line": {"format": "{line}", "style": "{"},
    },
    "filters": {
        "acts_of_commands": {"()": "django.utils.log.CallbackFilter", "callback": _is_no_act_of_a_command},
        "served": {"()": "django.utils.log.CallbackFilter", "callback": _is_ours},
        "seldom": {"()": "labeling.observing.logs.Seldom", "seconds": 600},
        "each_minute": {"()": "labeling.observing.logs.Seldom", "seconds": 60},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["acts_of_commands"]},
        **({"syslog": syslog.handler(AUDIT_LOG_SYSLOG)} if AUDIT_LOG_SYSLOG else {}),
    },
    # The log has failed requests (5xx) and locked-out people, but no refused requests (4xx) and no wrong passwords.
    "loggers": {
        "django.request": {"level": "ERROR", "filters": ["served"]},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "labeling.storage.db.replica": {"filters": ["each_minute"]},
        "httpx": {"level": "WARNING"},  # it would log every address, and those of webhooks can hold secrets
        # With LOG_LEVEL=DEBUG they would log the headers of requests, which have credentials of sources.
        **{name: {"level": "INFO"} for name in ("aiobotocore", "botocore", "httpcore", "s3fs")},
        # If the collector does not answer, log that once in ten minutes, not for every span.
        "opentelemetry.exporter.otlp.proto.http.trace_exporter": {"filters": ["seldom"]},
        "opentelemetry.sdk._shared_internal": {"filters": ["seldom"]},
        **{name: {"handlers": ["console"], "propagate": False} for name in _OTHERS},
        **({"labeling.observing.auditlog": {"handlers": ["syslog"]}} if AUDIT_LOG_SYSLOG else {}),
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
}
