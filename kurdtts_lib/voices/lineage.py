"""The origin of a voice: profile, data and base voice of its training."""

import dataclasses
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.files import read_json
from kurdtts_lib.core.settings import Profile, home, load_profile
from kurdtts_lib.core.training_settings import PRESETS

if TYPE_CHECKING:
    from kurdtts_lib.voices.registry import RegisteredVoice

LOCAL = "local.json"
"""Folders on this computer, relative if under the home. Not on the card, because cards may be published."""


@dataclass(frozen=True)
class Origin:
    """Content of `local.json`. A folder under the home begins with `./`."""

    profile: str
    """`Profile.key`."""
    data: str
    """The folder of prepared data."""
    base_voice: str
    """A folder, or a name on the hub; empty: the profile's base voice."""


def read_origin(folder: Path) -> Origin | None:
    """The origin of the voice in `folder`; None if unknown, as for voices of an earlier version, or unreadable."""
    path = folder / LOCAL
    if not path.is_file():
        return None
    try:
        return Origin(**read_json(path))
    except (OSError, ValueError, TypeError) as error:
        warnings.warn(f"{path} cannot be read ({error}): where this voice comes from is not known.", stacklevel=2)
        return None


def origin_of(profile: Profile, parent: "RegisteredVoice | None") -> Origin:
    """The origin of a voice that was trained with `profile`. parent: its base voice, if that is in the registry."""
    base = _profile_of(parent, parent.origin).base_voice if parent and parent.origin else profile.base_voice
    own = base == _built_in(profile.key).base_voice
    return Origin(profile.key, _portable(profile.prepared_dir), "" if own else _portable(base))


def profile_of(entry: "RegisteredVoice", asked: str | None = None, data_dir: Path | None = None) -> Profile:
    """The profile for work on the voice `entry`: by default the one that it was trained with, on the same data.

    asked: a profile, as `load_profile` takes it. data_dir: prepared data.
    Raises VoiceError if these contradict the voice's origin, or if that is unknown and no profile is asked for.
    """
    if entry.origin is None:
        if asked is None:
            raise VoiceError(
                f"Voice {entry.version} does not say which profile it was trained with. Name it: --profile sample, "
                "--profile full, or --profile with the folder of the recordings."
            )
        return dataclasses.replace(load_profile(asked), data_dir=data_dir)
    own = _profile_of(entry, entry.origin)
    key = own.key if asked is None else load_profile(asked).key
    check_profile(entry, dataclasses.replace(own, key=key, data_dir=data_dir or own.data_dir))
    return own


def check_profile(entry: "RegisteredVoice", profile: Profile) -> None:
    """Raise VoiceError if the voice is known to be trained with another profile or on other prepared data."""
    if entry.origin is None:
        return
    own = _profile_of(entry, entry.origin)
    for what, trained, asked in (
        ("with the profile", own.key, profile.key),
        ("on the data in", own.prepared_dir.resolve(), profile.prepared_dir.resolve()),
    ):
        if asked != trained:
            raise VoiceError(
                f"Voice {entry.version} was trained {what} {trained}, not {asked}. Take its own (in a notebook by "
                "PROFILE; a command without --profile and --data-dir does it by itself), or choose another voice: "
                "`kurdtts voices use NUMBER`."
            )


def common_profile(entries: Iterable["RegisteredVoice"], asked: str | None, data_dir: Path | None) -> Profile:
    """The profile for comparing voices: the one asked for, or the one that all of `entries` were trained with.

    Raises VoiceError if none is asked for and their origins differ or are all unknown.
    """
    if asked is not None or data_dir:
        return dataclasses.replace(load_profile("full" if asked is None else asked), data_dir=data_dir)
    known = {entry.origin: entry for entry in entries if entry.origin}
    if len(known) != 1:
        what = "come from different data" if known else "do not say which data they come from"
        raise VoiceError(f"These voices {what}. Name the data to compare them on: --profile or --data-dir.")
    (entry,) = known.values()
    return profile_of(entry)


def _profile_of(entry: "RegisteredVoice", origin: Origin) -> Profile:
    built_in, trained = _built_in(origin.profile), entry.card.settings
    computed = {name: trained[name] for name in PRESETS["cpu"] if name in trained}  # of the training machine
    return dataclasses.replace(
        built_in,
        key=origin.profile,
        name=entry.name,
        base_voice=_from_portable(origin.base_voice) or built_in.base_voice,
        training=dataclasses.replace(built_in.training, **computed),
        data_dir=Path(_from_portable(origin.data)),
    )


def _built_in(key: str) -> Profile:
    """The built-in profile `key`; for a corpus folder, `full`."""
    return load_profile("sample" if key == "sample" else "full")


def _portable(location: str | Path) -> str:
    """A folder under the home as `./...`, any other folder as an absolute path, a hub name unchanged."""
    folder = Path(location)
    if isinstance(location, str) and not folder.is_dir():
        return location
    if folder.resolve().is_relative_to(home().resolve()):
        return f"./{folder.resolve().relative_to(home().resolve()).as_posix()}"
    return str(folder.absolute())


def _from_portable(text: str) -> str:
    return str(home() / text) if text.startswith("./") else text
