"""A blind listening test in a notebook; `listening_page` writes the same test as a folder."""

from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.evaluation.listening.design import ListeningTest
from kurdtts_lib.evaluation.listening.store import ListeningStore, SubmittedAnswer
from kurdtts_lib.widgets.listening_page import LABELS
from kurdtts_lib.widgets.markup import STATIC, Shown, module_source


class ListeningWidget(Shown, anywidget.AnyWidget):
    """Tests one listener after the other; each answer is on disk before the next stimulus. The same code continues.

    The page never receives the system of a stimulus. Neither audio nor answers are stored in the notebook's file.
    code: prefills the field, ListeningError if unknown; language: "en" or "kmr", which the listener may change.
    """

    _esm = module_source("kernel.js", "listening.js", "listening_widget.js")
    _css = STATIC / "widgets.css"
    _labels = traitlets.Dict().tag(sync=True)
    _language = traitlets.Unicode().tag(sync=True)
    _code = traitlets.Unicode().tag(sync=True)

    def __init__(self, test: ListeningTest, store: ListeningStore, code: str = "", language: str = "en") -> None:
        if language not in LABELS:
            raise ValueError(f"The listening test speaks {', '.join(LABELS)}, not {language!r}.")
        if code:
            test.key.plan(code)
        super().__init__(_labels=LABELS, _language=language, _code=code)
        self._test, self._store = test, store
        store.keep(test.key)
        self.on_msg(self._receive)

    def _receive(self, _: object, message: dict[str, Any], __: Sequence[Any]) -> None:
        """Answer a request of the page: {kind, request, ...} gets {request, result}, a buffer, or {request, error}."""
        reply: dict[str, Any] = {"request": message["request"]}
        sounds: list[bytes] = []
        try:
            match message["kind"]:
                case "open":
                    reply["result"] = self._open(message["code"])
                case "sound":
                    sounds = [self._test.sounds[message["sound"]]]
                case "answer":
                    given = SubmittedAnswer(**message["given"])
                    reply["result"] = self._store.add(self._test.key.test, message["code"], [given])
        except KurdTTSError as error:
            reply["error"] = str(error)
        self.send(reply, buffers=sounds)

    def _open(self, code: str) -> dict[str, Any] | None:
        key = self._test.key
        return key.public(code) | {"answered": self._store.answered(key.test, code)} if code in key.plans else None

    def static_html(self) -> str:
        return "<p>The listening test works while the notebook runs: run this cell.</p>"
