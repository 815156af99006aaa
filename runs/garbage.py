from __future__ import annotations

import gc

# Python's own 700 make a full collection every 70,000 objects: ten runs of a few dozen tokens, all of which
# then wait for a tenth of a second.
THRESHOLDS = (5_000, 10, 10)


def settle() -> None:
    """Call when all is loaded: that stays, and is kept out of collections, which get fewer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
