"""Plots of recordings and of a corpus, in the colours of Okabe and Ito, which colour-blind people can distinguish."""

import base64
import html
import io
from collections.abc import Mapping, Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kurdtts_lib.audio.features import log_mel
from kurdtts_lib.core.settings import AudioSettings

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
GENDER_MARKS = {"female": ("o", ORANGE), "male": ("s", BLUE), "not said": ("^", GREEN)}
"""Marker and colour by gender: the marker alone is enough to read the plot."""


def literal(labels: pandas.Index) -> list[str]:
    """Labels with dollar signs escaped: matplotlib would read them as the start of a formula."""
    return [str(label).replace("$", r"\$") for label in labels]


def _axes(height: float, **labels: str) -> tuple[Figure, Axes]:
    """A figure that is shown only where it is returned, and its axes without a frame. height: in inches."""
    figure, axes = plt.subplots(figsize=(8, height), layout="constrained")
    plt.close(figure)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(**labels)
    return figure, axes


def bars(counts: pandas.Series, title: str, unit: str) -> Figure:
    """Horizontal bars, the largest on top, each with its value. counts: label -> count."""
    ordered = counts.sort_values(kind="stable")
    figure, axes = _axes(0.6 + 0.32 * len(ordered), title=title, xlabel=unit)
    axes.bar_label(axes.barh(literal(ordered.index), ordered.to_numpy(), color=BLUE), fmt="%.4g", padding=3)
    axes.margins(x=0.1)
    return figure


def histogram(values: Sequence[float], title: str, unit: str) -> Figure:
    """Histogram of the values; NaN is left out and counted in the title."""
    known = np.asarray(values, dtype=float)
    missing = int(np.isnan(known).sum())
    figure, axes = _axes(2.6, title=title + (f" ({missing} unknown)" if missing else ""), xlabel=unit, ylabel="clips")
    axes.hist(known[~np.isnan(known)], bins=30, color=BLUE, edgecolor="white")
    return figure


def speakers(table: pandas.DataFrame, chosen: Sequence[str] = ()) -> Figure:
    """Scatter plot of pitch against minutes, one point per speaker, the chosen ones ringed. table: `speaker_table`.

    Speakers without a pitch are left out and counted in the title.
    """
    known = table.dropna(subset=["pitch"])
    missing = len(table) - len(known)
    title = "Pitch and minutes of the speakers" + (f" ({missing} without a pitch)" if missing else "")
    figure, axes = _axes(3.6, title=title, xlabel="pitch in Hz (median)", ylabel="usable minutes")
    for gender, group in known.groupby("gender"):
        marker, colour = GENDER_MARKS.get(str(gender), ("D", PURPLE))
        axes.scatter(group["pitch"], group["minutes"], marker=marker, color=colour, s=60, label=gender)
    ringed = known[known.index.isin(chosen)]
    rings = axes.scatter(ringed["pitch"], ringed["minutes"], s=230, label="chosen", linewidths=2)
    rings.set(facecolors="none", edgecolors="black")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, labelspacing=1)
    return figure


def spectrograms(waveforms: Mapping[str, np.ndarray], audio: AudioSettings) -> Figure:
    """Mel spectrograms stacked, with a common time axis and colour scale. waveforms: label -> (samples,)."""
    mels = {label: log_mel(waveform, audio).T for label, waveform in waveforms.items()}
    seconds = max(mel.shape[1] for mel in mels.values()) * audio.hop_length / audio.sampling_rate
    figure, rows = plt.subplots(
        len(mels), figsize=(8, 1.7 * len(mels)), sharex=True, squeeze=False, layout="constrained"
    )
    for axes, (label, mel) in zip(rows[:, 0], mels.items(), strict=True):
        length = mel.shape[1] * audio.hop_length / audio.sampling_rate
        extent = (0, length, 0, audio.n_mels)
        axes.imshow(mel, origin="lower", aspect="auto", cmap="magma", vmin=-9, vmax=1, extent=extent)
        axes.set(title=label, ylabel="mel band", xlim=(0, seconds))
    rows[-1, 0].set_xlabel("seconds")
    plt.close(figure)
    return figure


def image(figure: Figure, meaning: str = "") -> str:
    """The figure as an SVG in HTML, without a date and with stable ids, so that the bytes are reproducible.

    meaning: the alternative text for screen readers; the title of the first axes if empty.
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "kurdtts"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    meaning = html.escape(meaning or figure.axes[0].get_title())
    return f'<img style="max-width:100%" alt="{meaning}" src="data:image/svg+xml;base64,{encoded}">'
