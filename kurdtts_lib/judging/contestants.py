"""The voices that are judged, by names that can be told apart."""

from collections.abc import Iterable
from pathlib import Path

from kurdtts_lib import registry
from kurdtts_lib.cards import public_name
from kurdtts_lib.errors import VoiceError
from kurdtts_lib.judging.judge import RECORDING
from kurdtts_lib.settings import Profile
from kurdtts_lib.vits.voice import Voice, load_voice


def contestants(sources: Iterable[str | Path], profile: Profile) -> dict[str, Voice]:
    """Voices by name, in their order. A source is a folder, a number of `kurdtts voices`, or a name on the hub.

    Without any, the profile's base voice and the current voice. Raises VoiceError if one cannot be had.
    """
    wanted = [str(source) for source in sources] or [profile.base_voice, str(registry.current().folder)]
    voices: dict[str, Voice] = {}
    for source in wanted:
        place = registry.place_of(source)
        if not place.strip():
            raise VoiceError("A voice has no name. Give its folder, its number or its name on the hub.")
        voices[_free_name(public_name(place), voices)] = load_voice(place)
    return voices


def _free_name(name: str, taken: Iterable[str]) -> str:
    """`name`, with a number behind it if another voice has it."""
    taken = {*taken, RECORDING}
    return next(free for free in (name, *(f"{name} ({number})" for number in range(2, 1000))) if free not in taken)
