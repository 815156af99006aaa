#!/usr/bin/env python
"""Run administrative tasks: ``manage.py serve``, ``migrate``, ``worker``, ``createsuperuser`` …"""

from __future__ import annotations

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from environs import EnvError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "skeino_site.settings")
    try:
        execute_from_command_line(sys.argv)
    except (EnvError, ImproperlyConfigured, PermissionError) as exc:
        sys.exit(f"{type(exc).__name__}: {exc}")
