"""Material of a listening test: held-out sentences, synthesised by voices and as recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kurdtts_lib.audio.io import decode, resample
from kurdtts_lib.core.cards import public_name
from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.core.settings import Profile
from kurdtts_lib.data.dataset import sampled
from kurdtts_lib.data.training_set import corpus_settings, is_sample
from kurdtts_lib.evaluation.listening.design import ANCHORS
from kurdtts_lib.speech.raw import speak
from kurdtts_lib.vits.voice import Voice, load_voice
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.finetune import clips_of

RECORDINGS = "recordings"
MACHINE_READ = "The recordings were read by a machine (espeak-ng), not by a person."


@dataclass(frozen=True)
class Material:
    """Input of `design.make_test`. systems: waveforms (samples,) by system and text; anchors: by text."""

    systems: dict[str, dict[str, np.ndarray]]
    sampling_rate: int
    anchors: dict[str, np.ndarray] | None = None
    note: str = ""


def from_recordings(voices: Sequence[str], profile: Profile, count: int, kind: str) -> Material:
    """`count` test sentences of the prepared data, chosen by their hash: spoken by each of `voices`, and as recorded.

    voices: numbers of `kurdtts voices`, folders, or names on the hub. kind: of the test; a test of pairs includes the
    recordings only beside a single voice, to limit its length. Anchors are recordings of other sentences, or of the
    same ones if there are too few. Raises ListeningError for a voice given twice.
    """
    loaded = _load(voices)
    rate = max(_rate(voice) for voice in loaded.values())
    paths = {clip.text: clip.path for clip in sampled(clips_of(profile).test, None)}
    texts = list(paths)[:count]
    systems = {name: _spoken(voice, texts, rate) for name, voice in loaded.items()}
    if kind == "mos" or len(voices) == 1:
        systems[RECORDINGS] = {text: decode(paths[text], rate) for text in texts}
    others = [*list(paths)[count:], *texts][:ANCHORS]
    bundled = is_sample(corpus_settings(profile.prepared_dir).source)
    return Material(
        systems, rate, {text: decode(paths[text], rate) for text in others}, MACHINE_READ if bundled else ""
    )


def from_text(voices: Sequence[str], file: Path, count: int) -> Material:
    """The first `count` lines of a UTF-8 file, spoken by each of `voices`. Raises ListeningError if there are none."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ListeningError(f"{file} cannot be read as UTF-8 text ({error}).") from error
    texts = list(dict.fromkeys(line.strip() for line in lines if line.strip()))[:count]
    if not texts:
        raise ListeningError(f"{file} holds no sentence. Write one in each line.")
    loaded = _load(voices)
    rate = max(_rate(voice) for voice in loaded.values())
    note = f"There are no recordings; the anchors are speech of {next(iter(loaded))}."
    return Material({name: _spoken(voice, texts, rate) for name, voice in loaded.items()}, rate, note=note)


def _load(voices: Sequence[str]) -> Mapping[str, Voice]:
    """By the names shown in the results."""
    loaded: dict[str, Voice] = {}
    for source in voices:
        folder = registry.folder_of(source)
        name = public_name(folder)
        if name in loaded:
            raise ListeningError(f"{name} is there twice: a test compares different voices.")
        loaded[name] = load_voice(folder)
    return loaded


def _rate(voice: Voice) -> int:
    return voice.model.config.sampling_rate


def _spoken(voice: Voice, texts: Sequence[str], rate: int) -> dict[str, np.ndarray]:
    return {text: resample(speak(voice, text), _rate(voice), rate) for text in texts}
