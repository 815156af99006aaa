"""How many database connections the processes open at most. docs/deployment.md tells it to operators."""

from __future__ import annotations

from typing import NamedTuple

from runs.conf import conf as runs_conf
from runs.worker import DATABASE_THREADS
from skeino_site.conf import conf
from threads.housekeeping import THREADS as HOUSEKEEPING_THREADS


class Connections(NamedTuple):
    """``pooled`` go to the address in DATABASES, ``direct`` past a pooler, if there is one."""

    pooled: int
    direct: int

    def times(self, processes: int) -> Connections:
        return Connections(self.pooled * processes, self.direct * processes)


def web_process() -> Connections:
    """One for each request thread, the log's reader, the thread of asynchronous code, and two probes.

    Directly the log's listener. Streams and waiting requests have none.
    """
    return Connections(pooled=conf.SKEINO_WEB_THREADS + 1 + 1 + 2, direct=1)


def worker_process() -> Connections:
    """The pool, the threads that call models' verbs or clean up, that of asynchronous code, those of nodes.

    Directly the queue's listener and the event writer. A node's thread has one only while the node uses the
    ORM: it is closed after each call.
    """
    pool, nodes = runs_conf.SKEINO_WORKER_POOL_SIZE, runs_conf.SKEINO_WORKER_NODE_THREADS
    own = DATABASE_THREADS + HOUSEKEEPING_THREADS + 1
    return Connections(pooled=pool + own + nodes, direct=2)


def all_processes() -> Connections:
    web = web_process().times(conf.SKEINO_WEB_PROCESSES)
    workers = worker_process().times(conf.SKEINO_WORKER_PROCESSES)
    return Connections(web.pooled + workers.pooled, web.direct + workers.direct)
