"""Corpora in a folder with audio files: one table of texts, or a text file beside each audio file.

Lines of tables end at a line feed only, so that a damaged one (invalid UTF-8, NUL, a lone carriage return, an unmatched
quotation mark) does not affect its neighbours. Empty lines are skipped.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path

from kurdtts_lib.core.cards import CC0
from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.filters import Reason
from kurdtts_lib.data.sources.parquet import open_parquet
from kurdtts_lib.data.sources.source import FILE_NAMES, NO_CHARACTER, TEXT_NAMES, Row, Source, find_columns, readable

# The second line cannot be decoded: such clips are listed too, so that they are counted as undecodable, not missed.
AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga", ".aif", ".aiff", ".au", ".caf", ".w64"}
    | {".m4a", ".mp4", ".aac", ".webm", ".wma", ".amr"}
)


def open_folder(folder: Path, settings: CorpusSettings) -> Source:
    """The corpus in a folder. Raises CorpusError, listing the folder's files, if no format fits."""
    for table in (_common_voice(folder, 0), folder / "metadata.csv"):
        if table and table.is_file():
            return open_table(table, settings)
    if table := _common_voice(folder, 1) or _common_voice(folder, 2):
        return open_table(table, settings)
    files = _files(folder)
    if parquet := [path for path in files if path.suffix.lower() == ".parquet"]:
        return open_parquet(parquet, settings, f"The table in {folder}", folder)
    if pairs := open_pairs(folder, files):
        return pairs
    kinds = Counter(path.suffix.lower() or "no suffix" for path in files).most_common(8)
    raise CorpusError(
        f"{folder} has no corpus in a form that is known. Looked for: Common Voice (`validated.tsv` with `clips`), "
        "`metadata.csv`, Parquet files, and sound files with their texts beside them "
        f"(`a.wav`, `a.txt`). The folder holds {', '.join(f'{n} × {kind}' for kind, n in kinds) or 'no files at all'}."
    )


def _common_voice(folder: Path, level: int) -> Path | None:
    """`validated.tsv` of the folder, or of its only subfolder that has one, `level` below."""
    with readable(folder):
        tables = sorted(folder.glob("*/" * level + "validated.tsv"), key=Path.as_posix)
    if len(tables) > 1:
        names = ", ".join(path.parent.relative_to(folder).as_posix() for path in tables)
        raise CorpusError(f"{folder} holds several Common Voice releases: {names}. Give the folder of one of them.")
    return tables[0] if tables else None


def _files(folder: Path) -> list[Path]:
    """All files below the folder except hidden ones, in an order that is the same on every system."""
    with readable(folder):
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [folder / name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def open_pairs(folder: Path, files: list[Path]) -> Source | None:
    """Audio and text files of the same name; a clip for each audio file, and for each text alone. None without a pair.

    files: those below the folder, in the order of the clips.
    """
    texts = [path for path in files if path.suffix.lower() == ".txt"]
    text_of = {path.with_suffix(""): path for path in reversed(texts)}  # of a.TXT and a.txt the first
    sounds = {path for path in files if path.suffix.lower() in AUDIO_SUFFIXES}
    alone = set(texts) - {text_of.get(path.with_suffix("")) for path in sounds}
    if len(alone) == len(texts):
        return None

    def rows() -> Iterator[Row]:
        for path in files:
            if path in sounds or path in alone:
                text = path if path in alone else text_of.get(path.with_suffix(""), "")
                row = {"audio": path.relative_to(folder).as_posix(), "sentence": text}
                yield row, Reason.NO_AUDIO if path in alone else ""

    return Source(rows, {"audio": "audio", "sentence": "sentence"}, folder)


def open_table(table: Path, settings: CorpusSettings) -> Source:
    """`validated.tsv` of Common Voice, or `metadata.csv`.

    Cells of `metadata.csv` stand between `|` (no quoting) or `,` (quoted where spreadsheets do); its first line names
    the columns, or is `file|text` already. Raises CorpusError if the columns are not found.
    """
    where, licence = str(table), ""
    places: tuple[str, ...] = ("{}", "wavs/{}", "{}.wav", "wavs/{}.wav")  # LJSpeech's table has no suffixes
    first_line, head = next(_lines(table), ""), 1
    if NO_CHARACTER in first_line:
        raise CorpusError(f"{table} does not begin with UTF-8 text. Save it as UTF-8, then try again.")
    delimiter = "," if "," in first_line and "|" not in first_line else "|"
    if table.suffix == ".tsv":
        delimiter, places, licence = "\t", ("clips/{}",), CC0
    else:
        where = f"{table}, of which lines of `file|text` or a first line that names the columns are expected,"
    names = [name.strip() for name in _cells(first_line, delimiter)]
    usual = {*chain(*FILE_NAMES, *TEXT_NAMES), settings.audio_column, settings.text_column}
    if delimiter == "|" and len(names) == 2 and not usual.issuperset(names):
        names, head = ["file", "sentence"], 0
    columns = find_columns(names, settings, where)
    parse = partial(_parse_cells, names, delimiter)
    return Source(lambda: map(parse, islice(_lines(table), head, None)), columns, table.parent, places, licence)


def _lines(table: Path) -> Iterator[str]:
    """Bytes that are not UTF-8 become `NO_CHARACTER`."""
    with readable(table), table.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
        for line in file:
            if content := line.removesuffix("\n").removesuffix("\r"):
                yield content


def _parse_cells(names: list[str], delimiter: str, line: str) -> Row:
    """A line of a delimited table; a faulty one with the cells that could be read."""
    cells = _cells(line, delimiter)
    return dict(zip(names, cells, strict=False)), "" if len(cells) == len(names) else Reason.DAMAGED_LINE


def _cells(line: str, delimiter: str) -> list[str]:
    """No cells if quotation marks are unmatched: the cell may go on in the next line, and would be truncated."""
    if delimiter != ",":
        return line.split(delimiter)
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error:
        return []
