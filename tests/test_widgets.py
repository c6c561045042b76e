"""Players keep the loudness, pictures show the numbers, the panel's Stop button loses nothing."""

import asyncio
import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pytest
import soundfile

from kurdtts_lib.corpus.clips import Clip
from kurdtts_lib.corpus.sources import SourceClip
from kurdtts_lib.settings import AudioSettings, TrainingSettings
from kurdtts_lib.vits.training import StepReport, Trainer
from kurdtts_lib.vits.voice import Voice
from kurdtts_lib.widgets import plots, training_panel
from kurdtts_lib.widgets.players import clip_row, player_row
from kurdtts_lib.widgets.training_panel import TrainingPanel, curves_html

QUIET = (0.01 * np.sin(np.arange(1600))).astype(np.float32)


def test_players_keep_a_quiet_voice_quiet_and_labels_are_escaped() -> None:
    markup = player_row({"<b>before</b>": QUIET}, 16_000, "Ez & tu").data
    assert "&lt;b&gt;before" in markup and "Ez &amp; tu" in markup
    (encoded,) = re.findall(r"base64,([^\"]+)", markup)
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(encoded)), dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(heard, QUIET, atol=1e-4)


def test_a_damaged_clip_shows_its_reason_instead_of_a_player() -> None:
    clip = SourceClip(0, "a.mp3", b"junk", "x", "Roj baş", 2, 0, "", "")
    markup = clip_row("silent", clip, 16_000).data
    assert "<audio" not in markup and "cannot be decoded" in markup and "Roj baş" in markup


def test_bars_are_as_long_as_the_counts() -> None:
    figure = plots.bars(pandas.Series({"kept": 7, "silent": 2}), "t", "clips")
    assert sorted(patch.get_width() for patch in figure.axes[0].patches) == [2, 7]


def test_histogram_counts_unknown_values_in_its_title() -> None:
    figure = plots.histogram([1.0, 2.0, float("nan")], "Length", "seconds")
    assert figure.axes[0].get_title() == "Length (1 unknown)"
    assert sum(patch.get_height() for patch in figure.axes[0].patches) == 2


def test_spectrograms_share_their_time_axis(audio: AudioSettings) -> None:
    long, short = np.zeros(32_000, np.float32), np.zeros(16_000, np.float32)
    figure = plots.spectrograms({"a": long, "b": short}, audio)
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def test_before_after_has_a_panel_a_measure_and_a_bar_a_voice() -> None:
    table = pandas.DataFrame({"base": [8.0, 2.0], "tuned": [5.0, 1.0]}, index=["mcd", "mel"])
    figure = plots.before_after(table)
    assert [[bar.get_height() for bar in axes.patches] for axes in figure.axes] == [[8, 5], [2, 1]]


def test_curves_show_the_last_value_and_only_terms_that_exist() -> None:
    history = [StepReport(step, 0, {"mel": 1 / step}, 0.1) for step in range(1, 4)]
    markup = curves_html(history)
    assert "0.333" in markup and markup.count("<svg") == 1
    assert "alignment search" in curves_html([])


def test_final_picture_has_a_panel_a_curve() -> None:
    figure = plots.curves({"mel": [(1, 2.0), (2, 1.0)], "kl": [(1, 1.0), (2, 0.5)]}, "done")
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    assert [list(axes.lines[0].get_ydata()) for axes in drawn] == [[2.0, 1.0], [1.0, 0.5]]


@pytest.fixture
def trainer(
    make_voice: Callable[..., Voice], tone_clips: list[Clip], few_steps: TrainingSettings, audio: AudioSettings,
    tmp_path: Path,
) -> Trainer:  # fmt: skip
    return Trainer(make_voice(), tone_clips, [], few_steps, audio, tmp_path / "training")


def test_panel_runs_the_training_to_its_end(trainer: Trainer) -> None:
    panel = TrainingPanel(trainer)
    assert asyncio.run(panel.run())
    assert trainer.step == trainer.settings.steps
    assert panel._line.value.startswith("done")


def test_stop_button_ends_with_a_checkpoint_that_resumes(
    trainer: Trainer, make_voice: Callable[..., Voice], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = TrainingPanel(trainer)
    ordinary_step = trainer._train_step

    def step_then_click(batch: object) -> dict:
        panel.stop_button.click()
        return ordinary_step(batch)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "_train_step", step_then_click)
    assert not asyncio.run(panel.run())
    assert trainer.step == 1
    assert (trainer.folder / "checkpoint.pt").is_file()
    again = Trainer(make_voice(), trainer.reader.clips, [], trainer.settings, trainer.audio, trainer.folder)
    assert again.step == 1 and again.run()


def test_an_error_of_the_training_is_raised_in_the_cell(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(batch: object) -> dict:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainer, "_train_step", fail)
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(TrainingPanel(trainer).run())


def test_a_cancelled_cell_leaves_a_checkpoint(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_panel, "POLL_SECONDS", 0.01)

    async def cancel_soon() -> None:
        task = asyncio.create_task(TrainingPanel(trainer).run())
        while not trainer.history:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_soon())
    assert trainer.step >= 1
    assert (trainer.folder / "checkpoint.pt").is_file()
