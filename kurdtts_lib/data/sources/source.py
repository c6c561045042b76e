"""What all forms of a corpus have in common: rows that become clips, and columns that are found by their names."""

import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import KEPT, Clip
from kurdtts_lib.data.filters import Reason

ONE_SPEAKER = "one speaker"
"""The speaker of every clip of a corpus without speaker labels."""
NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"
"""Stands where a file holds what is not UTF-8."""
OUTSIDE = re.compile(r"^/|^[A-Za-z]:|\\|(^|/)\.\.(/|$)")
"""Names of files that leave their folder, on any system."""
# In order of preference. Names in one group are synonyms: two of them in one table are ambiguous, which is an error.
TEXT_NAMES = (
    ("sentence",),
    ("text", "transcription", "transcript"),
    ("raw_text", "original_text", "text_original"),
    ("normalized_text", "text_normalized", "normalized_transcription"),
)
SPEAKER_NAMES = (("client_id",), ("speaker_id",), ("speaker",), ("speaker_name",), ("reader_id",))
FILE_NAMES = (("file_name", "file", "filename"), ("path", "audio_path", "audio", "audio_file", "wav"))
Row = tuple[Mapping[str, Any], str]
"""Values by column, and a fault (a `Reason`) or an empty string."""


@dataclass(frozen=True)
class Source:
    """An opened corpus."""

    rows: Callable[[], Iterable[Row]]
    """All rows in the corpus's order. Raises CorpusError if reading fails on the way."""
    columns: Mapping[str, str]
    """The column of `audio`, of `sentence`, and of what else the corpus says: `speaker`, `age`, `gender`, votes.

    Audio is {bytes, path}, bytes, or the name of a file; a sentence is text, or the path of a text file.
    """
    folder: Path | None
    """Where files are looked up; None: names of files are of no use, as in a data set on the hub."""
    places: Sequence[str] = ("{}",)
    """Where below the folder a file may be, the likeliest place first."""
    licence: str = ""
    """Of the recordings, where the form implies it."""
    take: Callable[[list[int]], Iterable[Row]] | None = None
    """The rows with these ascending numbers, if the corpus can be read at any place."""

    def clips(self, numbers: Collection[int] | None = None) -> Iterator[Clip]:
        """The clips with these numbers (None: all) in the corpus's order; numbers beyond its end are ignored."""
        if numbers is None:
            chosen: Iterable[tuple[int, Row]] = enumerate(self.rows())
        elif self.take:
            chosen = zip(ordered := sorted(numbers), self.take(ordered), strict=False)
        else:
            rows = enumerate(islice(self.rows(), max(numbers, default=-1) + 1))
            chosen = (row for row in rows if row[0] in numbers)
        for number, (row, fault) in chosen:
            yield self._clip(number, row, fault)

    def _clip(self, number: int, row: Mapping[str, Any], fault: str) -> Clip:
        """A clip; never raises: a defect of the row becomes the clip's `reason`.

        A row without votes counts as accepted (two votes for it): such a corpus was checked by its makers.
        """
        values = {key: row.get(column) for key, column in self.columns.items()}
        audio, name, no_audio = self._audio(values["audio"])
        if isinstance(values["sentence"], Path):
            try:
                values["sentence"] = values["sentence"].read_text(encoding="utf-8-sig", errors="replace").strip()
            except OSError:
                fault = fault or Reason.CANNOT_READ
        texts: dict[str, Any] = {key: _text(values.get(key)) for key in ("speaker", "sentence", "age", "gender")}
        if "speaker" not in self.columns:
            texts["speaker"] = ONE_SPEAKER
        up_votes, down_votes = _votes(values.get("up_votes"), 2), _votes(values.get("down_votes"), 0)
        faults = {  # in order: the first that applies
            Reason.NO_TEXT: not texts["sentence"].strip(),
            Reason.NOT_UTF8: any(NO_CHARACTER in text for text in texts.values()),
            Reason.NO_SPEAKER: not texts["speaker"].strip(),
            Reason.NO_VOTES: up_votes is None or down_votes is None,
        }
        reason = fault or no_audio or next((one for one, holds in faults.items() if holds), KEPT)
        name = name or f"row-{number}"
        detail = "" if reason == KEPT else name
        votes: dict[str, Any] = {"up_votes": up_votes or 0, "down_votes": down_votes or 0}
        return Clip(number=number, name=name, audio=audio, reason=reason, detail=detail, **votes, **texts)

    def _audio(self, value: Any) -> tuple[bytes | Path, str, str]:
        """(audio, name, fault or empty)."""
        content, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, value)
        path = _text(path)
        if isinstance(content, bytes):
            return content, path.replace("\\", "/").rsplit("/", 1)[-1], ""
        if not path or self.folder is None:
            return b"", path, Reason.NO_AUDIO
        if OUTSIDE.search(path):
            return b"", path, Reason.OUTSIDE
        # File names may be in NFD (macOS) where the table is in NFC, or the reverse.
        forms = dict.fromkeys([path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))])
        candidates = (self.folder / place.format(form) for form in forms for place in self.places)
        # Not Path.is_file: it raises for a name that the system refuses, such as one of 300 characters.
        found = next(filter(os.path.isfile, candidates), None)
        return (found, path, "") if found else (b"", path, Reason.NO_AUDIO)


