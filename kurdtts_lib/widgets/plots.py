"""The course's pictures. Colours are Okabe and Ito's, which colour-blind people can tell apart."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas
from matplotlib.figure import Figure

from kurdtts_lib.measures import log_mel
from kurdtts_lib.settings import AudioSettings

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"


def bars(counts: pandas.Series, title: str, unit: str) -> Figure:
    """Horizontal bars, the largest on top, each with its number. counts: label -> number."""
    ordered = counts.sort_values()
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.32 * len(ordered)), layout="constrained")
    axes.bar_label(axes.barh(ordered.index.astype(str), ordered.to_numpy(), color=BLUE), fmt="%.4g", padding=3)
    axes.set(title=title, xlabel=unit)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.1)
    plt.close(figure)
    return figure


def histogram(values: Sequence[float], title: str, unit: str) -> Figure:
    """How often each value occurs; values that are not numbers are left out and counted in the title."""
    known = np.asarray(values, dtype=float)
    missing = int(np.isnan(known).sum())
    figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    axes.hist(known[~np.isnan(known)], bins=30, color=BLUE, edgecolor="white")
    axes.set(title=title + (f" ({missing} unknown)" if missing else ""), xlabel=unit, ylabel="clips")
    axes.spines[["top", "right"]].set_visible(False)
    plt.close(figure)
    return figure


def letters(counts: Mapping[str, int]) -> Figure:
    """A bar a letter, in the alphabet's order."""
    figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    axes.bar(list(counts), list(counts.values()), color=BLUE)
    axes.set(title="Letters in the sentences", ylabel="times")
    axes.spines[["top", "right"]].set_visible(False)
    plt.close(figure)
    return figure


def spectrograms(sounds: Mapping[str, np.ndarray], audio: AudioSettings) -> Figure:
    """Mel spectrograms under each other on one time axis and one colour scale."""
    mels = {label: log_mel(waveform, audio).T for label, waveform in sounds.items()}
    seconds = max(mel.shape[1] for mel in mels.values()) * audio.hop_length / audio.sampling_rate
    figure, rows = plt.subplots(
        len(mels), figsize=(8, 1.7 * len(mels)), sharex=True, squeeze=False, layout="constrained"
    )
    for axes, (label, mel) in zip(rows[:, 0], mels.items(), strict=True):
        length = mel.shape[1] * audio.hop_length / audio.sampling_rate
        axes.imshow(
            mel,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=-9,
            vmax=1,
            extent=(0, length, 0, audio.n_mels),
        )
        axes.set(title=label, ylabel="mel band", xlim=(0, seconds))
    rows[-1, 0].set_xlabel("seconds")
    plt.close(figure)
    return figure


def curves(points: Mapping[str, Sequence[tuple[int, float]]], title: str) -> Figure:
    """A small panel a curve, four in a row. points: title -> (step, value) pairs."""
    rows = max(1, -(-len(points) // 4))
    figure, panels = plt.subplots(rows, 4, figsize=(11, 1.9 * rows + 0.4), squeeze=False, layout="constrained")
    figure.suptitle(title, fontsize=11)
    for axes in panels.flat[len(points) :]:
        axes.set_visible(False)
    for axes, (name, pairs) in zip(panels.flat, points.items(), strict=False):
        axes.plot(*zip(*pairs, strict=True), color=BLUE, marker="." if len(pairs) < 20 else "")
        axes.set_title(name, fontsize=8, wrap=True)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    plt.close(figure)
    return figure


def before_after(figures: pandas.DataFrame) -> Figure:
    """One small panel a measure, a bar a voice. figures: rows are measures, columns voices."""
    figure, panels = plt.subplots(
        1, len(figures), figsize=(2.7 * len(figures), 2.8), squeeze=False, layout="constrained"
    )
    colours = [ORANGE, BLUE, GREEN, PURPLE][: figures.shape[1]]
    for axes, (measure, row) in zip(panels[0], figures.iterrows(), strict=True):
        axes.bar_label(axes.bar(row.index, row.to_numpy(dtype=float), color=colours), fmt="%.2f")
        axes.set_title(str(measure), fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(y=0.15)
        axes.tick_params(axis="x", rotation=20)
    plt.close(figure)
    return figure
