"""skeino serves the graph that it is given: the first, whatever assistant a request names."""

from __future__ import annotations

import os

from skeino import SkeinoSettings, create_app

from bench.graphs import build

app = create_app(
    graphs={"mux": build},
    settings=SkeinoSettings(checkpointer_scheme="postgres", checkpointer_uri=os.environ["DATABASE_URL"]),
)
