"""The registry of the voices made on this computer: numbered, each with its parent and metrics, one of them current.

A voice is stored in `models/voice-0007-NAME/`, with its `VoiceCard`. `models/current.json` names the current voice and
those that were current before it.
"""

import dataclasses
import json
import re
import shutil
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kurdtts_lib.core.errors import UnknownVoiceError, VoiceError
from kurdtts_lib.core.files import locked, read_json, write_json
from kurdtts_lib.core.settings import home
from kurdtts_lib.vits.voice import CARD, Voice, save_voice, split_speakers
from kurdtts_lib.voices.card import VoiceCard
from kurdtts_lib.voices.lineage import LOCAL, Origin, read_origin

CURRENT = "current.json"
FOLDER = re.compile(r"voice-(\d{4,})-(.+)")
NUMBER = re.compile(r"^\.?voice-(\d{4,})", re.MULTILINE)
"""Also of a folder that is being written or removed: its number is not given again."""
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class RegisteredVoice:
    """A voice of the registry."""

    version: int
    name: str
    folder: Path
    card: VoiceCard
    current: bool
    origin: Origin | None = None
    """None if unknown."""

    @property
    def faults(self) -> list[str]:
        """Why it may not become the current voice; empty if it may."""
        return self.card.faults


def models() -> Path:
    return home() / "models"


def voices() -> list[RegisteredVoice]:
    """All voices, the newest last. A folder without weights or without a readable card is not listed."""
    current, found = _history()[-1:], []
    for folder in models().glob("voice-*"):
        match = FOLDER.fullmatch(folder.name)
        if not (match and (folder / CARD).is_file() and (folder / WEIGHTS).is_file()):
            continue  # incomplete, or not a voice of the registry
        try:
            card = VoiceCard.of(read_json(folder / CARD))
        except (OSError, ValueError, AttributeError) as error:
            warnings.warn(f"{folder / CARD} cannot be read ({error}), so this voice is not listed.", stacklevel=2)
            continue
        found.append(
            RegisteredVoice(int(match[1]), match[2], folder, card, int(match[1]) in current, read_origin(folder))
        )
    return sorted(found, key=lambda entry: entry.version)


def publish(
    voice: Voice,
    name: str,
    readme: Callable[[VoiceCard], str],
    samples: Mapping[str, np.ndarray] | None = None,
    texts: Mapping[str, str] | None = None,
    origin: Origin | None = None,
) -> RegisteredVoice:
    """Save `voice` as a new version, and make it the current one if it has no faults.

    `voice.card`: the content of its card; `version` and `profile` are added. readme: makes the README
    from the card. samples, texts: as in `save_voice`.
    """
    with locked(models()):  # another process that publishes waits, and gets the next number
        version = max(map(int, NUMBER.findall("\n".join(path.name for path in models().glob("*")))), default=0) + 1
        added: dict[str, Any] = {"version": version}
        if origin:
            added["profile"] = origin.profile
            local = json.dumps(dataclasses.asdict(origin), ensure_ascii=False, indent=2) + "\n"
            texts = {**(texts or {}), LOCAL: local}
        card = VoiceCard.of(voice.card | added)
        voice.card = card.content()
        save_voice(voice, models() / f"voice-{version:04d}-{name}", readme(card), samples, texts)
        if not card.faults:
            use(version)
    return find(str(version))


def find(name: str, advice: str = "") -> RegisteredVoice:
    """The voice with this number, folder name or name, which is never used as a path.

    Raises UnknownVoiceError, with the numbers of the voices and the `advice`, unless there is exactly one.
    """
    entries = voices()
    exact = [entry for entry in entries if name in (str(entry.version), entry.folder.name)]
    found = exact or [entry for entry in entries if entry.name == name]
    if len(found) == 1:
        return found[0]
    what = f"Several voices have the name {name}. Give a number" if found else f"There is no voice {name}. There are"
    numbers = ", ".join(str(entry.version) for entry in found or entries) or "none yet"
    raise UnknownVoiceError(f"{what}: {numbers}.{advice}")


