"""Speech for the service: finds voices, keeps them loaded, and encodes speech in the requested format."""

import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.service.errors import RETRY_SECONDS, ServiceError
from kurdtts_lib.speech import encode_sound, speak, stream
from kurdtts_lib.vits.voice import Voice, load_voice
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


def find_voice(name: str) -> RegisteredVoice:
    """The voice called `name`: `current`, or a voice of the registry as `registry.named` finds it.

    Raises ServiceError (404) unless there is exactly one.
    """
    entries = registry.voices()
    if name == "current":
        found = next((entry for entry in entries if entry.current), None)
        if found is None:
            raise ServiceError(404, "no_voice", registry.why_no_current(entries))
        return found
    matching = registry.named(name, entries)
    if len(matching) == 1:
        return matching[0]
    known = ", ".join(str(entry.version) for entry in matching or entries) or "none yet"
    what = "Several voices have this name" if matching else "There is no such voice"
    raise ServiceError(404, "unknown_voice", f"{what}. There are: {known}.")


class Speaker:
    """Loads voices and speaks, one text at a time. Thread-safe."""

    def __init__(self) -> None:
        self._speaking, self._counting, self._waiting = threading.Lock(), threading.Lock(), 0
        self._loaded: OrderedDict[tuple[str, int], Voice] = OrderedDict()

    def speech(self, name: str, text: str, file_format: str, speed: float) -> bytes:
        """Speech as an audio file in `file_format`. speed: 2 takes half the time.

        Raises ServiceError for an unknown voice (404) or if too many texts wait (503), TextError, and VoiceError for a
        damaged voice.
        """
        entry = find_voice(name)
        with self._queued(), self._speaking:
            voice = self._voice(entry)
            return encode_sound(speak(voice, text, speed=speed), voice.model.config.sampling_rate, file_format)

    def raw_speech(self, name: str, text: str, speed: float) -> Iterator[bytes]:
        """`speech` in the format "pcm", clause by clause, as a stream. Other texts may be spoken between its clauses.

        Raises as `speech` does, at the call: the first clause is spoken before this returns.
        """
        entry = find_voice(name)
        with self._queued(), self._speaking:
            voice = self._voice(entry)
            rate = voice.model.config.sampling_rate
            clauses = (encode_sound(one.waveform, rate, "pcm") for one in stream(voice, text, speed=speed))
            first = next(clauses, b"")
        return itertools.chain([first], self._remaining(clauses))

    def _remaining(self, clauses: Iterator[bytes]) -> Iterator[bytes]:
        with self._queued(refuse=False):
            while True:
                with self._speaking:
                    chunk = next(clauses, None)
                if chunk is None:
                    return
                yield chunk

    @contextmanager
    def _queued(self, refuse: bool = True) -> Iterator[None]:
        with self._counting:
            if refuse and self._waiting >= MOST_WAITING:
                message = f"{MOST_WAITING} texts are waiting to be spoken. Try again in a moment."
                raise ServiceError(503, "busy", message, {"Retry-After": str(RETRY_SECONDS)})
            self._waiting += 1
        try:
            yield
        finally:
            with self._counting:
                self._waiting -= 1

    def _voice(self, entry: RegisteredVoice) -> Voice:
        try:
            key = (entry.folder.name, (entry.folder / "model.safetensors").stat().st_mtime_ns)
        except OSError as error:
            raise VoiceError(f"{entry.folder} was removed just now.") from error
        voice = self._loaded.pop(key, None)
        if voice is None:
            voice = load_voice(entry.folder)
            voice.discriminator = None  # only training needs it, and it is larger than the voice
            log.info("loaded %s", entry.folder.name)
        self._loaded[key] = voice  # at the end: most recently used
        while len(self._loaded) > CACHED_VOICES:
            self._loaded.popitem(last=False)
        return voice
