"""A training in a notebook cell: live curves, a progress bar, and a Stop button that loses nothing."""

import asyncio
import html
import math
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import ipywidgets
import numpy as np
from IPython.display import HTML, DisplayHandle
from markupsafe import Markup

from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.cards import render
from kurdtts_lib.evaluation import plots
from kurdtts_lib.evaluation.validation import DEMOS, Validator, demo_path
from kurdtts_lib.vits.log import History, StepReport
from kurdtts_lib.vits.monitor import Condition
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.widgets.markup import WRAPPED, box_html, make_button
from kurdtts_lib.widgets.players import player_row

MEL, VALIDATION = "Mel: distance to the recording", "Validation sentences: score, chooses the best voice"
CURVES = {
    "mel": MEL,
    "kl": "KL: distance from text to sound",
    "duration": "Duration: error of the pace",
    "generator": "Generator: its sound is recognised",
    "discriminator": "Discriminator",
    "feature_matching": "Feature matching",
}
WIDTH, HEIGHT = 320, 110
"""Pixels of a curve."""
RECENT = 20
"""Steps whose time says how long the others will take. With less than half of them nothing is said: the first steps
are slow."""
POLL_SECONDS = 0.25
"""Four updates a second: smooth to look at, negligible for the training."""


class TrainingPanel:
    """Runs a `Trainer` and shows its progress. Use `await panel.run()` in a cell."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._stop = threading.Event()
        self._bar = ipywidgets.IntProgress(max=trainer.settings.steps, value=trainer.step, layout={"width": "320px"})
        self._line = ipywidgets.HTML(layout={"flex": "1 1 300px"})
        saves = "Save a checkpoint and stop. Run the cell again to go on."
        self.stop_button = make_button("Stop", "stop", saves, self._stop.set)
        self._health, self._curves, self._others = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self._row = ipywidgets.HBox([self._bar, self.stop_button, self._line], layout=WRAPPED)
        folded = ipywidgets.Accordion([self._others], titles=["The other losses"])
        self.widget = ipywidgets.VBox([self._row, self._health, self._curves, folded])

    async def run(self) -> bool:
        """Train until done or stopped; True when all steps are done.

        The training runs in a thread while this coroutine only polls: a busy cell would never receive the click.
        An interrupt of the kernel is as good as the Stop button: the last complete step is saved first. An error of the
        training is raised here.
        """
        shown = DisplayHandle()
        shown.display(self.widget)
        started, first = time.monotonic(), self.trainer.step
        threads = ThreadPoolExecutor(1, "kurdtts-training")
        training = threads.submit(self.trainer.run, self._stop)
        try:
            while not training.done():
                self._show(training, started, first)
                await asyncio.sleep(POLL_SECONDS)
        except asyncio.CancelledError:
            pass  # the kernel was interrupted
        finally:
            self._stop.set()
            threads.shutdown()  # waits for it
            self._show(training, started, first)
            # The saved notebook must be readable without a kernel and without being trusted: a plain picture. A page
            # that was loaded again meanwhile does not receive it and goes on with the widget.
            self._bar.close()
            self.stop_button.close()
            self._row.children = [self._line]
            shown.update(plots.curves(curve_points(self.trainer.history), html.unescape(self._line.value)))
        return training.result()

    def _show(self, training: Future[bool], started: float, first: int) -> None:
        trainer, steps = self.trainer, self.trainer.settings.steps
        new = [report for report in trainer.history.steps[-RECENT:] if report.step > first]
        left = "" if self._stop.is_set() else time_left(new, steps - trainer.step)
        so_far = f"step {trainer.step} of {steps}, {_minutes(time.monotonic() - started)}"
        self._bar.value = trainer.step
        self._line.value = html.escape(f"{self._state(training)}: {so_far}{left}{notes(trainer)}")
        self._health.value = health_html(list(trainer.state.health.active))
        self._curves.value = curves_html(trainer.history)
        self._others.value = curves_html(trainer.history, others=True)

    def _state(self, training: Future[bool]) -> str:
        if training.done() and training.exception():
            return "ended by an error"
        if self.trainer.stopped_early:
            return "done, because the voice no longer became better"
        if self.trainer.finished:
            return "done"
        if training.done():
            return "stopped, all is saved; run the cell again to go on"
        if self._stop.is_set():
            return "stopping, saving"
        return "the discriminator warms up" if self.trainer.progress.warming_up else "training"


def time_left(recent: Sequence[StepReport], steps: int) -> str:
    """How long `steps` more steps will take, as the end of a sentence; empty if too few `recent` ones are known."""
    if len(recent) < RECENT / 2 or not steps:
        return ""
    return f", about {_minutes(steps * float(np.median([report.seconds for report in recent])))} left"


def notes(trainer: Trainer) -> str:
    """The best voice so far and the skipped steps, if any, as the end of the status line."""
    progress, text = trainer.progress, ""
    if progress.best_score is not None:
        text += f", best voice at step {progress.best_step} (score {progress.best_score:.3f})"
    reasons = [report.skipped for report in trainer.history.steps if report.skipped]
    if reasons:
        text += f", {progress.skipped} steps left out (last: {reasons[-1]})"
    return text


def health_html(active: Iterable[Condition]) -> str:
    """A box for each active condition of the monitor; empty if there is none."""
    return "".join(box_html(Markup("<b>{}</b> {}").format(found.meaning, found.advice)) for found in active)


def curve_points(history: History) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of each curve, by its title; only the losses that were computed, without non-finite values."""
    points = {VALIDATION: [(found.step, found.score) for found in history.validations]}
    points |= {
        title: [
            (entry.step, entry.terms[name]) for entry in history.steps if math.isfinite(entry.terms.get(name, math.nan))
        ]
        for name, title in CURVES.items()
    }
    return {title: values for title, values in points.items() if values}


