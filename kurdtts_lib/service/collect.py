"""The page for contributors without a notebook: its files, and the sentences it shows."""

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from kurdtts_lib import widgets
from kurdtts_lib.core.errors import KurdTTSError, TextError
from kurdtts_lib.core.files import read_text
from kurdtts_lib.feedback.database import Correction
from kurdtts_lib.feedback.replay import certain_sentences
from kurdtts_lib.feedback.takes import speakable

OWN = Path(__file__).absolute().parent / "static"
RECORDER = Path(widgets.__path__[0]).absolute() / "static"
# Not the system's table: Windows' registry may have another type for JavaScript.
TYPES = {".css": "text/css", ".js": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml"}
FILES = {
    path.name: path
    for path in (
        *(OWN / name for name in ("collect.css", "collect.js", "icon.svg", "reader.js", "service.js", "words.json")),
        *(RECORDER / name for name in ("capture.js", "labels.json", "panel.js", "widgets.css")),
    )
}
"""By the name in the address `/collect/NAME`. No path is built from a client's input."""
PATHS = ("/collect", *(f"/collect/{name}" for name in FILES))
"""Requested by a browser before it can send a token: the page, without any data."""
HEADERS = {
    # blob: for the recorder's worklet, which is made from a string, and for the playback of recordings
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # the page changes with the version of the service
}
AT_ONCE = 50
"""Sentences sent to the page at a time; it requests more when it has shown them."""


def read_sentences(path: Path | None) -> tuple[str, ...]:
    """The sentences of a text file, one per line, each once; without a file those of the bundled sample.

    Raises KurdTTSError for a file that cannot be read or has no sentence, and for a sentence without a reading, whose
    line it names: contributors must not be shown one.
    """
    if path is None:
        return tuple(certain_sentences().values())
    found: dict[str, None] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if sentence := " ".join(line.split()):
            try:
                speakable(sentence)
            except TextError as error:
                raise KurdTTSError(f"{path}, line {number}: {error}") from error
            found[sentence] = None
    if not found:
        raise KurdTTSError(f"{path} holds no sentence. Write one a line.")
    return tuple(found)


def fewest_first(sentences: Iterable[str], corrections: Iterable[Correction]) -> list[str]:
    """The sentences with the fewest takes, ties in random order: simultaneous contributors get different ones."""
    takes = Counter(correction.text for correction in corrections)  # the text of a withdrawn one is empty
    shuffled = list(sentences)
    random.shuffle(shuffled)
    return sorted(shuffled, key=takes.__getitem__)[:AT_ONCE]
