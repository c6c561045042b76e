"""An exported voice says what the voice says, or it is not exported."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from kurdtts_lib.cli import app
from kurdtts_lib.core.errors import KurdTTSError, TextError, VoiceError
from kurdtts_lib.core.files import read_json
from kurdtts_lib.core.settings import REPOSITORY
from kurdtts_lib.text import encode, knows_marks
from kurdtts_lib.vits.marks import with_marks
from kurdtts_lib.vits.voice import Voice, load_voice, save_voice
from kurdtts_lib.voices.export import verification
from kurdtts_lib.voices.export.export import Exported, export_voice
from kurdtts_lib.voices.export.graph import SpeakingGraph, plain_model, write_graph
from kurdtts_lib.voices.export.onnx_voice import MODEL, OnnxVoice, graph_inputs, open_session
from kurdtts_lib.voices.export.sherpa import speak_with_sherpa
from kurdtts_lib.voices.export.verification import SENTENCES, check, snr_db


@pytest.fixture(scope="session")
def voice_folder(make_audible_voice: Callable[..., Voice], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A voice that can be heard and knows marks, whose flow is not the identity that an untrained one has."""
    voice = with_marks(make_audible_voice(use_stochastic_duration_prediction=True))
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for flow in voice.model.flow.flows:
            flow.conv_post.weight.normal_(0.0, 0.3, generator=generator)
    voice.card = {"licence": "CC BY 4.0"}
    folder = tmp_path_factory.mktemp("voices") / "azad"
    save_voice(voice, folder, "")
    return folder


@pytest.fixture(scope="session")
def graph(voice_folder: Path) -> SpeakingGraph:
    return SpeakingGraph(plain_model(load_voice(voice_folder).model))


