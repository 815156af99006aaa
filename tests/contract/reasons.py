"""Why this server differs, where the reason is the same for several."""

from __future__ import annotations

EVERYWHERE = "*"

DOCUMENTED = "The documented behaviour, where the two differ."
SUPERSET = "More keys hurt nobody."
LENIENT = "What has one meaning is accepted."
