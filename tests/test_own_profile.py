"""The commands that work on the current voice take the profile and the data of its own training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from speechlike import common_voice, syllables

from kurdtts_lib.cli import app, train
from kurdtts_lib.core.settings import load_profile
from kurdtts_lib.feedback.replay import ordinary_sentences
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice, save_voice
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.lineage import profile_of

pytestmark = pytest.mark.usefixtures("few_words")
OFFLINE = [["export", "99", "-o", "x"], ["say", "roj", "-o", "x.wav", "--voice", "99"], ["train", "--base-voice", "99"]]


@pytest.fixture
def corpus(make_audible_voice: Callable[..., Voice], tmp_path: Path) -> Path:
    """A voice of the full profile's settings, trained for one step on recordings of one's own."""
    sentences = [f"{text} {word}" for text in ordinary_sentences(10) for word in ("baş", "îro")]
    folder = common_voice(tmp_path / "dengê min", [{"sentence": text, "seconds": 4.5} for text in sentences])
    save_voice(make_audible_voice(), tmp_path / "base", "base\n")
    profile = ["--profile", str(folder)]
    assert app.main(["prepare", *profile, "--set", "pace_mads=none", "--set", "held_out_share=0.3"]) == 0
    base = ["--base-voice", str(tmp_path / "base")]
    assert app.main(["train", *profile, *base, "--steps", "1", "--preset", "cpu", "--name", "min"]) == 0
    return folder


def test_a_feedback_training_takes_the_rate_and_the_data_of_the_voices_own_profile(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = registry.use(1, anyway=True)  # one step made a voice without pitch
    assert entry.name == "min" and "no pitch" in " ".join(entry.faults)
    readme = (entry.folder / "README.md").read_text(encoding="utf-8")
    assert all(f"Worse than its base voice.** {fault}" in readme for fault in entry.faults)
    assert entry.card.training_seconds >= 0
    assert str(tmp_path) not in (entry.folder / "voice.json").read_text(encoding="utf-8")
    store, sound = FeedbackStore(), syllables(2.0, seed=1).astype(np.float32)
    store.accept(store.submit((sound, 16_000), "Roj baş, heval.", consent=True).id)
    trainers: list[Trainer] = []
    monkeypatch.setattr(train, "run_to_end", lambda trainer, *_: trainers.append(trainer))
    assert app.main(["feedback", "train"]) == 130
    (trainer,) = trainers
    feedback = load_profile("full").feedback
    assert (trainer.settings.learning_rate, trainer.settings.steps) == (2e-5, feedback.steps)
    folders = {clip.path.parent for clip in trainer.reader.clips}
    assert load_profile(str(corpus)).prepared_dir / "wavs" in folders and len(folders) == 2
    assert profile_of(entry).base_voice == str(tmp_path / "base")

    capsys.readouterr()
    for command in (["feedback", "train"], ["judge"]):
        for asked, told in (
            (["--profile", "sample"], "not sample"),
            (["--profile", "full"], "not full"),
            (["--data-dir", str(tmp_path / "other")], "was trained on"),
        ):
            assert app.main([*command, *asked]) == 1
            assert told in capsys.readouterr().err


@pytest.mark.parametrize("command", OFFLINE, ids=lambda command: command[0])
def test_a_number_that_no_voice_has_is_told_without_asking_the_hub(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("kurdtts_lib.vits.voice.VitsModel.from_pretrained", asked)
    monkeypatch.setattr("huggingface_hub.file_download.hf_hub_download", asked)
    assert app.main(command) == 1
    assert "There is no voice 99. There are: none yet" in capsys.readouterr().err
