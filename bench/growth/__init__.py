"""How costs grow: with threads, checkpoints, messages, events, streams and processes."""
