"""Speech for the service: which voice, kept loaded, and in the form that was asked for."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator

from kurdtts_lib import registry
from kurdtts_lib.errors import VoiceError
from kurdtts_lib.registry import Entry
from kurdtts_lib.service.failures import ServiceError
from kurdtts_lib.synthesis import encode_sound, speak, stream
from kurdtts_lib.vits.voice import Voice, load_voice

log = logging.getLogger("kurdtts.service")
CACHED_VOICES = 2
"""Loaded at a time: the current one, and one that it is compared with. A full-size voice has 150 MB."""
MEDIA_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "pcm": "audio/pcm",
}


def find_voice(name: str) -> Entry:
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
    """Loads voices and speaks; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: OrderedDict[tuple[str, int], Voice] = OrderedDict()

    def speech(self, name: str, text: str, file_format: str, speed: float) -> bytes:
        """`text` as a file. Raises ServiceError for an unknown voice, TextError, VoiceError for a damaged voice."""
        voice = self._voice(find_voice(name))
        return encode_sound(speak(voice, text, speed=speed), voice.model.config.sampling_rate, file_format)

    def raw_speech(self, name: str, text: str, speed: float) -> Iterator[bytes]:
        """`speech` in the form "pcm", clause by clause. Raises at once what `speech` does."""
        voice = self._voice(find_voice(name))
        clauses = stream(voice, text, speed=speed)
        return (encode_sound(clause.waveform, voice.model.config.sampling_rate, "pcm") for clause in clauses)

    def _voice(self, entry: Entry) -> Voice:
        with self._lock:
            try:
                key = (entry.folder.name, (entry.folder / "model.safetensors").stat().st_mtime_ns)
            except OSError as error:
                raise VoiceError(f"{entry.folder} was removed just now.") from error
            voice = self._loaded.pop(key, None)
            if voice is None:
                voice = load_voice(entry.folder)
                voice.discriminator = None  # only training needs it, and it is larger than the voice
                log.info("loaded %s", entry.folder.name)
            self._loaded[key] = voice  # at the end: used last
            while len(self._loaded) > CACHED_VOICES:
                self._loaded.popitem(last=False)
            return voice
