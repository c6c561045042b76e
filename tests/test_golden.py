"""What must not change by accident: see golden/README.md."""

import argparse
import dataclasses
import hashlib
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from new_voice import new_model, new_tokenizer
from pandas import read_parquet
from test_readings import read_table
from tiny import AUDIO, SENTENCES, TINY_CONFIG, TINY_DISCRIMINATOR, write_tone
from transformers import VitsConfig

from kurdtts_lib.cli import app as cli
from kurdtts_lib.core import settings, training_settings
from kurdtts_lib.core.errors import TextError
from kurdtts_lib.core.settings import REPOSITORY, load_profile
from kurdtts_lib.data.dataset import read_parts
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.feedback.store import FeedbackStore
from kurdtts_lib.service.app import create_app
from kurdtts_lib.service.state import ServiceSettings
from kurdtts_lib.speech import synthesis
from kurdtts_lib.text import normalize
from kurdtts_lib.vits import generation
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice, load_voice
from kurdtts_lib.voices.registry import current

GOLDEN = Path(__file__).parent / "golden"
SPEECH = "Roj baş, ez bi kurmancî diaxivim."
EVERY = 40
"""Every 40th sentence is readable in the golden values; all of them are in the hash."""


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def readings() -> dict[str, Any]:
    """All sentences of the sample and of the table of readings, as they are read or refused."""
    sample = read_parquet(next((REPOSITORY / "data" / "sample" / "data").glob("*.parquet")), columns=["sentence"])
    written = [*dict.fromkeys(sample["sentence"]), *(row.written for row in read_table())]
    lines = [f"{text}\t{reading(text)}" for text in written]
    return {"sha256": sha256("\n".join(lines)), "excerpt": lines[::EVERY]}


def reading(text: str) -> str:
    try:
        return normalize(text, lexicon={}).text
    except TextError as error:
        return f"! {error.reason}"


def prepared_sample(folder: Path) -> dict[str, Any]:
    """The sample's training set: texts, split and reasons. Sounds are left out: their last bits are the processor's."""
    profile = load_profile("sample")
    result = prepare(profile.corpus, profile.audio, folder)
    parts = read_parts(folder)
    lines = [f"{name}\t{clip.path.name}\t{clip.text}" for name in parts._fields for clip in getattr(parts, name)]
    reasons = result.clips["reason"].value_counts().sort_index()
    return {"sha256": sha256("\n".join(lines)), "excerpt": lines[::EVERY], "reasons": reasons.to_dict()}


def losses(folder: Path) -> list[dict[str, float]]:
    """Of five steps of a tiny voice, float32, dropout included."""
    tokenizer = new_tokenizer(folder / "tokenizer")
    torch.manual_seed(7)
    config = VitsConfig(vocab_size=len(tokenizer), use_stochastic_duration_prediction=True, **TINY_CONFIG)
    voice = Voice(new_model(config), tokenizer, VitsDiscriminator(TINY_DISCRIMINATOR))
    clips = [write_tone(folder / f"{n}.wav", s, 110.0 + 20 * n, text) for n, (s, text) in enumerate(SENTENCES)]
    training = settings.TrainingSettings(
        steps=5, batch_size=2, learning_rate=1e-4, segment_samples=4096, checkpoint_every=100, discriminator_warmup=0
    )
    trainer = Trainer(voice, clips, None, training, AUDIO, folder / "run")
    trainer.run()
    return [step.terms for step in trainer.history.steps]


