"""Metrics of voices on held-out sentences, against recordings of these sentences; reports and listening tests."""

from kurdtts_lib.evaluation.metrics import Reference, compare, load

__all__ = ["Reference", "compare", "load"]
