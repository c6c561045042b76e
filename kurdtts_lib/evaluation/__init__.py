"""How voices do on sentences they never saw, against the recordings of them."""

from kurdtts_lib.evaluation.metrics import Figures, Reference, compare, load

__all__ = ["Figures", "Reference", "compare", "load"]
