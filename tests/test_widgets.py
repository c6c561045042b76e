"""Players keep the loudness, pictures show the numbers, the panel's Stop button loses nothing."""

import asyncio
import base64
import dataclasses
import io
import re
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas
import pytest
import soundfile
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from kurdtts_lib.data import plots
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.evaluation import plots as evaluation_plots
from kurdtts_lib.vits.checkpoint import checkpoints
from kurdtts_lib.vits.log import History, StepReport, Validation
from kurdtts_lib.vits.monitor import WINDOW
from kurdtts_lib.vits.step import StepOutcome, TrainingStep
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.widgets import training_panel
from kurdtts_lib.widgets.players import clip_row, player_row
from kurdtts_lib.widgets.training_panel import TrainingPanel, curves_html, demo_strip, health_html, notes, time_left

QUIET = (0.01 * np.sin(np.arange(1600))).astype(np.float32)


def test_players_keep_a_quiet_voice_quiet_labels_are_escaped_and_a_damaged_clip_shows_its_reason() -> None:
    markup = player_row({"<b>before</b>": QUIET}, 16_000, "Ez & tu").data
    assert "&lt;b&gt;before" in markup and "Ez &amp; tu" in markup
    (encoded,) = re.findall(r"base64,([^\"]+)", markup)
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(encoded)), dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(heard, QUIET, atol=1e-4)
    clip = Clip(name="a.mp3", audio=b"junk", sentence="Roj baş")
    markup = clip_row("silent", clip, 16_000).data
    assert "<audio" not in markup and "cannot be decoded" in markup and "Roj baş" in markup


def test_an_error_in_a_notebook_is_its_sentence_and_the_traceback_is_folded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance()
    with capture_output() as shown:
        shell.run_cell("from kurdtts_lib.core.errors import VoiceError\nraise VoiceError('There is no voice <9>.')")
    InteractiveShell.clear_instance()
    assert shown.stdout.strip().endswith("what to do:\nThere is no voice <9>.") and "Traceback" not in shown.stdout
    folded = shown.outputs[0].data["text/html"]
    assert re.search("<details>.*Traceback.*&lt;9&gt;", folded, re.DOTALL)


def test_bars_are_as_long_as_the_counts_and_unknown_values_are_told() -> None:
    bars = plots.bars(pandas.Series({"kept": 7, "silent": 2}), "t", "clips")
    assert [bar.get_width() for bar in bars.axes[0].patches] == [2, 7], "the largest on top"
    histogram = plots.histogram([1.0, 2.0, float("nan")], "Length", "seconds").axes[0]
    assert histogram.get_title() == "Length (1 unknown)"
    assert sum(patch.get_height() for patch in histogram.patches) == 2
    markup = plots.image(bars, 'Letters <"of"> it')
    assert 'alt="Letters &lt;&quot;of&quot;&gt; it"' in markup and "data:image/svg+xml;base64," in markup


def test_a_picture_of_curves_has_a_panel_for_each() -> None:
    figure = evaluation_plots.curves({"mel": [(1, 2.0), (2, 1.0)], "kl": [(1, 1.0), (2, 0.5)]}, "done")
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    assert [list(axes.lines[0].get_ydata()) for axes in drawn] == [[2.0, 1.0], [1.0, 0.5]]


def test_curves_show_the_last_value_and_only_terms_that_exist() -> None:
    steps = [StepReport(step, 0, {"mel": 1 / step}, 0.1) for step in range(1, 4)]
    markup = curves_html(History(steps))
    assert "0.333" in markup and markup.count("<svg") == 1
    spoiled = [*steps, StepReport(4, 0, {"mel": float("nan")}, 0.1, skipped="loss mel is nan")]
    assert curves_html(History(spoiled)) == markup
    both = curves_html(History(steps, [Validation(0, 2.0, 0.0), Validation(3, 1.25, 0.0)]))
    assert both.count("<svg") == 2 and "1.250" in both and "chooses the best voice" in both
    assert both.index("chooses the best voice") < both.index("Mel") and "step 1<" in both
    assert "<svg" not in curves_html(History(steps), others=True) and "alignment search" in curves_html(History())
    assert (time_left(steps, 60), time_left([*steps] * 4, 600)) == ("", ", about 1 min 00 s left")


@pytest.fixture
def trainer(start: Callable[..., Trainer], tone_clips: list[Clip]) -> Trainer:
    return start(clips=tone_clips)


