from __future__ import annotations

import asyncio
from urllib.parse import parse_qs
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from rest_framework.exceptions import APIException, NotAuthenticated, PermissionDenied

from runs.events import reader
from runs.exceptions import InvalidEventId
from runs.handshake import handshake
from runs.models import Run
from runs.permissions import VIEW
from threads.conf import conf
from threads.encoding import encode
from threads.models import Thread
from threads.permissions import may


class RunStreamConsumer(AsyncWebsocketConsumer):
    """A run's events over a WebSocket: those of the event stream, each as ``{"event", "data", "id"}``.

    ``?after=ID`` begins after that event. The socket closes with 1000 when the run has ended, with 1012 when
    the server stops before that, and with 4404, 4422 or 4401 where the HTTP API would answer 404, 422 or 401.
    """

    _pump: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()  # first, for only an open socket can say why it closes
        try:
            after = self._after()
            run_id = await database_sync_to_async(self._find_run)()
        except APIException as exc:
            await self.close(4000 + exc.status_code, reason=str(exc.detail))
            return
        # A task of its own: Channels dispatches nothing else, not even the disconnect, while this runs.
        self._pump = asyncio.create_task(self._send_events(run_id, after))

    async def disconnect(self, code: int) -> None:
        if self._pump is not None:
            self._pump.cancel()

    async def _send_events(self, run_id: UUID, after: int) -> None:
        try:
            async for events in reader.follow(run_id, after=after):
                for event in events:
                    await self.send(
                        f'{{"event":{encode(event.event)},"data":{event.data},"id":"{event.seq}"}}'
                    )
        except reader.StreamsClosed:
            await self.close(1012)  # the service restarts: connect again
            return
        except Exception:
            await self.close(1011)
            raise
        await self.close(1000)

    def _find_run(self) -> UUID:
        user = handshake(self.scope).user
        if not (user.is_authenticated or conf.SKEINO_ALLOW_ANONYMOUS):
            raise NotAuthenticated
        if not may(user, VIEW):
            raise PermissionDenied
        kwargs = self.scope["url_route"]["kwargs"]
        thread = Thread.objects.find_for(user, kwargs["thread_id"], values=False)
        return Run.objects.filter(thread=thread).find(kwargs["run_id"]).pk

    def _after(self) -> int:
        values = parse_qs(self.scope["query_string"].decode("latin-1")).get("after", ["0"])
        if not values[0].isdecimal() or len(values[0]) > 9:
            raise InvalidEventId
        return int(values[0])
