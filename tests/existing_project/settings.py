"""Somebody's project, with users and ways of its own, into which the three apps were installed."""

from __future__ import annotations

import os
from typing import Any

from environs import Env

SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
TIME_ZONE = "Asia/Tokyo"
LANGUAGE_CODE = "de"
ROOT_URLCONF = "tests.existing_project.urls"
AUTH_USER_MODEL = "members.Member"
DATABASES = {"default": {**Env().dj_db_url("DATABASE_URL"), "ATOMIC_REQUESTS": True}}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "tests.existing_project.members",
    # what the apps need
    "procrastinate.contrib.django",
    "assistants",
    "threads",
    "runs",
]
MIDDLEWARE = [
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "tests.existing_project.middleware.sign",
]

# Nothing of this but the first is for the API.
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tests.existing_project.authentication.MemberAuthentication",
        "skeino_site.authentication.ApiKeyAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.TemplateHTMLRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "ALLOWED_VERSIONS": ["7"],
    "DEFAULT_VERSION": "8",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 1,
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "0/day"},
    "DATETIME_FORMAT": "%d.%m.%Y",
    "EXCEPTION_HANDLER": "tests.existing_project.middleware.handle",
}

SKEINO_GRAPHS = {"echo": "tests.graphs.plain:echo", "whoami": "tests.existing_project.graphs:whoami"}
SKEINO_GRAPH_USER = "tests.existing_project.graphs.tell"
SKEINO_ALLOW_ANONYMOUS = os.environ.get("ANONYMOUS") == "1"
