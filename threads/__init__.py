"""Threads, their checkpoints and their state."""