def spoken() -> np.ndarray:
    """In float32: processors with bfloat16 would take it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "best_precision", lambda model: torch.float32)
        return synthesis.speak(load_voice(REPOSITORY / "models" / "tiny-kmr"), SPEECH)


def commands(parser: argparse.ArgumentParser | None = None) -> dict[str, Any]:
    """What each command's `--help` says, free of the layout that Python's versions give it."""
    found: dict[str, Any] = {}
    for action in (parser or cli._parser())._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            found |= {name: {"": helps.get(name)} | commands(child) for name, child in action.choices.items()}
        else:
            about = {"metavar": action.metavar, "choices": action.choices and list(action.choices)}
            about |= {"default": action.default, "help": action.help, "nargs": action.nargs}
            found["/".join(action.option_strings) or action.dest] = {
                name: value for name, value in about.items() if value is not None and value != argparse.SUPPRESS
            }
    return found


def names_of_settings() -> dict[str, list[str]]:
    classes = [
        value
        for value in (vars(settings) | vars(training_settings)).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    ]
    return {value.__name__: [field.name for field in dataclasses.fields(value)] for value in classes}


def description() -> Any:
    app: Any = create_app(ServiceSettings(token="secret", sentences=("Roj baş.",)))
    while not hasattr(app, "openapi"):  # the gates lie around it
        app = app.app
    return app.openapi()


VALUES = {"readings": readings, "commands": commands, "settings": names_of_settings, "openapi": description}


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return json.loads((GOLDEN / "values.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_golden(golden: dict[str, Any], name: str) -> None:
    assert json.loads(json.dumps(VALUES[name](), default=str)) == golden[name]


def test_the_prepared_sample_is_golden(golden: dict[str, Any], tmp_path: Path) -> None:
    assert prepared_sample(tmp_path) == golden["prepared_sample"]


def test_losses_are_golden(golden: dict[str, Any], tmp_path: Path) -> None:
    found = losses(tmp_path)
    assert [list(terms) for terms in found] == [list(terms) for terms in golden["losses"]] and len(found) == 5
    for now, then in zip(found, golden["losses"], strict=True):
        assert now == pytest.approx(then, rel=1e-6)


def test_speech_is_golden() -> None:
    expected, found = soundfile.read(GOLDEN / "speech.flac", dtype="float64")[0], spoken()
    assert len(found) == len(expected)
    ratio = np.mean((found - expected) ** 2) / np.mean(expected**2)
    assert 10 * np.log10(ratio + 1e-30) < -80


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of version 0.1.0; its home is the home."""
    with zipfile.ZipFile(io.BytesIO((GOLDEN / "folders-0.1.0.zip").read_bytes())) as file:
        file.extractall(tmp_path)
    monkeypatch.setenv("KURDTTS_HOME", str(tmp_path / "home"))
    return tmp_path


def test_an_old_home_has_its_voice_and_corrections(old: Path) -> None:
    assert (current().version, current().name) == (1, "full")
    assert len(synthesis.speak(load_voice(current().folder), "roj baş")) > 4000
    store = FeedbackStore()
    assert sorted(one.state for one in store.corrections()) == ["accepted", "submitted", "used"]
    assert all(store.sound(one).stat().st_size > 10_000 for one in store.corrections())
    assert store.verify() == (3, 3, [], []), "every sound is as it was written"


def test_old_exports_speak(old: Path) -> None:
    from kurdtts_lib.voices.export.onnx_voice import OnnxVoice
    from kurdtts_lib.voices.export.sherpa import speak_with_sherpa

    spoken = [OnnxVoice(old / "exports" / form).speak("roj baş") for form in ("onnx", "onnx-int8")]
    spoken.append(speak_with_sherpa(old / "exports" / "sherpa", ["roj baş"])[0])
    assert all(np.abs(sound).max() > 0.01 for sound in spoken)


def write() -> None:
    """Write the golden values as the library gives them now."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        made = {"readings": {}, "prepared_sample": prepared_sample(Path(folder, "prepared"))}
        made |= {"losses": losses(Path(folder)), **{name: value() for name, value in VALUES.items()}}
    text = json.dumps(made, ensure_ascii=False, indent=1, default=str)
    (GOLDEN / "values.json").write_text(text + "\n", encoding="utf-8", newline="\n")
    soundfile.write(GOLDEN / "speech.flac", spoken(), AUDIO.sampling_rate, subtype="PCM_24")


if __name__ == "__main__":
    write()
