"""Speaking with an exported voice."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kurdtts_lib.core.errors import TextError, VoiceError
from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.voices.export.export import export_voice
from kurdtts_lib.voices.export.onnx_voice import OnnxVoice


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_voice(REPOSITORY / "models" / "tiny-kmr", tmp_path_factory.mktemp("exports") / "tiny").folder


@pytest.fixture(scope="module")
def voice(folder: Path) -> OnnxVoice:
    return OnnxVoice(folder, threads=1)


def test_it_speaks_without_torch_and_transformers(folder):
    code = """
import sys
from kurdtts_lib.voices.export.onnx_voice import OnnxVoice
waveform = OnnxVoice(sys.argv[1], threads=1).speak("Roj baş!")
assert waveform.std() > 0.01
print(len(waveform), [name for name in ("torch", "transformers", "onnx") if name in sys.modules])
"""
    command = [sys.executable, "-c", code, str(folder)]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    length, loaded = result.stdout.split(maxsplit=1)
    assert 5_000 < int(length) < 30_000 and loaded.strip() == "[]"


def python_of(markdown: str) -> str:
    """The first example in Python."""
    return re.findall(r"```python\n(.*?)```", markdown, flags=re.DOTALL)[0]


def test_the_examples_of_the_readme_and_of_the_card_speak(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    readme = (REPOSITORY / "README.md").read_text("utf-8").partition("## For programs without torch")[2]
    card = (folder / "README.md").read_text("utf-8")
    for code, name in ((python_of(readme), "my-voice"), (python_of(card), "this folder")):
        assert name in code
        exec(code.replace(name, folder.as_posix()), {})
        waveform, rate = soundfile.read("speech.wav")
        assert rate == 16_000 and waveform.std() > 0.01
        Path("speech.wav").unlink()


def test_the_same_seed_gives_the_same_samples_and_another_one_another_reading(voice):
    text = "Ez li vir im. Tu li wir î."
    first, again, other = (voice.speak(text, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32 and len(first) == len(other) and not np.array_equal(first, other)
    plain = [voice.speak(text, seed=seed, noise_scale=0.0) for seed in (1, 2)]
    np.testing.assert_array_equal(*plain)


def test_speech_comes_clause_by_clause_with_pauses_between(voice):
    clauses = list(voice.clauses("Roj baş. Ez li vir im."))
    assert len(clauses) == 2
    np.testing.assert_array_equal(np.concatenate(clauses), voice.speak("Roj baş. Ez li vir im."))
    assert not clauses[0][-1000:].any() and clauses[1][-1000:].any()


def test_twice_the_speed_takes_half_the_time(voice):
    text = "Xwişka min nan û penîr dixwe"
    assert len(voice.speak(text, speed=2.0)) / len(voice.speak(text)) == pytest.approx(0.5, abs=0.12)


def test_numbers_are_read_as_words(voice):
    np.testing.assert_array_equal(voice.speak("du hezar"), voice.speak("2000"))


@pytest.mark.parametrize("text", ["", " ... ", "日本"])
def test_text_that_cannot_be_said_is_refused_before_anything_is_spoken(voice, text):
    with pytest.raises(TextError):
        voice.clauses("Roj baş. " + text if text.isalpha() else text)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_that_cannot_be_is_an_error(voice, speed):
    with pytest.raises(VoiceError, match="speed"):
        voice.speak("roj baş", speed=speed)


def test_a_folder_without_a_whole_voice_is_an_error_that_says_what_to_do(folder, tmp_path):
    with pytest.raises(VoiceError, match="no exported voice"):
        OnnxVoice(tmp_path)
    card = (folder / "export.json").read_text("utf-8")
    for content, said in (
        ("{", "no exported voice"),
        ("{}", "no exported voice"),
        (card.replace('"form": "onnx"', '"form": "sherpa"'), "--form onnx"),
    ):
        (tmp_path / "export.json").write_text(content, encoding="utf-8")
        with pytest.raises(VoiceError, match=said):
            OnnxVoice(tmp_path)
    (tmp_path / "export.json").write_text(card, encoding="utf-8")
    (tmp_path / "vocab.json").write_text((folder / "vocab.json").read_text("utf-8"), encoding="utf-8")
    for content in (None, b"", (folder / "model.onnx").read_bytes()[:10_000]):
        if content is not None:
            (tmp_path / "model.onnx").write_bytes(content)
        with pytest.raises(VoiceError, match="cannot be loaded"):
            OnnxVoice(tmp_path)
