"""The /v1/graph API: a small second door to the same threads and runs (docs/graph-api.md)."""
