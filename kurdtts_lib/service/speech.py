"""Speech for the service: finds voices, keeps them loaded, and encodes speech in the requested format."""

import functools
import itertools
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

from kurdtts_lib.core.errors import UnknownVoiceError, VoiceError
from kurdtts_lib.service.errors import ServiceError
from kurdtts_lib.speech import encode_sound, speak, stream
from kurdtts_lib.vits.voice import Voice, load_voice, split_speakers
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.registry import RegisteredVoice

log = logging.getLogger("kurdtts.service")
CACHED_VOICES = 2
"""Voices loaded at a time: the current one, and one that it is compared with. A full-size voice takes 150 MB."""
MEDIA_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "pcm": "audio/pcm",
}
_speaking = threading.Lock()
"""One text, or one clause of a stream, is spoken at a time: each uses all cores."""


def find_voice(source: str) -> tuple[RegisteredVoice, list[str]]:
    """The voice called `source`, `current` or as `registry.find` does, and the speakers that are named behind it.

    Raises ServiceError (404) if there is none.
    """
    name, speakers = split_speakers(source)
    try:
        entry = registry.current() if name == "current" else registry.find(name)
    except UnknownVoiceError as error:
        raise ServiceError(404, "no_voice" if name == "current" else "unknown_voice", str(error)) from error
    if not set(speakers) <= set(entry.card.speakers):
        known = ", ".join(entry.card.speakers) or "one speaker without a name"
        raise ServiceError(404, "unknown_speaker", f"Voice {entry.version} has {known}, not {'+'.join(speakers)}.")
    return entry, speakers


def current_voice() -> dict[str, str | None]:
    """`voice`: the name of the current voice's folder; `why`: why there is none. As HealthBody has them."""
    try:
        return {"voice": registry.current().folder.name, "why": None}
    except UnknownVoiceError as error:
        return {"voice": None, "why": str(error)}
    except VoiceError as error:
        log.error("a voice: %s", error)
        return {"voice": None, "why": "The list of voices cannot be read. The service's log says why."}


def speech_file(name: str, text: str, file_format: str, speed: float) -> bytes:
    """Speech as an audio file in `file_format`. speed: 2 takes half the time. Thread-safe.

    Raises ServiceError (404) for an unknown voice, TextError, and VoiceError for a damaged voice.
    """
    found = find_voice(name)
    with _speaking:
        voice = _load(*found)
        return encode_sound(speak(voice, text, speed=speed), voice.sampling_rate, file_format)


def raw_speech(name: str, text: str, speed: float) -> Iterator[bytes]:
    """`speech_file` in the format "pcm", clause by clause, as a stream. Other texts may be spoken between its clauses.

    Raises as `speech_file` does, at the call: the first clause is spoken before this returns.
    """
    chunks = _chunks(*find_voice(name), text, speed)
    return itertools.chain([next(chunks, b"")], chunks)


def _chunks(entry: RegisteredVoice, speakers: list[str], text: str, speed: float) -> Iterator[bytes]:
    with _speaking:
        voice = _load(entry, speakers)
    clauses = stream(voice, text, speed=speed)
    while True:
        with _speaking:
            clause = next(clauses, None)
        if clause is None:
            return
        yield encode_sound(clause.waveform, voice.sampling_rate, "pcm")


def _load(entry: RegisteredVoice, speakers: list[str]) -> Voice:
    source = ":".join(filter(None, [str(entry.folder), "+".join(speakers)]))
    try:
        return _loaded(source, (entry.folder / registry.WEIGHTS).stat().st_mtime_ns)
    except OSError as error:
        raise VoiceError(f"{entry.folder} was removed just now.") from error


@functools.lru_cache(CACHED_VOICES)
def _loaded(source: str, written: int) -> Voice:
    """written: time of the weights, so that a voice written anew is loaded anew."""
    voice = load_voice(source)
    voice.discriminator = None  # only training needs it, and it is larger than the voice
    log.info("loaded %s", Path(source).name)
    return voice
