"""Systems of other people are judged and listened to beside voices: from a folder of sounds, or spoken by Piper."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from speechlike import syllables

from kurdtts_lib.audio.io import write_wav
from kurdtts_lib.cli import app
from kurdtts_lib.core.errors import EvaluationError, KurdTTSError, VoiceError
from kurdtts_lib.core.settings import CorpusSettings, load_profile
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.evaluation import optional_metrics
from kurdtts_lib.evaluation.listening.store import ListeningStore
from kurdtts_lib.voices import others, systems

pytestmark = pytest.mark.usefixtures("few_words")
BASE = str(load_profile("sample").base_voice)
PIPER = f"""#!{sys.executable}
import argparse, sys, wave
parser = argparse.ArgumentParser()
parser.add_argument("--model")
parser.add_argument("--output_file")
options = parser.parse_args()
text = sys.stdin.buffer.read().decode("utf-8")
if "ş" in text:
    sys.exit("no ş here")
with wave.open(options.output_file, "wb") as sound:
    sound.setnchannels(1), sound.setsampwidth(2), sound.setframerate(22050)
    sound.writeframes(b"\\x10\\x27" * 22050 * len(text.split()))
"""
"""Says a word in a second."""


def test_another_system_is_given_the_sentences_speaks_them_and_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optional_metrics, "predicted_cleanliness", lambda waveform, rate: 2.5)
    profile, data, folder = load_profile("sample"), tmp_path / "data", tmp_path / "rival"
    prepare(CorpusSettings(max_samples=40, held_out_share=0.5), profile.audio, data)
    command = ["judge", "--data-dir", str(data), "--sentences", "2", "--listener", BASE]
    command += ["--output-dir", str(tmp_path / "out")]
    assert app.main([*command, "--write-sentences", str(folder)]) == 0
    assert f"NAME={folder}" in capsys.readouterr().out
    lines = (folder / others.LIST).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 6 and lines[0].startswith("0001.wav|")
    judging = [*command, BASE, f"rival={folder}"]
    assert app.main(judging) == 1
    assert "lacks 6 of 6 sentences" in (told := capsys.readouterr().err) and "0001.wav, 0002.wav, " in told
    for number in range(1, 7):  # at another rate
        write_wav(folder / f"{number:04d}.wav", syllables(1.0, rate=22_050, seed=number), 22_050, durable=False)
    assert app.main(judging) == 0
    numbers = json.loads((tmp_path / "out" / "figures.json").read_text(encoding="utf-8"))
    assert numbers["voices"] == ["tiny-kmr", "rival"]
    assert numbers["figures"]["rival"]["mel_distance"]["n"] == 2 and "words_first" in numbers["figures"]["rival"]
    assert app.main([*command, "--write-sentences", str(folder)]) == 1, "the sounds of others are not replaced"


@pytest.fixture
def rival(tmp_path: Path) -> Path:
    folder = tmp_path / "rival"
    for name in ("a", "b"):
        write_wav(folder / f"{name}.wav", syllables(1.0, rate=22_050), 22_050)
    (folder / others.LIST).write_text("a.wav|Roj baş!\nb.wav|Ez li vir im.\nc.wav|Bi xêr hatî.\n", encoding="utf-8")
    return folder


def test_listeners_hear_it_too_and_its_texts_are_matched_as_they_are_read(rival: Path, tmp_path: Path) -> None:
    text = tmp_path / "hevok.txt"
    text.write_text("roj baş\nEz li vir im\n", encoding="utf-8")
    make = ["listen", "make", str(tmp_path / "test"), "--text", str(text), "--voices", BASE, f"rival={rival}"]
    assert app.main(make) == 0
    assert ListeningStore().key().systems == ["tiny-kmr", "rival"]
    assert systems.from_text([BASE, f"rival={rival}"], text, 1).sampling_rate == 22_050


def test_all_that_is_missing_is_named_at_once(rival: Path) -> None:
    (_, system) = others.other_system(f"rival={rival}", 16_000) or pytest.fail()
    np.testing.assert_allclose(len(system.speak("roj baş")), 16_000, atol=2)
    system.check(["roj baş", "ez li vir im"])
    with pytest.raises(EvaluationError, match=r"lacks 8 of 9 .*: c\.wav, 'a', 'b', 'c', 'd', …"):
        system.check(["roj baş", "bi xêr hatî", *"abcdefg"])
    (rival / others.LIST).write_text("a.wav Roj baş\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"line 1: not `file\|text`"):
        others.other_system(f"rival={rival}", None)
    with pytest.raises(EvaluationError, match=r"has no metadata\.csv"):
        others.other_system(f"rival={rival / 'none'}", None)
    (rival.parent / "a=b").mkdir()
    assert others.match(str(rival.parent / "a=b")) is None, "a voice's folder"


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program on Windows")
def test_a_piper_voice_is_spoken_by_its_own_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_voice: Callable
) -> None:
    model = tmp_path / "ku_TR-x.onnx"

    def load(rate: int | None = None) -> others.System:
        return systems._load([str(model)], rate)["ku_TR-x"]

    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(VoiceError, match="one is missing"):
        load()
    model.touch()
    settings = tmp_path / "ku_TR-x.onnx.json"
    settings.write_text("{}", encoding="utf-8")
    with pytest.raises(VoiceError, match=r"`pipx install piper-tts`.* NAME=FOLDER"):
        load()
    piper = tmp_path / "bin" / "piper"
    piper.parent.mkdir()
    piper.write_text(PIPER, encoding="utf-8")
    piper.chmod(0o755)
    with pytest.raises(KurdTTSError, match="sampling rate"):
        load()
    settings.write_text('{"audio": {"sample_rate": 22050}}', encoding="utf-8")
    assert load().sampling_rate == 22_050 and len(load().speak("yek du")) == 44_100
    spoken = load(16_000).speak("yek du")
    assert len(spoken) == 32_000 and np.median(spoken) == pytest.approx(0x2710 / 32768, rel=1e-3)
    with pytest.raises(VoiceError, match=r"cannot speak 'şeş' with ku_TR-x\.onnx: no ş here"):
        load().speak("şeş")
