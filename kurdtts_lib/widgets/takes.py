"""A recording that arrives in numbered pieces: put together whole, or refused aloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kurdtts_lib import audio
from kurdtts_lib.errors import AudioError, TakeError

LONGEST_SECONDS = 600
"""Ten minutes: nobody reads one sentence for longer, and at 48 kHz this is 58 MB of memory."""
MAX_UPLOAD_BYTES = 128 * 2**20
"""Ten minutes of stereo WAV at 48 kHz and 16 bits are 115 MB."""
MAX_OPEN = 8
"""Takes under way at once, each from a browser window of its own; a window that was reloaded leaves one unfinished."""

Source = Literal["microphone", "upload"]


@dataclass(frozen=True, eq=False)
class Take:
    """A recording that arrived whole."""

    waveform: np.ndarray
    """(samples,), float32 in [-1, 1], mono, not writable."""
    sampling_rate: int
    """Hertz: the device's or the file's own."""
    source: Source
    original: bytes | None = None
    """Of an upload the file as it was; None for a microphone."""

    @property
    def seconds(self) -> float:
        return len(self.waveform) / self.sampling_rate


def incomplete(what: str) -> TakeError:
    return TakeError(f"The take did not arrive whole ({what}); record again.", "incomplete")


@dataclass
class _Transfer:
    """A take under way."""

    source: Source
    sampling_rate: int
    round: int
    longest_seconds: float
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0
    broken: bool = False

    @property
    def limit(self) -> int:
        """Bytes; a second more than the longest take, because the browser stops at the end of a piece."""
        if self.source == "upload":
            return MAX_UPLOAD_BYTES
        return 2 * round(self.sampling_rate * (self.longest_seconds + 1))


class Receiver:
    """Puts takes together from the messages of a page. Messages of several takes may come interleaved.

    A page sends dictionaries, each with its `kind` and with `take`, a name of its own choice:
    `start`: `source`, `sampling_rate` in Hz (of an upload 0), `round`.
    `chunk`: `number` from 0, and one binary buffer: little-endian int16 of a microphone, the file's bytes of an upload.
    `end`: `chunks`, their count, and `size`, all samples of a microphone, all bytes of an upload.
    `cancel`: nothing more will come.
    """

    def __init__(self, longest_seconds: float = LONGEST_SECONDS) -> None:
        self.round = 0
        self._longest_seconds = longest_seconds
        self._open: dict[str, _Transfer] = {}

    def new_round(self) -> None:
        """Another sentence is to be read: whatever is under way belongs to the old one."""
        self.round += 1

    def receive(self, message: Mapping[str, Any], buffers: Sequence[Any]) -> Take | None:
        """Take one message; gives the take that it completed.

        Raises TakeError, once a take, as soon as something is missing, double or too much.
        """
        name, kind = str(message["take"]), message["kind"]
        if kind == "start":
            self._start(name, message)
        elif kind == "cancel":
            self._open.pop(name, None)
        else:
            transfer = self._open.get(name)
            if transfer is None:
                raise incomplete("its beginning is missing")
            if kind == "end":
                del self._open[name]
            if not transfer.broken:
                return self._go_on(transfer, message, buffers)
        return None

    def _start(self, name: str, message: Mapping[str, Any]) -> None:
        while len(self._open) >= MAX_OPEN:
            del self._open[next(iter(self._open))]
        source, rate = message["source"], message["sampling_rate"]
        self._open[name] = transfer = _Transfer(source, rate, message["round"], self._longest_seconds, broken=True)
        self._check_round(transfer)
        if source == "microphone" and not 4_000 <= rate <= 400_000:
            raise incomplete(f"a microphone cannot have {rate} samples per second")
        transfer.broken = False

    def _go_on(self, transfer: _Transfer, message: Mapping[str, Any], buffers: Sequence[Any]) -> Take | None:
        transfer.broken = True  # until this message is found good
        self._check_round(transfer)
        if message["kind"] == "end":
            return _finish(transfer, message["chunks"], message["size"])
        _add(transfer, message["number"], buffers)
        transfer.broken = False
        return None

    def _check_round(self, transfer: _Transfer) -> None:
        if transfer.round != self.round:
            raise TakeError("The sentence changed meanwhile, so this take is not kept. Record again.", "text_changed")


def _add(transfer: _Transfer, number: int, buffers: Sequence[Any]) -> None:
    if number != len(transfer.chunks):
        raise incomplete(f"piece {len(transfer.chunks) + 1} is missing, piece {number + 1} came")
    if len(buffers) != 1:
        raise incomplete(f"piece {number + 1} came with {len(buffers)} buffers instead of one")
    chunk = bytes(buffers[0])
    if transfer.source == "microphone" and len(chunk) % 2:
        raise incomplete(f"piece {number + 1} is cut in the middle of a sample")
    transfer.size += len(chunk)
    transfer.chunks.append(chunk)
    if transfer.size > transfer.limit:
        transfer.chunks.clear()
        raise _too_big() if transfer.source == "upload" else _too_long(transfer.longest_seconds)


def _finish(transfer: _Transfer, chunks: int, size: int) -> Take:
    unit = 2 if transfer.source == "microphone" else 1
    if (len(transfer.chunks), transfer.size) != (chunks, unit * size):
        got = f"{len(transfer.chunks)} pieces with {transfer.size // unit}"
        raise incomplete(f"{got} {'samples' if unit == 2 else 'bytes'} came of {chunks} with {size}")
    whole = b"".join(transfer.chunks)
    if transfer.source == "upload":
        return _uploaded(whole, transfer.longest_seconds)
    return _recorded(whole, transfer.sampling_rate)


def _recorded(whole: bytes, sampling_rate: int) -> Take:
    if not whole:
        raise incomplete("it holds no sound at all")
    waveform = np.frombuffer(whole, "<i2").astype(np.float32) / 32768
    return _take(waveform, sampling_rate, "microphone", None)


def _uploaded(file: bytes, longest_seconds: float) -> Take:
    """Raises TakeError with the AudioError's own sentence where the file cannot be decoded."""
    try:
        if audio.header(file)[0] > longest_seconds:  # before it is decoded: a small file can hold hours of silence
            raise _too_long(longest_seconds)
        channels, rate = audio.read(file)
        if not len(channels):
            raise AudioError(f"This audio ({len(file)} bytes) holds no sound at all. Choose another file.")
    except TakeError:
        raise
    except AudioError as error:
        raise TakeError(str(error)) from error
    return _take(audio.to_mono(channels), rate, "upload", file)


def _take(waveform: np.ndarray, rate: int, source: Source, original: bytes | None) -> Take:
    waveform.flags.writeable = False
    return Take(waveform, rate, source, original)


def _too_long(longest_seconds: float) -> TakeError:
    message = f"A take can last {longest_seconds:g} s at most, and this one is longer. Choose a shorter one."
    return TakeError(message, "too_long")


def _too_big() -> TakeError:
    return TakeError(f"The file is larger than {MAX_UPLOAD_BYTES // 2**20} MB. Choose a smaller one.", "too_big")
