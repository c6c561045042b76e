"""Small things to test with: voices of a few thousand weights, clips made of tones, trainings of a few steps."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from lab import lab, launch
from new_voice import new_model, new_tokenizer
from tiny import AUDIO, SENTENCES, TINY_CONFIG, TINY_DISCRIMINATOR, write_tone
from transformers import VitsConfig, VitsTokenizer

from kurdtts_lib.core.settings import AudioSettings, TrainingSettings
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.evaluation.validation import validator
from kurdtts_lib.vits import optimised_ops
from kurdtts_lib.vits.batches import ClipReader
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice
from kurdtts_lib.voices import registry

__all__ = ["lab", "launch"]  # fixtures for all
# No deadline: a promise about time would break on a busy machine. Derandomized: every machine tries the same examples.
settings.register_profile("kurdtts", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("kurdtts")
# The models are so small that a second thread only waits, and waiting threads spin.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test writes into the repository."""
    folder = tmp_path / "home"
    monkeypatch.setenv("KURDTTS_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def keep_freed_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A command that trains changes its process for good. That of the tests stays as it is; the real one is given."""
    real = optimised_ops.keep_freed_memory
    monkeypatch.setattr(optimised_ops, "keep_freed_memory", lambda: None)
    return real


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Every test starts from the same random state, whatever ran before it."""
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture
def few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of words speaks 48 sentences with each voice, which takes most of an evaluation: here it speaks six."""
    monkeypatch.setattr("kurdtts_lib.evaluation.words.CHOICES", 3)


@pytest.fixture(scope="session")
def audio() -> AudioSettings:
    """The settings of the tiny voices: MMS's own."""
    return AUDIO


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> VitsTokenizer:
    """A tokenizer that behaves as MMS's for Kurmanji: n is token 0, and with it pad and blank."""
    return new_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def make_voice(tokenizer: VitsTokenizer) -> Callable[..., Voice]:
    """Build the same tiny untrained voice at every call; keywords change its config."""

    def make(**changes: object) -> Voice:
        with torch.random.fork_rng():
            torch.manual_seed(7)
            config = VitsConfig(
                vocab_size=len(tokenizer), **{"use_stochastic_duration_prediction": False, **TINY_CONFIG, **changes}
            )
            return Voice(new_model(config), tokenizer, VitsDiscriminator(TINY_DISCRIMINATOR))

    return make


@pytest.fixture
def tiny_voice(make_voice: Callable[..., Voice]) -> Voice:
    """A voice with the deterministic duration predictor."""
    return make_voice()


@pytest.fixture(scope="session")
def make_audible_voice(make_voice: Callable[..., Voice]) -> Callable[..., Voice]:
    """An untrained decoder is nearly silent, and silence would hide any difference: these can be heard."""

    def make(**changes: object) -> Voice:
        voice = make_voice(**changes)
        generator = torch.Generator().manual_seed(8)
        with torch.no_grad():
            for parameter in voice.model.decoder.parameters():
                parameter.normal_(0.0, 0.15, generator=generator)
        return voice

    return make


@pytest.fixture
def audible_voice(make_audible_voice: Callable[..., Voice]) -> Voice:
    """A voice with the deterministic duration predictor that can be heard."""
    return make_audible_voice()


@pytest.fixture
def current(make_audible_voice: Callable[..., Voice]) -> registry.RegisteredVoice:
    """The voice that is in use, version 1: it can be heard."""
    voice = make_audible_voice()
    voice.card = {"licence": "CC0 1.0", "base_voice": "tiny", "faults": [], "parent": None}
    return registry.publish(voice, "test", lambda card: "# test\n")


@pytest.fixture
def tone_clips(tmp_path: Path) -> list[Clip]:
    """Six clips of 1.0 to 1.6 s, no two of the same length, pitch or text."""
    return [
        write_tone(tmp_path / "clips" / f"{i}.wav", s, 110.0 + 20 * i, text) for i, (s, text) in enumerate(SENTENCES)
    ]


@pytest.fixture
def reader(tone_clips: list[Clip], tokenizer: VitsTokenizer) -> ClipReader:
    """Those clips as a training reads them, with slices of 4096 samples."""
    return ClipReader(tone_clips, tokenizer, AUDIO, 4096)


@pytest.fixture(scope="session")
def few_steps() -> TrainingSettings:
    """Four steps of two clips, fast enough to change every weight; slices of a quarter of a second."""
    return TrainingSettings(
        steps=4,
        batch_size=2,
        learning_rate=1e-3,
        segment_samples=4096,
        validate_every=100,
        validation_clips=1,
        checkpoint_every=100,
    )


@pytest.fixture
def start(
    make_voice: Callable[..., Voice], tone_clips: list[Clip], few_steps: TrainingSettings, tmp_path: Path
) -> Callable[..., Trainer]:
    """Build a trainer, as a new process would, in a folder of that name: the untrained voice and five clips."""

    def build(
        folder: str = "run",
        voice: Voice | None = None,
        clips: Sequence[Clip] = tuple(tone_clips[:5]),
        held_out: Sequence[Clip] = (),
        **changes: object,
    ) -> Trainer:
        settings = dataclasses.replace(few_steps, **changes)  # type: ignore[arg-type]
        validate = validator(held_out, AUDIO, settings.validation_clips)
        return Trainer(voice or make_voice(), clips, validate, settings, AUDIO, tmp_path / folder)

    return build
