"""Detects the format of a corpus folder; and the format without a table: pairs of audio and text files."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.filters import Reason
from kurdtts_lib.data.sources.base import ONE_SPEAKER, Source, SourceClip, make_clip, readable
from kurdtts_lib.data.sources.parquet import open_parquet
from kurdtts_lib.data.sources.tables import CommonVoice, MetadataCsv, MetadataJsonl

# The second line cannot be decoded: such clips are listed too, so that they are counted as undecodable, not missed.
AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga", ".aif", ".aiff", ".au", ".caf", ".w64"}
    | {".m4a", ".mp4", ".aac", ".webm", ".wma", ".amr"}
)


def open_folder(folder: Path, settings: CorpusSettings, with_audio: bool) -> Source:
    """The corpus in a folder. Raises CorpusError, listing the folder's files, if no format fits."""
    if table := _common_voice_table(folder, levels=0):
        return CommonVoice(table, settings)
    if (folder / "metadata.csv").is_file():
        return MetadataCsv(folder / "metadata.csv", settings)
    if (folder / "metadata.jsonl").is_file():
        return MetadataJsonl(folder / "metadata.jsonl", settings)
    if table := _common_voice_table(folder, levels=2):
        return CommonVoice(table, settings)
    files = _files(folder)
    if parquet := [path for path in files if path.suffix.lower() == ".parquet"]:
        return open_parquet(folder, parquet, settings, with_audio)
    pairs = Pairs(folder, files)
    if not pairs.any_complete():
        raise CorpusError(
            f"{folder} has no corpus in a form that is known. Looked for: Common Voice (`validated.tsv` with `clips`), "
            "`metadata.csv` or `metadata.jsonl`, Parquet files, and sound files with their texts beside them "
            f"(`a.wav`, `a.txt`). The folder holds {_content(files)}."
        )
    return pairs


def _common_voice_table(folder: Path, levels: int) -> Path | None:
    """`validated.tsv` of the folder, or of the only subfolder that has one, at most `levels` below."""
    for level in range(levels + 1):
        with readable(folder):
            tables = sorted(folder.glob("/".join(["*"] * level + ["validated.tsv"])), key=Path.as_posix)
        if len(tables) > 1:
            names = ", ".join(path.parent.relative_to(folder).as_posix() for path in tables)
            raise CorpusError(f"{folder} holds several Common Voice releases: {names}. Give the folder of one of them.")
        if tables:
            return tables[0]
    return None


def _files(folder: Path) -> list[Path]:
    """All files below the folder except hidden ones, in an order that is the same on every system."""
    with readable(folder):
        found = [path for path in folder.rglob("*") if path.is_file()]
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    return [folder / name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def _content(files: list[Path]) -> str:
    if not files:
        return "no files at all"
    kinds = Counter(path.suffix.lower() or "no suffix" for path in files)
    listed = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common(8))
    return f"{len(files)} files: {listed}{' …' if len(kinds) > 8 else ''}"


class Pairs(Source):
    """Audio and text files of the same name, subfolders included; one clip per name, ordered by name."""

    def __init__(self, folder: Path, files: list[Path]) -> None:
        self._folder = folder
        text_files = [path for path in files if path.suffix.lower() == ".txt"]
        texts = {path.with_suffix(""): path for path in reversed(text_files)}  # of a.TXT and a.txt the first
        audio_files = [path for path in files if path.suffix.lower() in AUDIO_SUFFIXES]
        used = {texts.get(path.with_suffix("")) for path in audio_files}
        unpaired = [path for path in text_files if path not in used]
        # (audio, text); one of them may be missing
        pairs = [(path, texts.get(path.with_suffix(""))) for path in audio_files] + [(None, path) for path in unpaired]
        self._pairs: list[tuple[Path | None, Path | None]] = sorted(pairs, key=lambda pair: self._name(*pair))

    def any_complete(self) -> bool:
        return any(audio and text for audio, text in self._pairs)

    def _name(self, audio: Path | None, text: Path | None) -> str:
        named = audio or text
        assert named is not None
        return named.relative_to(self._folder).as_posix()

    def _entries(self) -> Iterator[tuple[Path | None, Path | None]]:
        return iter(self._pairs)

    def _clip(self, number: int, entry: tuple[Path | None, Path | None]) -> SourceClip:
        audio, text = entry
        sentence, fault = _read_text(text) if text else ("", Reason.NO_TEXT_FILE)
        if audio is None:
            fault = fault or Reason.NO_AUDIO_FILE
        row = {"sentence": sentence, "client_id": ONE_SPEAKER}
        return make_clip(number, self._name(audio, text), audio or b"", row, fault)


def _read_text(path: Path) -> tuple[str, str]:
    """(text, fault or empty)."""
    try:
        return path.read_bytes().decode("utf-8-sig").strip(), ""
    except UnicodeDecodeError:
        return "", Reason.NOT_UTF8
    except OSError:
        return "", Reason.UNREADABLE
