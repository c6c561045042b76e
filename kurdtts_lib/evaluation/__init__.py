"""How voices do on sentences they never saw, against the recordings of them."""

from kurdtts_lib.evaluation.metrics import Metrics, Reference, compare, load

__all__ = ["Metrics", "Reference", "compare", "load"]