@pytest.fixture(scope="session")
def model(graph: SpeakingGraph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / MODEL
    write_graph(graph, path, {})
    return path


@pytest.fixture(scope="session")
def sherpa(voice_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export_voice(voice_folder, tmp_path_factory.mktemp("exports") / "sherpa", "sherpa")


def test_the_ratio_of_speech_to_difference_is_that_of_the_formula():
    speech = np.sin(np.arange(1000)).astype(np.float32)
    assert snr_db(speech, 1.01 * speech) == pytest.approx(40, abs=0.01)
    assert snr_db(speech, speech) == verification.HIGHEST_SNR_DB and snr_db(0 * speech, speech) == -np.inf


def test_noise_that_is_too_short_is_taken_again(graph, model, tokenizer):
    inputs = graph_inputs(encode("ez li vir im", tokenizer), np.random.default_rng(1), 16, 1.0, 1.0)
    short, session = inputs["noise"][:, :, :7], open_session(model)
    waveform, durations = session.run(None, inputs | {"noise": short})
    assert durations.sum() > 20
    again, _ = session.run(None, inputs | {"noise": np.tile(short, (1, 1, 100))})
    np.testing.assert_array_equal(waveform, again)
    assert snr_db(waveform, session.run(None, inputs)[0]) < 20  # the noise is heard


def other(graph: SpeakingGraph, change: Callable[[list[np.ndarray]], object]) -> Callable[..., list[np.ndarray]]:
    """Another graph: `change` spoils what this one says."""

    def speak(number: int, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        outputs = [values.copy() for values in verification.speak_with_torch(graph, inputs)]
        change(outputs)
        return outputs

    return speak


def longer(outputs: list[np.ndarray]) -> None:
    outputs[0], outputs[1][0] = np.pad(outputs[0], (0, 256)), outputs[1][0] + 1


def moved(outputs: list[np.ndarray]) -> None:
    outputs[1][:2] += np.array([1, -1], dtype=np.float32)


def noisy(outputs: list[np.ndarray]) -> None:
    outputs[0] *= 1.002


@pytest.mark.parametrize(("change", "said"), [(longer, "durations"), (moved, "durations"), (noisy, "54 dB")])
def test_a_graph_that_says_something_else_is_refused(graph, tokenizer, change, said):
    rows = [encode("roj baş", tokenizer)]
    assert check(graph, rows, other(graph, lambda outputs: None))["least_snr_db"] == verification.HIGHEST_SNR_DB
    with pytest.raises(VoiceError, match=said):
        check(graph, rows, other(graph, change))


def test_a_duration_at_a_border_is_counted_and_the_sentence_is_said_faster(graph, tokenizer):
    heard = []

    def once(outputs: list[np.ndarray]) -> None:
        heard.append(len(outputs[0]))
        if len(heard) == 1:
            longer(outputs)

    agreement = check(graph, [encode("roj baş", tokenizer)], other(graph, once))
    assert agreement["at_a_border"] == 1 and len(heard) == 2 and heard[1] <= heard[0]


def test_the_folder_holds_all_that_a_reader_needs(voice_folder, tmp_path, capsys):
    assert app.main(["export", str(voice_folder), "-o", str(tmp_path / "out")]) == 0
    said, folder = capsys.readouterr().out, tmp_path / "out"
    assert "licence CC BY 4.0" in said and "agree with the voice to" in said
    names = {path.name for path in folder.iterdir()}
    assert names == {"model.onnx", "vocab.json", "export.json", "LICENCE", "README.md"}
    card, readme = read_json(folder / "export.json"), (folder / "README.md").read_text("utf-8")
    assert (folder / "LICENCE").read_text("utf-8") == "CC BY 4.0\n"
    assert card["agreement"]["least_snr_db"] > 90 and card["voice"] == "azad" and card["sampling_rate"] == 16_000
    assert 'license: "cc-by-4.0"' in readme and str(card["agreement"]["least_snr_db"]) in readme
    assert str(tmp_path) not in readme + json.dumps(card)
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and knows_marks(OnnxVoice(folder).tokenizer)


def test_what_cannot_be_exported_is_an_error_that_says_why(voice_folder, tmp_path, monkeypatch, capsys):
    assert app.main(["export", "-o", str(tmp_path / "out")]) == 1
    assert "There is no fine-tuned voice yet" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    for source, folder, form, error, said in (
        (voice_folder, "out", "tflite", VoiceError, "no form 'tflite'.*sherpa"),
        (tmp_path / "none", "out", "onnx", VoiceError, "no such folder"),
        (voice_folder, "full", "onnx", KurdTTSError, "holds other files"),
    ):
        with pytest.raises(error, match=said):
            export_voice(source, tmp_path / folder, form)
    for name, value, error, said in (
        ("LEAST_SNR_DB", 500.0, VoiceError, "at least 500 are needed"),
        ("SENTENCES", ("Roj 日.",), TextError, "日"),
    ):
        monkeypatch.setattr(verification, name, value)
        with pytest.raises(error, match=said):
            export_voice(voice_folder, tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == [] and (tmp_path / "full" / "mine.txt").is_file()


def test_sherpa_onnx_says_what_the_voice_says(sherpa, graph, voice_folder):
    proof = sherpa.card["agreement"]
    assert proof["sentences"] == len(SENTENCES) and proof["least_snr_db"] > 90
    small, large, noisy, again = speak_with_sherpa(sherpa.folder, ["nan û şîr", "Nan Û ŞÎR"], noise_scale=0.0) + [
        speak_with_sherpa(sherpa.folder, ["nan û şîr"])[0] for _ in range(2)
    ]
    np.testing.assert_array_equal(small, large)
    tokenizer = load_voice(voice_folder).tokenizer
    inputs = graph_inputs(encode("nan û şîr", tokenizer), np.random.default_rng(0), 16, 1.0, 0.0)
    assert snr_db(verification.speak_with_torch(graph, inputs)[0], small) > 90
    assert 0.5 < len(noisy) / len(small) < 2 and not np.array_equal(noisy, again[: len(noisy)])
    tokens = (sherpa.folder / "tokens.txt").read_text("utf-8").splitlines()
    ids = tokenizer.get_vocab()
    wanted = {f"{sign} {ids[sign.lower()]}" for sign in "n şŞ.,?!:"}
    assert wanted <= set(tokens) and not any(line.startswith(("N", "<")) for line in tokens)


def python_of(markdown: str) -> str:
    """The first example in Python."""
    return re.findall(r"```python\n(.*?)```", markdown, flags=re.DOTALL)[0]


def said_by(code: str, folder: Path, *arguments: str) -> str:
    """What a new process prints."""
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_example_of_the_card_speaks(sherpa):
    card = (sherpa.folder / "README.md").read_text("utf-8")
    code = python_of(card) + "\nprint(len(speech.samples), speech.sample_rate)"
    samples, rate = map(int, said_by(code, sherpa.folder).split())
    assert rate == 16_000 and samples > 1_000


def test_what_sherpa_onnx_cannot_read_is_an_error_and_not_the_end_of_this_program(sherpa, model, tmp_path):
    (tmp_path / "tokens.txt").write_bytes((sherpa.folder / "tokens.txt").read_bytes())
    (tmp_path / MODEL).write_bytes(model.read_bytes())  # a graph without sherpa's metadata
    with pytest.raises(VoiceError, match="cannot speak with"):
        speak_with_sherpa(tmp_path, ["roj baş"])


# --- speaking with it, without torch -----------------------------------------------------------------------------


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
    length, loaded = said_by(code, REPOSITORY, str(folder)).split(maxsplit=1)
    assert 5_000 < int(length) < 30_000 and loaded.strip() == "[]"


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


def test_twice_the_speed_takes_half_the_time_and_numbers_are_read_as_words(voice):
    text = "Xwişka min nan û penîr dixwe"
    assert len(voice.speak(text, speed=2.0)) / len(voice.speak(text)) == pytest.approx(0.5, abs=0.12)
    np.testing.assert_array_equal(voice.speak("du hezar"), voice.speak("2000"))


def test_text_or_a_speed_that_cannot_be_is_refused_before_anything_is_spoken(voice):
    for text in ("", " ... ", "日本"):
        with pytest.raises(TextError):
            voice.speak(text)
    for speed in (0.0, -1.0, float("nan")):
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
