"""Every voice that was made here: numbered, with its parent and its figures, and one of them the current voice.

A voice lies in `models/voice-0007-NAME/`; its card `voice.json` tells `version`, `parent`, data, figures, licence and
date. `models/current.json` names the current voice and those that were current before it.
"""

import contextlib
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from kurdtts_lib.errors import VoiceError
from kurdtts_lib.files import ASIDE, read_json, write_json
from kurdtts_lib.settings import home
from kurdtts_lib.vits.health import CLIPPED_SHARE, SILENCE_DB
from kurdtts_lib.vits.voice import CARD, Voice, save_voice

CURRENT = "current.json"
FOLDER = re.compile(r"voice-(\d{4,})-(.+)")
NUMBER = re.compile(r"\.?voice-(\d{4,})")
KEEP = 3
"""Voices besides the current one that are kept: one has 150 MB, with its discriminator 340 MB."""
MUCH_WORSE = 1.15
"""A voice whose mel distance is this many times its parent's is not better in anything one would hear."""


@dataclass(frozen=True)
class Entry:
    """A voice of the registry."""

    version: int
    name: str
    folder: Path
    card: dict
    current: bool

    @property
    def faults(self) -> list[str]:
        """Why it may not become the current voice; empty for a good one."""
        return list(self.card.get("faults", []))


def models() -> Path:
    return home() / "models"


def voices() -> list[Entry]:
    """All voices, the newest last. A folder whose card cannot be read is not whole and is not listed."""
    current = _pointer().get("current")
    found = []
    for folder in models().glob("voice-*"):
        match = FOLDER.fullmatch(folder.name)
        if not (match and (folder / CARD).is_file() and (folder / "model.safetensors").is_file()):
            continue  # somebody's own folder, or half of one
        try:
            card = read_json(folder / CARD)
        except (OSError, ValueError) as error:
            warnings.warn(f"{folder / CARD} cannot be read ({error}), so this voice is not listed.", stacklevel=2)
            continue
        found.append(Entry(int(match[1]), match[2], folder, card, int(match[1]) == current))
    return sorted(found, key=lambda entry: entry.version)


def publish(
    voice: Voice,
    name: str,
    readme: Callable[[dict], str],
    samples: Mapping[str, np.ndarray] | None = None,
    texts: Mapping[str, str] | None = None,
    keep: int = KEEP,
) -> Entry:
    """Save `voice` as a new version and, if it has no faults, make it the current one. Old ones make room.

    `voice.card` must hold `faults` and `parent`; `version` is added. readme: the README of a card. samples, texts: as
    in `save_voice`.
    """
    with _new_version() as version:
        voice.card["version"] = version
        save_voice(voice, models() / f"voice-{version:04d}-{name}", readme(voice.card), samples, texts)
    if not voice.card["faults"]:
        use(version)
    prune(keep)
    return entry_of(version)


@contextlib.contextmanager
def _new_version() -> Iterator[int]:
    """A number that nobody has and nobody else gets, also not another process that asks at the same time."""
    models().mkdir(parents=True, exist_ok=True)
    while True:
        version = max(_numbers(), default=0) + 1
        reserved = models() / f".voice-{version:04d}"
        try:
            reserved.mkdir()
        except FileExistsError:
            continue
        if _numbers().count(version) == 1:
            break
        reserved.rmdir()  # another process finished this number after we had counted
    try:
        yield version
    finally:
        reserved.rmdir()


def _numbers() -> list[int]:
    return [int(match[1]) for path in models().iterdir() if (match := NUMBER.match(path.name))]


def entry_of(version: int) -> Entry:
    """Raises VoiceError, naming those there are, if there is no such version."""
    found = {entry.version: entry for entry in voices()}
    if version not in found:
        known = ", ".join(map(str, found)) or "none yet"
        raise VoiceError(f"There is no voice {version}. There are: {known}.")
    return found[version]


def place_of(source: str) -> str:
    """The folder of the voice with this number; what is no number is a folder or a hub name, and stays as it is.

    Raises VoiceError if there is no such version.
    """
    return str(entry_of(int(source)).folder) if source.isdecimal() else source


def version_of(source: str) -> int | None:
    """The number of the voice in the folder `source`; None for one that is not of this registry."""
    folder = Path(source).resolve()
    return next((entry.version for entry in voices() if entry.folder.resolve() == folder), None)