def curves_html(history: History, others: bool = False) -> str:
    """The validation and mel curves, or the `others`, as inline SVG: fifty times cheaper than a matplotlib figure."""
    if not history.steps:
        return "<i>First the base voice speaks, then the alignment search is compiled: this takes longest.</i>"
    found = {title: points for title, points in curve_points(history).items() if (title in (VALIDATION, MEL)) != others}
    charts = [{"title": title, **_chart(points)} for title, points in found.items()]
    return render("widgets/curves.html", charts=charts, width=WIDTH, height=HEIGHT)


def _chart(points: list[tuple[int, float]]) -> dict[str, object]:
    """The smoothed curve as points of an SVG, and its last value."""
    steps, values = np.array(points, dtype=float).T
    window = max(1, len(values) // 50)  # a moving average: single steps are too noisy to read
    smooth = np.convolve(values, np.ones(window) / window, mode="valid")
    x = (steps[window - 1 :] - steps[0]) / max(1.0, steps[-1] - steps[0]) * WIDTH
    low, high = smooth.min(), smooth.max()
    y = HEIGHT - 4 - (smooth - low) / max(high - low, 1e-9) * (HEIGHT - 8)
    keep = np.linspace(0, len(x) - 1, min(len(x), 250)).round().astype(int)
    return {
        "places": list(zip(x[keep], y[keep], strict=True)),
        "last": smooth[-1],
        "ends": (int(steps[0]), int(steps[-1])),
    }


def _minutes(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s" if seconds >= 60 else f"{seconds:.0f} s"


def demo_strip(trainer: Trainer, sentences: int = 2, steps: int = 6) -> HTML:
    """Progress of the voice: a row per validation sentence, with its recording and the voice at several steps.

    Step 0 is the base voice. Of more than `steps` validations the first, the last, the best and some between are shown.
    """
    rows = []
    clips = trainer.validate.clips if isinstance(trainer.validate, Validator) else []
    audio, folder = trainer.audio, trainer.folder / "demos"
    every, best = [found.step for found in trainer.history.validations], trainer.progress.best_step
    places = np.linspace(0, len(every) - 1, min(len(every), steps - 1)).round().astype(int)
    chosen = sorted({*(every[place] for place in places), *([best] if best is not None else [])})
    for number, clip in enumerate(clips[: min(sentences, DEMOS)], 1):
        waveforms = {"recording": decode(clip.path, audio.sampling_rate)}
        for step in chosen:
            label = f"step {step}" + (", best" if step == best else "")
            path = demo_path(folder, step, number)
            waveforms[label if step else "step 0, base voice"] = decode(path, audio.sampling_rate)
        rows.append(player_row(waveforms, audio.sampling_rate, clip.text).data)
    return HTML("".join(rows))
