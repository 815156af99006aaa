"""Settings of the project, from the environment. The README has the table."""

from __future__ import annotations

import sys
from pathlib import Path

from environs import Env, EnvError

from assistants import langgraph_json
from skeino_site import __version__, secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()


@env.parser_for("float_or_none")
def float_or_none(value: object) -> float | None:
    if value is None or str(value).lower() == "none":
        return None
    try:
        return float(str(value))
    except ValueError as exc:
        raise EnvError(f"Not a number, and not none: {value}") from exc


# What this installation makes itself lives here: the embedded Postgres and the secret key.
DATA_DIR = Path(env.str("SKEINO_DATA_DIR", default=str(BASE_DIR / ".data"))).resolve()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or secret_key.read_or_create(DATA_DIR / "secret_key")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- Skeino -----------------------------------------------------------------------------
# The defaults stand in each app's conf.py; here is only what the environment may say.

SKEINO_LANGGRAPH_JSON = Path(env.str("LANGGRAPH_JSON", default=str(BASE_DIR / "langgraph.json"))).resolve()
SKEINO_ALLOW_ANONYMOUS = env.bool("SKEINO_ALLOW_ANONYMOUS", default=DEBUG)
SKEINO_DEFAULT_ASSISTANT = env.str("SKEINO_DEFAULT_ASSISTANT", default=None)
SKEINO_WEBHOOK_SECRET = env.str("SKEINO_WEBHOOK_SECRET", default=None)
SKEINO_WEBHOOK_ALLOW_PRIVATE = env.bool("SKEINO_WEBHOOK_ALLOW_PRIVATE", default=False)
SKEINO_RUN_CREATE = env.str("SKEINO_RUN_CREATE", default="wait")
SKEINO_BUSY = env.str("SKEINO_BUSY", default="conflict")
SKEINO_RUN_TIMEOUT_SECONDS = env.float("SKEINO_RUN_TIMEOUT_SECONDS", default=None)
SKEINO_HEARTBEAT_SECONDS = env.float("SKEINO_HEARTBEAT_SECONDS", default=30.0)
SKEINO_WORKER_SHUTDOWN_SECONDS = env.float("SKEINO_WORKER_SHUTDOWN_SECONDS", default=10.0)
if not env.bool("SKEINO_THROTTLE", default=True):
    SKEINO_THROTTLE_RATES: dict[str, str] = {}
SKEINO_WEB_THREADS = env.int("SKEINO_WEB_THREADS", default=8)
SKEINO_WEB_PROCESSES = int(env.str("WEB_CONCURRENCY", default="") or 1)
SKEINO_WORKER_PROCESSES = int(env.str("SKEINO_WORKERS", default="") or 1)
SKEINO_WORKER_CONCURRENCY = env.int("SKEINO_WORKER_CONCURRENCY", default=100)
SKEINO_EVENT_RETENTION_HOURS = env.float_or_none("SKEINO_EVENT_RETENTION_HOURS", default=72.0)
SKEINO_RUN_RETENTION_DAYS = env.float_or_none("SKEINO_RUN_RETENTION_DAYS", default=None)
SKEINO_WORKER_METRICS_PORT = env.int("SKEINO_WORKER_METRICS_PORT", default=None)

# --- Django -----------------------------------------------------------------------------

INSTALLED_APPS = [
    # First, so that `runserver` speaks ASGI. Other processes do without it, and its 30 MiB.
    *(["daphne"] if "runserver" in sys.argv else []),
    # Its pages are found by `skeino_site.urls`, of which workers know nothing.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "assistants",
    "threads",
    "runs",
    "skeino_site",
]

