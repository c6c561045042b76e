"""Record a sentence or upload a recording of it; the kernel receives it complete, or an error is shown."""

import html
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from kurdtts_lib.core.errors import AudioError, KurdTTSError, TakeError
from kurdtts_lib.core.files import read_json
from kurdtts_lib.feedback.takes import LONGEST_SECONDS, Take, take_of
from kurdtts_lib.widgets.markup import ShownPage

STATIC = Path(__file__).absolute().parent / "static"
CHANGED = "text_changed"
MAX_UPLOAD_BYTES = 9 * 2**20
"""A message of 10 MiB or more closes a notebook's socket; a minute from the microphone is 5.8 MB at 48 kHz."""
LABELS: dict[str, dict[str, str]] = read_json(STATIC / "labels.json")
"""All texts that the recorder shows, by language. A speaker can correct the file without programming."""


def module_source() -> str:
    """The JavaScript as one module, because a widget is sent as one file.

    In the folder `static` it is three: a web page imports `panel.js` from there. Only the import lines are removed.
    """
    parts = [(STATIC / name).read_text(encoding="utf-8") for name in ("capture.js", "panel.js", "recorder.js")]
    return "\n".join(re.sub(r'^import .* from "\./\w+\.js";\n', "", part, flags=re.MULTILINE) for part in parts)


class Recorder(ShownPage):
    """Shows a sentence and records it; displayed as the last expression of a cell. The notebook never stores audio.

    text: the sentence; language: of the buttons and messages, "en" or "kmr"; on_take: called with each Take.
    A recording stops after `LONGEST_SECONDS`, and a longer file is refused.
    """

    _esm = module_source()
    _css = STATIC / "recorder.css"
    _sentence = traitlets.Unicode().tag(sync=True)
    _round = traitlets.Int(0).tag(sync=True)
    """Incremented with each sentence: a take says to which round it belongs."""
    _kept_seconds = traitlets.Float(0.0).tag(sync=True)
    """Length of the newest take; 0 while there is none."""
    _language = traitlets.Unicode().tag(sync=True)
    _labels = traitlets.Dict().tag(sync=True)
    _longest_seconds = traitlets.Float(LONGEST_SECONDS).tag(sync=True)
    _max_upload_bytes = traitlets.Int(MAX_UPLOAD_BYTES).tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    """Shown below the buttons, for example the result of a check. Cleared when a new take begins."""

    def __init__(self, text: str = "", language: str = "en", on_take: Callable[[Take], None] | None = None) -> None:
        if language not in LABELS:
            raise ValueError(f"The recorder speaks {', '.join(LABELS)}, not {language!r}.")
        super().__init__(_sentence=text, _language=language, _labels=LABELS[language])
        self._take: Take | None = None
        self._error: TakeError | None = None
        self._callbacks: list[Callable[[Take], None]] = [on_take] if on_take else []
        self.on_msg(self._receive)

    @property
    def text(self) -> str:
        """The sentence. Setting it clears the take, even if the new sentence is the same."""
        return self._sentence

    @text.setter
    def text(self, text: str) -> None:
        with self.hold_sync():
            self._sentence, self._round = text, self._round + 1
            self._clear()

    @property
    def take(self) -> Take | None:
        """The newest take; None before the first one. Raises TakeError, which says what to do, if the newest failed."""
        if self._error is not None:
            raise TakeError(str(self._error), self._error.code)
        return self._take

    def on_take(self, callback: Callable[[Take], None]) -> None:
        """Call `callback` with every complete take. A KurdTTSError that it raises is shown as `message`."""
        self._callbacks.append(callback)

    def on_clear(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a take is discarded: another begins or fails to arrive, or the sentence is set."""
        self.observe(lambda change: None if change["new"] else callback(), "_kept_seconds")

    def _clear(self, error: TakeError | None = None) -> None:
        self._take, self._error = None, error
        self._kept_seconds, self.message = 0.0, ""

    def _receive(self, _: object, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        """Handle the two messages of a page, both with `round`: `begin`, and later `take`, see `_received`."""
        if message["kind"] == "begin":
            if message["round"] == self._round:
                self._clear()  # a new recording replaces the take before it
            return
        try:
            if message["round"] != self._round:
                raise TakeError("The sentence changed meanwhile, so this take is not kept. Record again.", CHANGED)
            take = _received(message, b"".join(map(bytes, buffers)))
        except TakeError as error:
            if error.code != CHANGED:  # it belongs to an earlier sentence; for the current one nothing has failed
                self._clear(error)
            self.send({"kind": "failed", "take": message["take"], "code": error.code, "detail": str(error)})
            return
        self._take, self._error, self._kept_seconds = take, None, take.seconds
        self.send({"kind": "received", "take": message["take"], "seconds": take.seconds})
        try:
            for callback in self._callbacks:
                callback(take)
        except KurdTTSError as error:
            self.message = str(error)

    def static_html(self) -> str:
        sentence = f'<p lang="kmr" style="font-size:1.4em;margin:4px 0">{html.escape(self.text)}</p>'
        return f"<div>{sentence}<p>The recorder works while the notebook runs: run this cell.</p></div>"


def _received(message: dict[str, Any], content: bytes) -> Take:
    """The take of a message with `source`, `sampling_rate` in Hz (0 for an upload) and `size`.

    content: a microphone's samples as little-endian int16, or an upload's bytes; `size` is their number. Raises
    TakeError if the content is incomplete or longer than announced, too long to use, or cannot be decoded.
    """
    recorded = message["source"] == "microphone"
    if not content or len(content) != message["size"] * (2 if recorded else 1):
        raise TakeError(f"The take did not arrive whole ({len(content)} bytes came); record again.", "incomplete")
    try:
        return take_of((np.frombuffer(content, "<i2"), message["sampling_rate"]) if recorded else content)
    except AudioError as error:
        raise TakeError(str(error), getattr(error, "code", "")) from error
