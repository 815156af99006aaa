"""The log of runs' events: appended by workers, followed by streams, which notifications bring them to."""

from __future__ import annotations

# The event that closes a log. It is for followers; no client sees it.
END = "end"
# What is left of events that told of an end after which the run was tried again. Nobody is sent it: it keeps
# their numbers from being given a second time, to events that who has read the first would not be sent.
VOID = "void"
