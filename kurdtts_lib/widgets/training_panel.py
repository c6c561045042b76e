"""A training in a notebook cell: live curves, a progress bar, and a Stop button that loses nothing."""

import asyncio
import html
import math
import threading
import time

import ipywidgets
import numpy as np
from IPython.display import DisplayHandle

from kurdtts_lib.evaluation import plots
from kurdtts_lib.vits.log import History
from kurdtts_lib.vits.monitor import Condition
from kurdtts_lib.vits.trainer import Trainer

CURVES = {
    "mel": "Mel: distance to the recording",
    "kl": "KL: distance from text to sound",
    "duration": "Duration: error of the pace",
    "generator": "Generator: its sound is recognised",
    "discriminator": "Discriminator",
    "feature_matching": "Feature matching",
}
POLL_SECONDS = 0.25
"""Four updates a second: smooth to look at, negligible for the training."""


class TrainingPanel:
    """Runs a `Trainer` and shows its progress. Use `await panel.run()` in a cell."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._bar = ipywidgets.IntProgress(max=trainer.settings.steps, value=trainer.step, layout={"width": "320px"})
        self._line = ipywidgets.Label()
        self.stop_button = ipywidgets.Button(
            description="Stop",
            icon="stop",
            tooltip="Save a checkpoint and stop. Run the cell again to go on.",
        )
        self.stop_button.on_click(lambda _: self._stop.set())
        self._health, self._curves = ipywidgets.HTML(), ipywidgets.HTML()
        self._row = ipywidgets.HBox([self._bar, self.stop_button, self._line])
        self.widget = ipywidgets.VBox([self._row, self._health, self._curves])

    async def run(self) -> bool:
        """Train until done or stopped; True when all steps are done.

        The training runs in a thread while this coroutine only polls: a busy cell would never receive the click.
        However it is stopped (Stop button, interrupt of the kernel), a checkpoint of the last complete step is written
        first. An error of the training is raised here.
        """
        shown = DisplayHandle()
        shown.display(self.widget)
        started, first = time.monotonic(), self.trainer.step
        worker = threading.Thread(target=self._work, name="kurdtts-training")
        worker.start()
        try:
            while worker.is_alive():
                self._show(started, first)
                await asyncio.sleep(POLL_SECONDS)
        finally:  # also on CancelledError and KeyboardInterrupt
            self._stop.set()
            worker.join()
            self._show(started, first, ended=True)
            # The saved notebook must be readable without a kernel and without being trusted: a plain picture.
            shown.update(plots.curves(curve_points(self.trainer.history), self._line.value))
            for part in (*self._row.children, *self.widget.children, self.widget):
                part.close()
        if self._error is not None:
            raise self._error
        return self.trainer.finished

    def _work(self) -> None:
        try:
            self.trainer.run(self._stop)
        except BaseException as error:  # noqa: BLE001 - passed to the cell, which raises it
            self._error = error

    def _show(self, started: float, first: int, ended: bool = False) -> None:
        trainer, steps = self.trainer, self.trainer.settings.steps
        done = 0 if ended else trainer.step - first
        elapsed = time.monotonic() - started
        left = ""
        if done and not self._stop.is_set():
            left = f", about {_minutes(elapsed / done * (steps - trainer.step))} left"
        self._bar.value = trainer.step
        self._line.value = f"{self._state(ended)}: step {trainer.step} of {steps}, {_minutes(elapsed)}{left}"
        self._line.value += notes(trainer)
        self._health.value = health_html(list(trainer.state.health.active))
        self._curves.value = curves_html(trainer.history)

    def _state(self, ended: bool) -> str:
        if self._error is not None:
            return "ended by an error"
        if self.trainer.stopped_early:
            return "done, because the voice no longer became better"
        if self.trainer.finished:
            return "done"
        if ended:
            return "stopped, all is saved; run the cell again to go on"
        if self._stop.is_set():
            return "stopping, saving"
        return "the discriminator warms up" if self.trainer.progress.warming_up else "training"


def notes(trainer: Trainer) -> str:
    """The best voice so far and the skipped steps, if any, as the end of the status line."""
    progress, text = trainer.progress, ""
    if progress.best_score is not None:
        text += f", best voice at step {progress.best_step} (mel distance {progress.best_score:.3f})"
    reasons = [report.skipped for report in trainer.history.steps if report.skipped]
    if reasons:
        text += f", {progress.skipped} steps left out (last: {reasons[-1]})"
    return text


def health_html(active: list[Condition]) -> str:
    """A box for each active condition of the monitor; empty if there is none."""
    return "".join(
        '<div role="alert" style="border-left:4px solid #D55E00;background:#fdf0e6;padding:4px 8px;margin:4px 0">'
        f"⚠ <b>{html.escape(condition.meaning)}</b> {html.escape(condition.advice)}</div>"
        for condition in active
    )


def curve_points(history: History) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of each curve, by its title; only the losses that were computed, without non-finite values."""
    points = {
        title: [
            (entry.step, entry.terms[name]) for entry in history.steps if math.isfinite(entry.terms.get(name, math.nan))
        ]
        for name, title in CURVES.items()
    }
    points["Validation sentences: mel distance, chooses the best voice"] = [
        (found.step, found.mel_distance) for found in history.validations
    ]
    return {title: values for title, values in points.items() if values}


def curves_html(history: History) -> str:
    """All loss curves as inline SVG: fifty times cheaper than a matplotlib figure."""
    if not history.steps:
        return "<i>First the base voice speaks, then the alignment search is compiled: this takes longest.</i>"
    charts = [_chart(title, points) for title, points in curve_points(history).items()]
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(charts)}</div>'


def _chart(title: str, points: list[tuple[int, float]], width: int = 250, height: int = 90) -> str:
    steps, values = np.array(points, dtype=float).T
    window = max(1, len(values) // 50)  # a moving average: single steps are too noisy to read
    smooth = np.convolve(values, np.ones(window) / window, mode="valid")
    x = (steps[window - 1 :] - steps[0]) / max(1.0, steps[-1] - steps[0]) * width
    low, high = smooth.min(), smooth.max()
    y = height - 4 - (smooth - low) / max(high - low, 1e-9) * (height - 8)
    keep = np.linspace(0, len(x) - 1, min(len(x), 250)).round().astype(int)
    path = " ".join(f"{x[i]:.1f},{y[i]:.1f}" for i in keep)
    dot = f'<circle cx="{x[-1]:.1f}" cy="{y[-1]:.1f}" r="3" fill="#0072B2"/>'
    return (
        f'<figure style="margin:0;width:{width}px"><figcaption style="font-size:12px;height:32px">'
        f"{html.escape(title)}: <b>{smooth[-1]:.3f}</b>"
        f'</figcaption><svg width="{width}" height="{height}" role="img" aria-label="{html.escape(title)}"'
        f' style="background:#f7f7f7"><polyline points="{path}" fill="none" stroke="#0072B2" stroke-width="1.5"/>{dot}'
        "</svg></figure>"
    )


def _minutes(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s" if seconds >= 60 else f"{seconds:.0f} s"
