"""Runs: the queue, their execution, and the log that their streams are read from."""