MIDDLEWARE = [
    "skeino_site.request_ids.RequestIdMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "skeino_site.middleware.WatchersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "skeino_site.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "skeino_site.urls"
ASGI_APPLICATION = "skeino_site.asgi.application"
APPEND_SLASH = False  # the catch-all in skeino_site.errors redirects, for API and admin alike
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database ---------------------------------------------------------------------------

if env.str("DATABASE_URL", default=""):
    DATABASES = {"default": env.dj_db_url("DATABASE_URL")}
else:
    # Started by the first connection that needs it, stopped with the last process that used it.
    DATABASES = {"default": {"ENGINE": "skeino_site.embedded_postgres", "NAME": "postgres"}}

# Connections last as long as the threads that requests are served in (skeino_site.handler).
DATABASES["default"]["CONN_MAX_AGE"] = None

# Past a pooler in transaction mode, for what cannot go through it. That cannot keep cursors either.
SKEINO_DIRECT_DATABASE_URL = env.str("SKEINO_DIRECT_DATABASE_URL", default="") or None
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = SKEINO_DIRECT_DATABASE_URL is not None

# Requests are counted here: by each process for itself, unless the cache is one for all.
CACHES = {"default": env.dj_cache_url("CACHE_URL", default="locmem://")}
if CACHES["default"]["BACKEND"].endswith("LocMemCache"):
    CACHES["default"]["OPTIONS"] = {"MAX_ENTRIES": 10_000}

# --- Accounts ---------------------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"

# --- HTTP API ---------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "skeino_site.authentication.ApiKeyAuthentication",  # first: so refusals are 401
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["skeino_site.permissions.IsAuthenticatedOrAnonymousAllowed"],
    "DEFAULT_PARSER_CLASSES": ["skeino_site.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "skeino_site.renderers.Always",
    "DEFAULT_RENDERER_CLASSES": ["skeino_site.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "skeino_site.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "skeino_site.errors.exception_handler",
    "DATETIME_FORMAT": None,  # the renderer writes datetimes, with microseconds and offset
    # How many addresses proxies of ours add to X-Forwarded-For; whoever asks may add others before them.
    "NUM_PROXIES": env.int("SKEINO_NUM_PROXIES", default=0),
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Skeino",
    "DESCRIPTION": "LangGraph threads, runs and assistants over HTTP.",
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATIONS": False,
    "OAS_VERSION": "3.1.0",
    "ENUM_NAME_OVERRIDES": {
        "ThreadStatus": "threads.models.Thread.Status",
        "RunStatus": "runs.models.Run.Status",
    },
}

# Bodies larger than this are refused with 413.
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("SKEINO_MAX_BODY_BYTES", default=20 * 1024 * 1024)

_cors = langgraph_json.cors_settings(SKEINO_LANGGRAPH_JSON)
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=_cors["origins"])
CORS_ALLOW_ALL_ORIGINS = "*" in CORS_ALLOWED_ORIGINS
if CORS_ALLOW_ALL_ORIGINS:
    CORS_ALLOWED_ORIGINS = []
CORS_ALLOWED_ORIGIN_REGEXES = _cors["origin_regexes"]
CORS_ALLOW_CREDENTIALS = _cors["credentials"]
CORS_ALLOW_HEADERS = _cors["headers"]
CORS_ALLOW_METHODS = _cors["methods"]
CORS_EXPOSE_HEADERS = _cors["expose_headers"]
CORS_PREFLIGHT_MAX_AGE = _cors["max_age"]
CORS_ALLOW_PRIVATE_NETWORK = True
CORS_URLS_REGEX = r"^/(?!admin/).*$"

# --- Queue ------------------------------------------------------------------------------

# A finished job says nothing that its run does not say better.
PROCRASTINATE_WORKER_DEFAULTS = {"delete_jobs": "successful"}

# --- The rest ---------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
SECURE_REFERRER_POLICY = "same-origin"

if env.bool("SKEINO_HTTPS", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_SECONDS = 365 * 86400
    # Whoever watches this server asks it directly.
    SECURE_REDIRECT_EXEMPT = [r"^(ok|live|ready|ping|metrics|api/health)$"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s%(request_mark)s: %(message)s"}},
    "filters": {"request_id": {"()": "skeino_site.request_ids.RequestIdFilter"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="WARNING")},
    "loggers": {
        "django.request": {"level": "ERROR"},  # a client's mistake is the client's to know
    },
}
