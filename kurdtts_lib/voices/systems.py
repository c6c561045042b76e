"""Voices that are compared, by distinct names: as systems of an evaluation, and as material of a listening test."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kurdtts_lib.audio.io import decode, resample
from kurdtts_lib.core.cards import public_name
from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.core.files import read_text
from kurdtts_lib.core.settings import Profile
from kurdtts_lib.data.dataset import sampled
from kurdtts_lib.data.training_set import corpus_settings, is_sample
from kurdtts_lib.evaluation.evaluate import RECORDING, System, system_of
from kurdtts_lib.evaluation.listening.design import ANCHORS
from kurdtts_lib.speech import speak
from kurdtts_lib.vits.voice import Voice, load_voice
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.finetune import clips_of

RECORDINGS = "recordings"
MACHINE_READ = "The recordings were read by a machine (espeak-ng), not by a person."


def load_systems(sources: Iterable[str | Path], profile: Profile) -> dict[str, System]:
    """Voices by name, in the given order. sources: as in `registry.folder_of`.

    Without any, the profile's base voice and the current voice. Raises VoiceError if one cannot be loaded.
    """
    places = [registry.folder_of(source) for source in sources] or [profile.base_voice, registry.folder_of(None)]
    return {name: system_of(voice) for name, voice in _load(places).items()}


def _load(places: Iterable[str]) -> dict[str, Voice]:
    """Voices by public name, followed by a number if another one or the recordings have it."""
    loaded: dict[str, Voice] = {}
    for place in places:
        name, taken = public_name(place), {*loaded, RECORDING, RECORDINGS}
        free = next(one for one in (name, *(f"{name} ({n})" for n in range(2, 1000))) if one not in taken)
        loaded[free] = load_voice(place)
    return loaded


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
    loaded = _load(_different(voices))
    paths = {clip.text: clip.path for clip in sampled(clips_of(profile).test, None)}
    texts = list(paths)[:count]
    systems, rate = _spoken(loaded, texts)
    if kind == "mos" or len(voices) == 1:
        systems[RECORDINGS] = {text: decode(paths[text], rate) for text in texts}
    anchors = {text: decode(paths[text], rate) for text in [*list(paths)[count:], *texts][:ANCHORS]}
    bundled = is_sample(corpus_settings(profile.prepared_dir).source)
    return Material(systems, rate, anchors, MACHINE_READ if bundled else "")


def from_text(voices: Sequence[str], file: Path, count: int) -> Material:
    """The first `count` lines of a UTF-8 file, spoken by each of `voices`. Raises ListeningError if there are none."""
    texts = list(dict.fromkeys(line.strip() for line in read_text(file).splitlines() if line.strip()))[:count]
    if not texts:
        raise ListeningError(f"{file} holds no sentence. Write one in each line.")
    systems, rate = _spoken(_load(_different(voices)), texts)
    return Material(systems, rate, note=f"There are no recordings; the anchors are speech of {next(iter(systems))}.")


def _different(voices: Sequence[str]) -> list[str]:
    places = [registry.folder_of(source) for source in voices]
    for place in places:
        if places.count(place) > 1:
            raise ListeningError(f"{public_name(place)} is there twice: a test compares different voices.")
    return places


def _spoken(voices: Mapping[str, Voice], texts: Sequence[str]) -> tuple[dict[str, dict[str, np.ndarray]], int]:
    """Waveforms (samples,) by voice and text, and their sampling rate, which is the highest of the voices."""
    rate = max(voice.sampling_rate for voice in voices.values())
    return {
        name: {text: resample(speak(voice, text, level=False), voice.sampling_rate, rate) for text in texts}
        for name, voice in voices.items()
    }, rate
