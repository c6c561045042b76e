"""Speech for the service: finds voices, keeps them loaded, and encodes speech in the requested format."""

import functools
import itertools
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kurdtts_lib.core.errors import UnknownVoiceError, VoiceError
from kurdtts_lib.service.errors import ServiceError, unavailable
from kurdtts_lib.speech import encode_sound, speak, stream
from kurdtts_lib.vits.voice import Voice, load_voice, split_speakers
from kurdtts_lib.voices import registry
from kurdtts_lib.voices.registry import RegisteredVoice

log = logging.getLogger("kurdtts.service")
CACHED_VOICES = 2
"""Voices loaded at a time: the current one, and one that it is compared with. A full-size voice takes 150 MB."""
MOST_WAITING = 40
"""Texts that wait or are being spoken: a school class that clicks at once. A text of maximal length takes minutes."""
MEDIA_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "pcm": "audio/pcm",
}


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


class Speaker:
    """Speaks, one text at a time. Thread-safe."""

    def __init__(self) -> None:
        self._speaking, self._places = threading.Lock(), threading.Semaphore(MOST_WAITING)

    def speech(self, name: str, text: str, file_format: str, speed: float) -> bytes:
        """Speech as an audio file in `file_format`. speed: 2 takes half the time.

        Raises ServiceError for an unknown voice (404) or if too many texts wait (503), TextError, and VoiceError for a
        damaged voice.
        """
        found = find_voice(name)
        with self._place(), self._speaking:
            voice = _load(*found)
            return encode_sound(speak(voice, text, speed=speed), voice.model.config.sampling_rate, file_format)

    def raw_speech(self, name: str, text: str, speed: float) -> Iterator[bytes]:
        """`speech` in the format "pcm", clause by clause, as a stream. Other texts may be spoken between its clauses.

        Raises as `speech` does, at the call: the first clause is spoken before this returns.
        """
        chunks = self._chunks(*find_voice(name), text, speed)
        return itertools.chain([next(chunks, b"")], chunks)

    def _chunks(self, entry: RegisteredVoice, speakers: list[str], text: str, speed: float) -> Iterator[bytes]:
        with self._place():
            with self._speaking:
                voice = _load(entry, speakers)
            clauses = stream(voice, text, speed=speed)
            while True:
                with self._speaking:
                    clause = next(clauses, None)
                if clause is None:
                    return
                yield encode_sound(clause.waveform, voice.model.config.sampling_rate, "pcm")

    @contextmanager
    def _place(self) -> Iterator[None]:
        """A place among those that wait. Raises ServiceError (503) if there is none."""
        if not self._places.acquire(blocking=False):
            raise unavailable("busy", f"{MOST_WAITING} texts are waiting to be spoken. Try again in a moment.")
        try:
            yield
        finally:
            self._places.release()


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
