"""Metrics of voices on held-out sentences, against recordings of these sentences; reports and listening tests."""

from kurdtts_lib.evaluation.metrics import Metrics, Reference, compare, load

__all__ = ["Metrics", "Reference", "compare", "load"]
