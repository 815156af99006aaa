"""The benchmark: this server, LangGraph bare, and other servers, on one machine in one run.

``python -m bench`` prints a table of measures, ``python -m bench.growth`` one of how a cost grows.
Part of the repository, not of the package that is installed.
"""
