"""A Common Voice release as it is downloaded: one `.tar.gz`, unpacked once into a folder of the course."""

import gzip
import sys
import tarfile
import zlib
from pathlib import Path

from tqdm import tqdm

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.files import atomic_folder, check_own, read_json, write_json
from kurdtts_lib.core.settings import home
from kurdtts_lib.data.sources.source import readable

SUFFIXES = (".tar.gz", ".tgz")
RECORD = "archive.json"
"""File in the unpacked folder that identifies its archive."""


def is_archive(source: str) -> bool:
    return source.lower().endswith(SUFFIXES)


def unpack(archive: Path) -> Path:
    """The archive's content, a Common Voice release; unpacked unless it is there already.

    Raises CorpusError for a damaged archive, one with devices, links or paths that lead outside, another kind of
    archive, or a full disk; nothing is left behind then.
    """
    suffix = next(suffix for suffix in SUFFIXES if archive.name.lower().endswith(suffix))
    folder = home() / "data" / f"extracted-{archive.name[: -len(suffix)]}"
    with readable(archive):
        fingerprint = _fingerprint(archive)
    if (folder / RECORD).is_file() and read_json(folder / RECORD) == fingerprint:
        return folder
    check_own(folder, RECORD)
    try:
        with atomic_folder(folder) as temporary:
            _unpack_into(temporary, archive)
            write_json(temporary / RECORD, fingerprint)
    except (OSError, tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise CorpusError(
            f"{archive} cannot be unpacked into {folder}: {error}. If it is damaged or was not downloaded to its end, "
            "download it again; if there is no space on the disk, make room, or set KURDTTS_HOME to another disk."
        ) from error
    return folder


def _fingerprint(archive: Path) -> dict:
    """Identify an archive without reading it all: a gzip file ends with the checksum of its content."""
    with archive.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 8))
        return {"archive": archive.name, "bytes": size, "checksum": file.read().hex()}


def _unpack_into(folder: Path, archive: Path) -> None:
    size, title = archive.stat().st_size, f"Unpacking {archive.name}"
    with (
        archive.open("rb") as file,
        tqdm.wrapattr(file, "read", size, desc=title, file=sys.stdout) as tracked,
        gzip.open(tracked) as unzipped,
    ):
        with tarfile.open(fileobj=unzipped, mode="r|") as members:
            while member := members.next():
                members.members.clear()  # type: ignore[attr-defined]  # tarfile keeps every member in memory
                members.extract(member, folder, filter="data")  # refuses what leads outside, and devices
        while unzipped.read(1 << 20):  # to the end, where gzip verifies the checksum
            pass
    if not any(common_voice(folder, level) for level in range(3)):
        raise CorpusError(f"{archive} holds no `validated.tsv`. A Common Voice release of one language is expected.")


def common_voice(folder: Path, level: int) -> Path | None:
    """`validated.tsv` of the folder, or of its only subfolder that has one, `level` below."""
    with readable(folder):
        tables = sorted(folder.glob("*/" * level + "validated.tsv"), key=Path.as_posix)
    if len(tables) > 1:
        names = ", ".join(path.parent.relative_to(folder).as_posix() for path in tables)
        raise CorpusError(f"{folder} holds several Common Voice releases: {names}. Give the folder of one of them.")
    return tables[0] if tables else None