def current() -> Entry:
    """The current voice. Raises VoiceError if there is none, and says why."""
    found = voices()
    for entry in found:
        if entry.current:
            return entry
    raise VoiceError(why_no_current(found))


def why_no_current(found: Sequence[Entry]) -> str:
    """Why none of `voices()` is the current one, and what to do: a sentence that names no folder of this machine."""
    if not found:
        return "There is no fine-tuned voice yet. Train one: notebook 4, or `kurdtts train`."
    newest = found[-1]
    if newest.faults:
        return f"No voice is the current one. The newest, voice {newest.version}, may not be: {' '.join(newest.faults)}"
    return "No voice is the current one. Choose one: `kurdtts voices`, then `kurdtts voices use NUMBER`."


def use(version: int) -> Entry:
    """Make a voice the current one, in one step: readers see the old one or this one.

    Raises VoiceError if it does not exist or has faults.
    """
    chosen = entry_of(version)
    if chosen.faults:
        raise VoiceError(f"Voice {version} cannot become the current voice: {' '.join(chosen.faults)}")
    pointer = _pointer()
    if pointer.get("current") != version:
        before = [old for old in [*pointer["before"], pointer["current"]] if old not in (None, version)]
        write_json(models() / CURRENT, {"current": version, "before": before})
    return entry_of(version)


def rollback() -> Entry:
    """Make the voice current that was it before. Raises VoiceError if there is none."""
    there = {entry.version for entry in voices() if not entry.faults}
    before = [version for version in _pointer()["before"] if version in there]
    if not before:
        raise VoiceError("There is no earlier voice to go back to.")
    write_json(models() / CURRENT, {"current": before[-1], "before": before[:-1]})
    return entry_of(before[-1])


def prune(keep: int = KEEP) -> list[int]:
    """Delete all voices but the current one and the `keep` newest others; the versions that are gone.

    The newest voice without faults is never deleted, nor the one that a rollback would go to, whatever their age.
    """
    found = voices()
    good = [entry.version for entry in found if not entry.faults]
    before = [version for version in _pointer()["before"] if version in good]
    others = [entry for entry in found if not entry.current]
    spared = {entry.version for entry in others[len(others) - min(keep, len(others)) :]} | {*good[-1:], *before[-1:]}
    gone = []
    for entry in others:
        if entry.version not in spared:
            aside = entry.folder.with_name(f".{entry.folder.name}{ASIDE}")
            try:
                entry.folder.replace(aside)  # first: half of a voice must never look like one
            except PermissionError:  # Windows, while somebody listens to it: next time
                continue
            shutil.rmtree(aside, ignore_errors=True)
            gone.append(entry.version)
    return gone


class Likeness(Protocol):
    """What `faults_of` asks about a voice's speech, in means over sentences; `judging.Figures` has it, and more."""

    @property
    def sentences(self) -> int: ...
    @property
    def mel_distance(self) -> float: ...
    @property
    def loudness_difference_db(self) -> float: ...
    @property
    def clipped_share(self) -> float: ...


def faults_of(speech: Sequence[np.ndarray], after: Likeness, before: float, allowed: float) -> list[str]:
    """What forbids a voice, each in a sentence.

    speech: ordinary sentences it spoke, and its figures on them; before: its parent's mel distance on the same;
    allowed: how high its own may be.
    """
    if not all(np.isfinite(waveform).all() for waveform in speech) or not np.isfinite(after.mel_distance):
        return ["Its sound is not a number."]
    faults = []
    if after.loudness_difference_db < -SILENCE_DB:
        faults.append(f"It is almost silent: {-after.loudness_difference_db:.0f} dB quieter than the recordings.")
    if after.clipped_share > CLIPPED_SHARE:
        faults.append(f"It is too loud: {after.clipped_share:.1%} of its waves are cut off.")
    if after.mel_distance > allowed:
        faults.append(
            f"It is worse than the voice it came from: on {after.sentences} ordinary sentences its mel distance rose "
            f"from {before:.2f} to {after.mel_distance:.2f}; {allowed:.2f} is allowed."
        )
    return faults


def _pointer() -> dict:
    path = models() / CURRENT
    if not path.is_file():
        return {"current": None, "before": []}
    try:
        pointer = read_json(path)
        return {"current": pointer["current"], "before": list(pointer["before"])}
    except (ValueError, KeyError, TypeError) as error:
        raise VoiceError(
            f"{path} cannot be read ({error}). Delete it, and choose a voice again: `kurdtts voices use NUMBER`."
        ) from error