def folder_of(source: str | Path | None) -> str:
    """The folder or hub name, for `load_voice`, of the voice that a user calls `source`; None is the current voice.

    source: a number of `kurdtts voices`; a folder; a voice's name or the name of its folder in `models`; or a name on
    the hub; each with the speakers to speak as, if any (`3:berfin`). Raises UnknownVoiceError for a number or a name
    that no voice has, or that several have.
    """
    if source is None:
        return str(current().folder)
    name, speakers = split_speakers(source)
    if speakers:
        return f"{folder_of(None if name == 'current' else name)}:{'+'.join(speakers)}"
    if not name.isdecimal() and (re.search(r"^\.|[/\\]", name) or (name.strip() and Path(name).is_dir())):
        return name  # a folder, or OWNER/NAME on the hub
    return str(find(name, " A name on the hub has an owner: OWNER/NAME.").folder)


def known(sources: Iterable[str | Path]) -> list[RegisteredVoice]:
    """Those of the voices `sources` that are in this registry. Raises VoiceError as `folder_of`."""
    folders = {Path(split_speakers(folder_of(source))[0]).resolve() for source in sources}
    return [entry for entry in voices() if entry.folder.resolve() in folders]


def current() -> RegisteredVoice:
    """The current voice. Raises UnknownVoiceError if there is none: why, and what to do, without a local folder."""
    found = voices()
    for entry in found:
        if entry.current:
            return entry
    why = "No voice is the current one. Choose one: `kurdtts voices`, then `kurdtts voices use NUMBER`."
    if not found:
        why = "There is no fine-tuned voice yet. Train one: notebook 4, or `kurdtts train`."
    elif faults := found[-1].faults:
        why = f"No voice is the current one. The newest, voice {found[-1].version}, may not be: {' '.join(faults)}"
    raise UnknownVoiceError(why)


def use(version: int, anyway: bool = False) -> RegisteredVoice:
    """Make a voice the current one, atomically. anyway: also one with faults.

    Raises VoiceError if it does not exist, or has faults.
    """
    chosen = find(str(version))
    if chosen.faults and not anyway:
        raise VoiceError(
            f"Voice {version} has faults: {' '.join(chosen.faults)} To use it: `kurdtts voices use {version} --anyway`."
        )
    _write_history([*(old for old in _history() if old != version), version])
    return find(str(version))


def rollback() -> RegisteredVoice:
    """Make the previous current voice current again. Raises VoiceError if there is none."""
    there = {entry.version for entry in voices()}
    before = [version for version in _history()[:-1] if version in there]
    if not before:
        raise VoiceError("There is no earlier voice to go back to.")
    _write_history(before)
    return find(str(before[-1]))


def remove(entry: RegisteredVoice) -> bool:
    """Delete a voice that is not the current one; False if another program has it open (Windows) or removed it."""
    aside = entry.folder.with_name(f".{entry.folder.name}.removed")
    try:
        entry.folder.replace(aside)  # first: a half-deleted folder must not look like a voice
    except (PermissionError, FileNotFoundError):
        return False
    shutil.rmtree(aside, ignore_errors=True)
    history = _history()
    if entry.version in history[:-1]:  # the next voice may get this number again
        _write_history([old for old in history if old != entry.version])
    return True


def _history() -> list[int]:
    """The versions that were current, each once, the present one last."""
    path = models() / CURRENT
    if not path.is_file():
        return []
    try:
        pointer = read_json(path)
        return [*pointer["before"], pointer["current"]]
    except (ValueError, KeyError, TypeError) as error:
        raise VoiceError(
            f"{path} cannot be read ({error}). Delete it, and choose a voice again: `kurdtts voices use NUMBER`."
        ) from error


def _write_history(versions: Sequence[int]) -> None:
    write_json(models() / CURRENT, {"current": versions[-1], "before": versions[:-1]})
