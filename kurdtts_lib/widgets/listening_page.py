"""The listening test as a folder: `index.html` opens from disk or from any web server, without other resources."""

from pathlib import Path

from kurdtts_lib.core.cards import render
from kurdtts_lib.core.files import atomic_folder, check_own, read_json
from kurdtts_lib.evaluation.listening.design import ListeningTest
from kurdtts_lib.evaluation.listening.store import FORMAT
from kurdtts_lib.widgets.markup import STATIC

LABELS: dict[str, dict[str, str]] = read_json(STATIC / "listening_labels.json")
"""All texts that the test shows, by language. A speaker can correct the file without programming."""
FILES = ("listening.js", "widgets.css")
MARK = "kurdtts-listening-test.txt"
ABOUT = """A blind listening test. Give this whole folder, and a code, to each listener: they open index.html, listen,
and send back the file answers-CODE.json, which their browser saves at the end. The folder does not tell which voice is
behind a sound.
"""


def write_folder(test: ListeningTest, folder: Path, language: str = "en") -> None:
    """Write the test for remote listeners into a folder that is new, empty, or contains an earlier test.

    Their answers come back as files, see `evaluation.listening.store`. Raises KurdTTSError for other files.
    """
    check_own(folder, MARK)
    key = test.key
    about = {"test": key.test, "format": FORMAT, "language": language, "labels": LABELS, "tests": key.public()}
    page = render("widgets/listening_page.html", about=about)
    with atomic_folder(folder) as temporary:
        (temporary / "audio").mkdir()
        for name, sound in test.sounds.items():
            (temporary / "audio" / f"{name}.wav").write_bytes(sound)
        for name in FILES:
            (temporary / name).write_bytes((STATIC / name).read_bytes())
        (temporary / MARK).write_text(ABOUT, encoding="utf-8", newline="\n")
        (temporary / "index.html").write_text(page, encoding="utf-8", newline="\n")
