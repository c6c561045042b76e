"""`kurdtts judge` from the first argument to the report."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kurdtts_lib.cli import app
from kurdtts_lib.core.settings import CorpusSettings, load_profile
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.evaluation import optional_metrics
from kurdtts_lib.evaluation.metrics import METRIC_DESCRIPTIONS, WORD_METRICS
from kurdtts_lib.vits.voice import Voice, save_voice
from kurdtts_lib.voices import registry

pytestmark = pytest.mark.usefixtures("few_words")
BASE = str(load_profile("sample").base_voice)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    profile = load_profile("sample")
    prepare(CorpusSettings(max_samples=40, held_out_share=0.5), profile.audio, folder)  # few: all are read each time
    return folder


@pytest.fixture
def voices(make_audible_voice: Callable[..., Voice], make_voice: Callable[..., Voice], tmp_path: Path) -> Path:
    """Two voices: `base` in a folder, and the current one, number 1."""
    save_voice(make_voice(), tmp_path / "base", "base\n")
    tuned = make_audible_voice()
    tuned.card = {"faults": [], "parent": None}
    registry.publish(tuned, "mine", lambda card: "")
    return tmp_path / "base"


@pytest.fixture(autouse=True)
def no_slow_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNSMOS has its own test; here it would take most of the time. Nor is a network waited for."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(optional_metrics, "predicted_cleanliness", lambda waveform, rate: 2.5)


def test_voices_are_judged_by_folder_and_number_with_a_recogniser(
    prepared: Path, voices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> Callable[[np.ndarray, int], str]:
        assert name == "somebody/recogniser"
        return lambda waveform, rate: "hewa germ e"  # whoever speaks

    monkeypatch.setattr(optional_metrics, "load_recogniser", load)
    out = tmp_path / "out"
    command = ["judge", str(voices), "1", "--data-dir", str(prepared), "--output-dir", str(out), "--sentences", "2"]
    assert app.main([*command, "--recogniser", "somebody/recogniser"]) == 0
    said = capsys.readouterr().out
    assert f"Report: {out / 'report.html'}" in said and "leaves out 0" in said
    rates = [line.rstrip() for line in said.splitlines() if line.startswith("character error rate ")]
    assert rates[-1].endswith("cannot be told")
    numbers = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    assert numbers["voices"] == ["base", "voice-0001-mine"] and numbers["sentences"] == 2
    rate = np.mean([optional_metrics.character_error_rate(text, "hewa germ e") for text in numbers["texts"]])
    rates = {name: figures["character_error_rate"]["mean"] for name, figures in numbers["figures"].items()}
    assert rates == dict.fromkeys(("recording", "base", "voice-0001-mine"), pytest.approx(rate))
    assert numbers["figures"]["recording"]["dnsmos"]["mean"] == 2.5
    # Without a network there is no MMS voice that could listen.
    assert set(numbers["left_out"]) == set(WORD_METRICS)
    assert set(METRIC_DESCRIPTIONS) - set(WORD_METRICS) == set(numbers["meanings"])
    with_listener = [*command[:-1], "1", "--listener", BASE]
    assert app.main(with_listener) == 0 and "words: margin of the right text" in capsys.readouterr().out


def test_without_names_the_base_and_the_current_voice_are_judged(
    prepared: Path, voices: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setattr(
        "kurdtts_lib.evaluation.evaluate.speak", lambda voice, text, **how: np.full(8000, 0.1, np.float32)
    )
    assert app.main(["judge", "--data-dir", str(prepared), "--sentences", "1"]) == 1
    assert "Voice 1 does not say which profile" in capsys.readouterr().err
    command = ["judge", "--sentences", "1", "--output-dir", str(home)]
    assert app.main([*command, "--profile", "sample", "--data-dir", str(prepared)]) == 0
    numbers = json.loads((home / "figures.json").read_text(encoding="utf-8"))
    assert numbers["voices"] == ["tiny-kmr", "voice-0001-mine"]
    assert "It needs a recogniser" in capsys.readouterr().out and list(numbers["left_out"]) == ["character_error_rate"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["7"], "There is no voice 7"),
        (["/no/voice"], "There is no such folder: /no/voice"),
        (["no-such-folder/no-such-voice"], "'no-such-folder/no-such-voice' cannot be loaded"),
        ([], "There is no fine-tuned voice yet"),
        ([BASE, "--data-dir", "nowhere"], "Prepare the data first"),
        ([BASE, "--recogniser", "/none"], "The recogniser '/none' cannot be had"),
    ],
)
def test_what_cannot_be_judged_is_told_in_a_sentence(
    arguments: list[str], told: str, prepared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    data = [] if "--data-dir" in arguments else ["--data-dir", str(prepared)]
    assert app.main(["judge", *arguments, *data]) == 1
    assert told in capsys.readouterr().err
