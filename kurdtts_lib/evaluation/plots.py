"""Plots of trainings and evaluations, in the colours of `data.plots`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kurdtts_lib.data.plots import BLUE, ORANGE, literal
from kurdtts_lib.evaluation.evaluate import Evaluation
from kurdtts_lib.evaluation.metrics import METRIC_DESCRIPTIONS


def curves(points: Mapping[str, Sequence[tuple[int, float]]], title: str) -> Figure:
    """One small panel per curve, four in a row. points: title -> (step, value) pairs."""
    figure, panels = _grid(len(points), 4, 1.9, title)
    for axes, (name, pairs) in zip(panels, points.items(), strict=True):
        axes.plot(*zip(*pairs, strict=True), color=BLUE, marker="." if len(pairs) < 20 else "")
        axes.set_title(name, fontsize=8, wrap=True)
        axes.tick_params(labelsize=7)
    return figure


def differences(evaluation: Evaluation) -> Figure:
    """The paired differences of each voice to the first one: one small panel per metric with one row per voice.

    Sentences are grey points, mean and interval are black, and a line is at 0; a mean without an interval is drawn
    without a line.
    """
    found, first = evaluation.differences, evaluation.voices[0]
    panels = {
        name: own
        for name in METRIC_DESCRIPTIONS
        if (own := {voice: known[name] for voice, known in found.items() if name in known and known[name].n})
    }
    title = f"Difference to {first}, sentence by sentence"
    figure, grid = _grid(len(panels), 3, 1.1 + 0.3 * len(found), title)
    for axes, (name, own) in zip(grid, panels.items(), strict=True):
        for row, (voice, known) in enumerate(own.items()):
            points = evaluation.values[voice][name] - evaluation.values[first][name]
            axes.plot(points, [row] * len(points), marker="o", linestyle="", color="grey", alpha=0.4, markersize=4)
            low, mean, high = np.array([known.low, known.mean, known.high], dtype=np.float64)
            axes.plot([low, high], [row, row], color="black", linewidth=2)
            axes.plot(mean, row, marker="D", color=BLUE, markeredgecolor="black")
        axes.axvline(0, color=ORANGE, linewidth=1.5)
        axes.set_yticks(range(len(own)), literal(pandas.Index(list(own))), fontsize=7)
        axes.set_ylim(len(own) - 0.4, -0.6)
        axes.set_title(METRIC_DESCRIPTIONS[name].title, fontsize=8)
        axes.tick_params(axis="x", labelsize=7)
    return figure


def _grid(count: int, columns: int, height: float, title: str = "") -> tuple[Figure, list[Axes]]:
    """A figure with `count` small panels, `columns` in a row, each `height` inches high."""
    rows = max(1, -(-count // columns))
    figure, grid = plt.subplots(rows, columns, figsize=(11, height * rows + 0.4), squeeze=False, layout="constrained")
    figure.suptitle(title, fontsize=11)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    plt.close(figure)
    return figure, list(grid.flat[:count])
