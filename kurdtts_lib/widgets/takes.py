"""A recording that a page sends in one message: accepted complete, or refused with an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kurdtts_lib.audio import io
from kurdtts_lib.core.errors import AudioError, TakeError
from kurdtts_lib.feedback.takes import LONGEST_SECONDS

MAX_UPLOAD_BYTES = 9 * 2**20
"""A message of 10 MiB or more closes a notebook's socket; a minute from the microphone is 5.8 MB at 48 kHz."""

Source = Literal["microphone", "upload"]


@dataclass(frozen=True, eq=False)
class Take:
    """A recording that arrived complete."""

    waveform: np.ndarray
    """(samples,), float32 in [-1, 1], mono, not writable."""
    sampling_rate: int
    """Hertz: that of the page or of the file."""
    source: Source
    original: bytes | None = None
    """The uploaded file, unchanged; None for a microphone."""

    @property
    def seconds(self) -> float:
        return len(self.waveform) / self.sampling_rate


def take_of(message: Mapping[str, Any], buffers: Sequence[Any]) -> Take:
    """The take of a message with `source`, `sampling_rate` in Hz (0 for an upload), `size` and one binary buffer.

    The buffer contains a microphone's samples as little-endian int16, or an upload's bytes; `size` is their number.
    Raises TakeError if the content is incomplete or longer than announced, too long to use, or cannot be decoded.
    """
    if len(buffers) != 1:
        raise _incomplete(f"it came with {len(buffers)} buffers instead of one")
    content, size = bytes(buffers[0]), message["size"]
    unit = 2 if message["source"] == "microphone" else 1
    if len(content) != unit * size:
        raise _incomplete(f"{len(content)} bytes came instead of {unit * size}")
    return _uploaded(content) if unit == 1 else _recorded(content, message["sampling_rate"])


def _recorded(content: bytes, sampling_rate: int) -> Take:
    if not content:
        raise _incomplete("it holds no sound at all")
    if not 4_000 <= sampling_rate <= 400_000:
        raise _incomplete(f"a microphone cannot have {sampling_rate} samples per second")
    _check_length(len(content) / 2 / sampling_rate)
    waveform = np.frombuffer(content, "<i2").astype(np.float32) / 32768
    return _take(waveform, sampling_rate, "microphone", None)


def _uploaded(file: bytes) -> Take:
    """The take of an uploaded file. Raises TakeError with the AudioError's sentence if it cannot be decoded."""
    try:
        _check_length(io.header(file)[0])  # before it is decoded: a small file can contain hours of silence
        channels, rate = io.read(file)
        if not len(channels):
            raise AudioError(f"This audio ({len(file)} bytes) holds no sound at all. Choose another file.")
    except TakeError:
        raise
    except AudioError as error:
        raise TakeError(str(error)) from error
    return _take(io.to_mono(channels), rate, "upload", file)


def _take(waveform: np.ndarray, rate: int, source: Source, original: bytes | None) -> Take:
    waveform.flags.writeable = False
    return Take(waveform, rate, source, original)


def _check_length(seconds: float) -> None:
    if seconds > LONGEST_SECONDS:
        message = f"A take can last {LONGEST_SECONDS:g} s at most, and this one is longer. Choose a shorter one."
        raise TakeError(message, "too_long")


def _incomplete(what: str) -> TakeError:
    return TakeError(f"The take did not arrive whole ({what}); record again.", "incomplete")
