"""Telling others that a run has ended (wire contract 3.4)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from django.utils import timezone

from runs.addresses import check_url, pinned
from runs.conf import conf
from runs.connections import DatabaseThreads
from runs.models import Run, WebhookDelivery
from runs.serializers import RunSerializer
from threads.encoding import encode

SIGNATURE_HEADER = "X-Skeino-Signature"
TIMESTAMP_HEADER = "X-Skeino-Timestamp"
TIMEOUT_SECONDS = 10

# For resolving names, which may take long, and for large states; not threads that nodes wait for.
_threads = ThreadPoolExecutor(4, "webhook")


async def deliver(run_id: UUID, database: DatabaseThreads) -> None:
    """POST the ended run to its webhook, and keep what became of it. Does nothing if the run is gone.

    Raises AddressRefused, or httpx.HTTPError for what may be tried again.
    """
    run = await database.call(Run.objects.select_related("thread").filter(pk=run_id).first)
    if run is None:
        return
    delivery, begun = await database.call(WebhookDelivery.objects.begin, run), time.monotonic()
    left: dict[str, Any] = {}
    try:
        response = await _posted(run)
        left["status"] = response.status_code
    except asyncio.CancelledError:
        left["error"] = "The worker stopped meanwhile."
        raise
    except Exception as exc:
        left["error"] = f"{type(exc).__name__}: {exc}"
        raise
    finally:
        await database.call(delivery.end, seconds=time.monotonic() - begun, **left)
    response.raise_for_status()


async def _posted(run: Run) -> httpx.Response:
    """The receiver's answer, without its body. Redirects are not followed: nobody has checked where to."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):  # in all: httpx counts from one byte to the next
            request = await asyncio.get_running_loop().run_in_executor(_threads, _request, run)
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, verify=_tls()) as client:
                return await client.send(client.build_request("POST", **request), stream=True)
    except (TimeoutError, httpx.TimeoutException) as exc:
        raise httpx.TimeoutException(f"No answer within {TIMEOUT_SECONDS} s") from exc


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _request(run: Run) -> dict[str, Any]:
    url = run.kwargs["webhook"]
    check_url(url)
    body = encode(payload(run)).encode()
    try:
        target, host = pinned(url)
    except socket.gaierror as exc:
        raise httpx.ConnectError(f"The host of {url} cannot be resolved") from exc
    headers = {"Content-Type": "application/json", "Host": urlsplit(url).netloc, **signature(body)}
    return {"url": target, "content": body, "headers": headers, "extensions": {"sni_hostname": host}}


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
