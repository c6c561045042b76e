"""Voices that are compared, by distinct names: as systems of an evaluation, and as material of a listening test."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kurdtts_lib.audio.io import decode, resample
from kurdtts_lib.core.cards import public_name
from kurdtts_lib.core.errors import ListeningError, VoiceError
from kurdtts_lib.core.files import read_json, read_text, write_json, write_text
from kurdtts_lib.core.settings import Profile
from kurdtts_lib.data.dataset import sampled
from kurdtts_lib.data.training_set import clips_of, corpus_settings, is_sample
from kurdtts_lib.evaluation.evaluate import RECORDING, System, system_of
from kurdtts_lib.evaluation.listening.design import ANCHORS
from kurdtts_lib.evaluation.listening.results import opinion
from kurdtts_lib.evaluation.listening.store import ListeningStore
from kurdtts_lib.vits.voice import CARD, load_voice
from kurdtts_lib.voices import others, registry
from kurdtts_lib.voices.card import opinion_sentence

RECORDINGS = "recordings"
MACHINE_READ = "The recordings were read by a machine (espeak-ng), not by a person."


def load_systems(sources: Iterable[str | Path], profile: Profile) -> dict[str, System]:
    """Voices and other systems by name, in the given order. sources: as in `_place`.

    Without any, the profile's base voice and the current voice. Raises VoiceError if one cannot be loaded.
    """
    places = [_place(source) for source in sources] or [profile.base_voice, registry.folder_of(None)]
    return _load(places, profile.audio.sampling_rate)


def known(sources: Iterable[str | Path]) -> list[registry.RegisteredVoice]:
    """`registry.known` of those `sources` that are voices."""
    return registry.known(source for source in sources if not others.match(source))


def _place(source: str | Path) -> str:
    """A voice, as in `registry.folder_of`, or another system, as in `others.other_system`."""
    return str(source) if others.match(source) else registry.folder_of(source)


def _load(places: Iterable[str], rate: int | None = None, normalized: bool = True) -> dict[str, System]:
    """Systems by public name, followed by a number if another one or the recordings have it.

    rate: as in `others.other_system`. normalized: as in `system_of`.
    """
    loaded: dict[str, System] = {}
    for place in places:
        other = others.other_system(place, rate)
        name, system = other or (public_name(place), system_of(load_voice(place), normalized))
        free = next(one for one in (name, *(f"{name} ({n})" for n in range(2, 1000)))
                    if one not in {*loaded, RECORDING, RECORDINGS})  # fmt: skip
        loaded[free] = system
    return loaded


@dataclass(frozen=True)
class Material:
    """Input of `design.make_test`. systems: waveforms (samples,) by system and text; anchors: by text."""

    systems: dict[str, dict[str, np.ndarray]]
    sampling_rate: int
    anchors: dict[str, np.ndarray] | None = None
    note: str = ""


def from_recordings(voices: Sequence[str], profile: Profile, count: int) -> Material:
    """`count` test sentences of the prepared data, chosen by their hash: spoken by each of `voices`, and as recorded.

    voices: as in `_place`. Anchors are recordings of other sentences, or of the same ones if there are too few.
    Raises ListeningError for a voice given twice.
    """
    loaded = _load(_different(voices), normalized=False)
    paths = {clip.text: clip.path for clip in sampled(clips_of(profile).test, None)}
    texts = list(paths)[:count]
    systems, rate = _spoken(loaded, texts)
    systems[RECORDINGS] = {text: decode(paths[text], rate) for text in texts}
    anchors = {text: decode(paths[text], rate) for text in [*list(paths)[count:], *texts][:ANCHORS]}
    bundled = is_sample(corpus_settings(profile.prepared_dir).source)
    return Material(systems, rate, anchors, MACHINE_READ if bundled else "")


def from_text(voices: Sequence[str], file: Path, count: int) -> Material:
    """The first `count` lines of a UTF-8 file, spoken by each of `voices`. Raises ListeningError if there are none."""
    texts = list(dict.fromkeys(line.strip() for line in read_text(file).splitlines() if line.strip()))[:count]
    if not texts:
        raise ListeningError(f"{file} holds no sentence. Write one in each line.")
    systems, rate = _spoken(_load(_different(voices), normalized=False), texts)
    return Material(systems, rate, note=f"There are no recordings; the anchors are speech of {next(iter(systems))}.")


def _different(voices: Sequence[str]) -> list[str]:
    places = [_place(source) for source in voices]
    for place in places:
        if places.count(place) > 1:
            raise ListeningError(f"{public_name(place)} is there twice: a test compares different voices.")
    return places


def _spoken(systems: Mapping[str, System], texts: Sequence[str]) -> tuple[dict[str, dict[str, np.ndarray]], int]:
    """Waveforms (samples,) by system and text, and their sampling rate, which is the highest of the systems."""
    rate = max(system.sampling_rate for system in systems.values())
    for system in systems.values():
        system.check(texts)
    return {
        name: {text: resample(system.speak(text), system.sampling_rate, rate) for text in texts}
        for name, system in systems.items()
    }, rate


def put_on_card(source: str, store: ListeningStore, test: str | None) -> Path:
    """Write a voice's opinion score into its card and at the end of its README; return its folder.

    Raises VoiceError for a voice that is no folder, ListeningError if the test gives it no score.
    """
    folder = Path(registry.folder_of(source))
    if not folder.is_dir():
        raise VoiceError(f"{source} is no folder here, so it has no card to write on.")
    name = public_name(str(folder))
    if f"{name} (2)" in store.key(test).systems or name == RECORDINGS:
        raise ListeningError(f"Several systems of the test are called {name}. Rename the folder, and test again.")
    found, card, readme = opinion(store, test, name), folder / CARD, folder / "README.md"
    write_json(card, {**(read_json(card) if card.is_file() else {}), "opinion": found})
    if readme.is_file():
        text = read_text(readme).partition("\nMean opinion score")[0].rstrip()
        write_text(readme, f"{text}\n\n{opinion_sentence(found)}\n")
    return folder