def _text(value: Any) -> str:
    """Empty for what is no text and no number; pandas writes NaN for a missing text."""
    if not isinstance(value, str | int | float) or value != value:
        return ""
    # A lone carriage return or NUL would break the CSV tables that are written later; JSON can hold lone surrogates,
    # which no file can.
    text = str(value).replace("\r", " ").replace("\0", " ")
    return text.encode("utf-8", errors="surrogatepass").decode("utf-8", errors="replace")


def _votes(value: Any, missing: int) -> int | None:
    """The number of votes: `missing` for an empty value, None for a value that is not a number."""
    try:
        return missing if _text(value) == "" else int(float(value))
    except (ValueError, OverflowError):
        return None


def find_columns(
    names: Sequence[str], settings: CorpusSettings, where: str, audio_names: Iterable[Sequence[str]] = FILE_NAMES
) -> dict[str, str]:
    """`Source.columns` by the settings or by usual names.

    where: the table's name for errors. Raises CorpusError if audio or text is not found, or is not clear.
    """

    def find(kind: str, columns: Sequence[str], groups: Iterable[Sequence[str]]) -> str:
        """The column that the setting names, or the first of the usual names; empty if there is no speaker."""
        if wanted := getattr(settings, f"{kind}_column"):
            groups = [[wanted]]
        found = next(filter(None, ([name for name in group if name in columns] for group in groups)), [])
        if len(found) == 1 or (kind == "speaker" and not wanted and not found):
            return "".join(found)
        problem = f"no column {wanted!r}." if wanted else f"no column that looks like its {kind}."
        problem = f"{' and '.join(found)}: which one is meant?" if found else problem
        shown = [name if len(name) <= 40 else f"{name[:40]}…" for name in names[:30]] + ["…"] * (len(names) > 30)
        raise CorpusError(
            f"{where} has {problem} Name the right one in the setting `{kind}_column`. Its columns are: "
            f"{', '.join(shown)}."
        )

    audio = find("audio", names, audio_names)
    others = [name for name in names if name != audio]
    found: dict[str, str] = {name: name for name in ("age", "gender", "up_votes", "down_votes") if name in others}
    found |= {"audio": audio, "sentence": find("text", others, TEXT_NAMES)}
    speaker = find("speaker", others, SPEAKER_NAMES)
    return found | ({"speaker": speaker} if speaker else {})


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Convert OSError while reading `path` into CorpusError."""
    try:
        yield
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error}. Check the disk and your rights to the file.") from error
