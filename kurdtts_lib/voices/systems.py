"""The voices that are evaluated, by distinct names."""

from collections.abc import Iterable
from pathlib import Path

from kurdtts_lib.core.cards import public_name
from kurdtts_lib.core.settings import Profile
from kurdtts_lib.evaluation.evaluate import RECORDING, System, system_of
from kurdtts_lib.vits.voice import load_voice
from kurdtts_lib.voices import registry


def load_systems(sources: Iterable[str | Path], profile: Profile) -> dict[str, System]:
    """Voices by name, in the given order. sources: as in `registry.folder_of`.

    Without any, the profile's base voice and the current voice. Raises VoiceError if one cannot be loaded.
    """
    systems: dict[str, System] = {}
    for place in [registry.folder_of(source) for source in sources] or [profile.base_voice, registry.folder_of(None)]:
        systems[_free_name(public_name(place), systems)] = system_of(load_voice(place))
    return systems


def _free_name(name: str, taken: Iterable[str]) -> str:
    """`name`, followed by a number if another voice has it."""
    taken = {*taken, RECORDING}
    return next(free for free in (name, *(f"{name} ({number})" for number in range(2, 1000))) if free not in taken)