def shown(panel: TrainingPanel) -> str:
    """All texts of the panel: the line, what is wrong, the curves."""
    row, *rest, _ = panel.widget.children
    return "\n".join(part.value for part in (*row.children, *rest) if isinstance(getattr(part, "value", None), str))


def test_stop_button_ends_with_a_checkpoint_that_resumes(
    trainer: Trainer, start: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = TrainingPanel(trainer)
    ordinary = TrainingStep.__call__

    def step_then_click(step: TrainingStep, *arguments: object, **options: object) -> StepOutcome:
        panel.stop_button.click()
        return ordinary(step, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", step_then_click)
        assert not asyncio.run(panel.run())
    assert trainer.step == 1
    assert len(checkpoints(trainer.folder)) == 1
    assert panel.widget.comm and shown(panel).startswith("stopped, all is saved"), "also in a page that was reloaded"
    again = start(clips=trainer.reader.clips)
    assert again.step == 1 and again.run()


def test_an_error_of_the_training_is_raised_in_the_cell(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(28, "No space left on device")
    monkeypatch.setattr(TrainingStep, "__call__", Mock(side_effect=error))
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(TrainingPanel(trainer).run())


def test_the_panel_trains_to_the_end_and_tells_what_is_wrong_the_best_voice_and_steps_left_out(
    trainer: Trainer,
) -> None:
    panel, health, progress = TrainingPanel(trainer), trainer.state.health, trainer.progress
    for _ in range(WINDOW):
        health.update({"rms_db": -70.0, "real_rms_db": -25.0}, skipped=False)
    progress.best_step, progress.best_scores, progress.skipped = 2, [1.5], 1
    trainer.history.steps.append(StepReport(3, 0, {}, 0.1, skipped="loss mel is nan"))
    for told in ("best voice at step 2 (score 1.500)", "1 steps left out", "mel is nan"):
        assert told in notes(trainer)
    assert panel._state(Future()) == "training"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "warmup", 3)
        assert panel._state(Future()) == "the discriminator warms up"
    assert asyncio.run(panel.run()) and trainer.step == trainer.settings.steps
    line, *rest = shown(panel).splitlines()
    assert line.startswith("done: step 4 of 4") and notes(trainer) in line
    assert all(told in "".join(rest) for told in ("⚠", "almost silent", "learning_rate"))
    for _ in range(WINDOW):
        health.update({"rms_db": -25.0, "real_rms_db": -25.0}, skipped=False)
    assert "almost silent" not in health_html(health.active)
    trainer.settings, progress.stale = dataclasses.replace(trainer.settings, patience=2, steps=6), 2
    asyncio.run(panel.run())
    assert shown(panel).startswith("done, because the voice no longer became better: step 4 of 6")


def test_demo_strip_has_the_recording_the_base_voice_and_the_voice_at_each_validation(
    start: Callable[..., Trainer], tone_clips: list[Clip]
) -> None:
    trainer = start(held_out=tone_clips[4:], clips=tone_clips[:4], validate_every=2, validation_clips=2)
    trainer.run()
    markup = demo_strip(trainer).data
    labels = re.findall(r"<figcaption>([^<]*)</figcaption>", markup)
    expected = ["recording", "step 0, base voice", "step 2", "step 4"]
    assert [label.removesuffix(", best") for label in labels] == expected * 2
    assert sum(label.endswith(", best") for label in labels) in (0, 2)  # 0: the base voice was the best
    assert all(clip.text in markup for clip in tone_clips[4:])
    sounds = re.findall(r"base64,([^\"]+)", markup)
    assert len(set(sounds)) == len(sounds) == 8
    short = re.findall(r"<figcaption>([^<]*)</figcaption>", demo_strip(trainer, sentences=1, steps=2).data)
    assert len(short) in (3, 4) and "step 0" in short[1]


def test_a_cancelled_cell_leaves_a_checkpoint(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_panel, "POLL_SECONDS", 0.01)
    trainer.settings = dataclasses.replace(trainer.settings, steps=100_000)  # it does not end before it is cancelled

    async def cancel_soon() -> None:
        task = asyncio.create_task(TrainingPanel(trainer).run())
        while not trainer.history.steps:
            await asyncio.sleep(0.01)
        task.cancel()
        assert not await task

    asyncio.run(cancel_soon())
    assert trainer.step >= 1
    assert len(checkpoints(trainer.folder)) == 1
