"""Record a sentence or upload a recording of it; the kernel receives it complete, or an error is shown."""

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets

from kurdtts_lib.core.errors import AudioError, TakeError
from kurdtts_lib.core.files import read_json
from kurdtts_lib.feedback.takes import LONGEST_SECONDS, Take, take_of
from kurdtts_lib.widgets.markup import STATIC, module_source

MAX_UPLOAD_BYTES = 9 * 2**20
"""A message of 10 MiB or more closes a notebook's socket; a minute from the microphone is 5.8 MB at 48 kHz."""
LABELS: dict[str, dict[str, str]] = read_json(STATIC / "labels.json")
"""All texts that the recorder shows, by language. A speaker can correct the file without programming."""


class Recorder(anywidget.AnyWidget):
    """Shows a sentence and records it, as a part of another widget. The notebook never stores audio.

    text: the sentence; language: of the buttons and messages, "en" or "kmr"; on_take: called with each Take;
    on_clear: called when a take is discarded: another begins or fails to arrive, or the sentence is set.
    A recording stops after `LONGEST_SECONDS`, and a longer file is refused.
    """

    _esm = module_source("capture.js", "kernel.js", "panel.js", "recorder.js")
    _css = STATIC / "widgets.css"
    _sentence = traitlets.Unicode().tag(sync=True)
    _round = traitlets.Int(0).tag(sync=True)
    """Incremented with each sentence: a take says to which round it belongs."""
    _kept_seconds = traitlets.Float(0.0).tag(sync=True)
    """Length of the newest take; 0 while there is none."""
    _language = traitlets.Unicode().tag(sync=True)
    _labels = traitlets.Dict().tag(sync=True)
    _longest_seconds = traitlets.Float(LONGEST_SECONDS).tag(sync=True)
    _max_upload_bytes = traitlets.Int(MAX_UPLOAD_BYTES).tag(sync=True)

    def __init__(self, text: str, language: str, on_take: Callable[[Take], None], on_clear: Callable[[], None]) -> None:
        if language not in LABELS:
            raise ValueError(f"The recorder speaks {', '.join(LABELS)}, not {language!r}.")
        super().__init__(_sentence=text, _language=language, _labels=LABELS[language])
        self._on_take, self._on_clear = on_take, on_clear
        self.on_msg(self._receive)

    def show(self, text: str) -> None:
        """Show a sentence and clear the take, even if the sentence is the same."""
        with self.hold_sync():
            self._sentence, self._round = text, self._round + 1
            self._clear()

    def _clear(self) -> None:
        self._kept_seconds = 0.0
        self._on_clear()

    def _receive(self, _: object, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        """Handle the two messages of a page, both with `round`: `begin`, and later `take`, see `_received`."""
        current = message["round"] == self._round  # else it belongs to an earlier sentence
        if message["kind"] == "begin":
            if current:
                self._clear()  # a new recording replaces the take before it
            return
        reply = {"request": message["request"]}
        try:
            if not current:
                raise TakeError("The sentence changed meanwhile, so this take is not kept.", "text_changed")
            take = _received(message, b"".join(map(bytes, buffers)))
        except AudioError as error:
            if current:
                self._clear()
            self.send({**reply, "error": str(error), "code": getattr(error, "code", "")})
            return
        self._kept_seconds = take.seconds
        self.send({**reply, "result": take.seconds})
        self._on_take(take)


def _received(message: dict[str, Any], content: bytes) -> Take:
    """The take of a message with `source`, `sampling_rate` in Hz (0 for an upload) and `size`.

    content: a microphone's samples as little-endian int16, or an upload's bytes; `size` is their number. Raises
    AudioError if the content is incomplete or longer than announced, too long to use, or cannot be decoded.
    """
    recorded = message["source"] == "microphone"
    if not content or len(content) != message["size"] * (2 if recorded else 1):
        raise TakeError(f"The take did not arrive whole ({len(content)} bytes came); record again.", "incomplete")
    return take_of((np.frombuffer(content, "<i2"), message["sampling_rate"]) if recorded else content)
