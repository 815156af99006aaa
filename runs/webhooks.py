"""Telling others that a run has ended (wire contract 3.4)."""

from __future__ import annotations

import hashlib
import hmac
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.utils import timezone

from runs.addresses import check_url, pinned
from runs.conf import conf
from runs.models import Run, WebhookDelivery
from runs.serializers import RunSerializer
from threads.encoding import encode

SIGNATURE_HEADER = "X-Skeino-Signature"
TIMESTAMP_HEADER = "X-Skeino-Timestamp"
TIMEOUT_SECONDS = 10


def deliver(run: Run) -> None:
    """POST the ended run to its webhook, and keep what became of it.

    Raises AddressRefused, or httpx.HTTPError for what may be tried again.
    """
    delivery, begun = WebhookDelivery.objects.begin(run), time.monotonic()
    try:
        response = _posted(run)
    except Exception as exc:
        delivery.end(seconds=time.monotonic() - begun, error=f"{type(exc).__name__}: {exc}")
        raise
    delivery.end(seconds=time.monotonic() - begun, status=response.status_code)
    response.raise_for_status()


def _posted(run: Run) -> httpx.Response:
    """The receiver's answer. Redirects are not followed: where they lead was not checked."""
    url = run.kwargs["webhook"]
    check_url(url)
    body = encode(payload(run)).encode()
    try:
        target, host = pinned(url)
    except socket.gaierror as exc:
        raise httpx.ConnectError(f"The host of {url} cannot be resolved") from exc
    headers = {"Content-Type": "application/json", "Host": urlsplit(url).netloc, **signature(body)}
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        return client.post(target, content=body, headers=headers, extensions={"sni_hostname": host})


def payload(run: Run) -> dict[str, Any]:
    """The run as the API shows it, and what it led to."""
    return {
        **RunSerializer(run).data,
        "run_started_at": run.started_at,
        "run_ended_at": run.finished_at,
        "webhook_sent_at": timezone.now(),
        "values": run.thread.values,
        "error": run.error,
    }


def signature(body: bytes) -> dict[str, str]:
    """Headers by which a receiver that knows the secret can tell who sent the body, and when."""
    if not conf.SKEINO_WEBHOOK_SECRET:
        return {}
    timestamp = str(int(timezone.now().timestamp()))
    signed = timestamp.encode() + b"." + body
    digest = hmac.new(conf.SKEINO_WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: f"sha256={digest}"}
