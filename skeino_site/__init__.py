"""The Django project: settings, URLs, ASGI, error handling, and the commands that run it."""

__version__ = "0.1.0"
