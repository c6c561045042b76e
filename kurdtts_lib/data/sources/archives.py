"""A Common Voice release as it is downloaded: one `.tar.gz`, unpacked once into a folder of the course."""

import gzip
import sys
import tarfile
import zlib
from pathlib import Path, PurePosixPath

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
    """The folder with the archive's `validated.tsv` and `clips`; unpacked unless it is there already.

    Raises CorpusError for a damaged archive, one with links, devices or paths that lead outside, another kind of
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
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise CorpusError(
            f"{archive} is damaged or was not downloaded to its end ({error}). Download it again."
        ) from error
    except OSError as error:
        raise CorpusError(
            f"{archive} cannot be unpacked into {folder}: {error}. If there is no space on the disk, make room, or set "
            "KURDTTS_HOME to another disk."
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
        releases = _extract(folder, unzipped)
        while unzipped.read(1 << 20):  # read to the end, where gzip verifies the checksum
            pass
    if len(releases) > 1:
        raise CorpusError(f"{archive} holds several releases. Unpack it and give the folder of one language.")
    if not (folder / "validated.tsv").is_file():
        raise CorpusError(f"{archive} holds no `validated.tsv`. A Common Voice release of one language is expected.")


def _extract(folder: Path, unzipped: gzip.GzipFile) -> set[PurePosixPath]:
    """Extract `validated.tsv` and the clips, nothing else; return the folders in the archive that have one of them."""
    releases = set()
    with tarfile.open(fileobj=unzipped, mode="r|") as members:
        while member := members.next():
            members.members.clear()  # type: ignore[attr-defined]  # tarfile keeps every member in memory
            member = tarfile.data_filter(member, str(folder))  # refuses links, devices and paths that lead outside
            path = PurePosixPath(member.name)
            kept = path.name if path.name == "validated.tsv" else f"clips/{path.name}"
            if member.isfile() and (kept == "validated.tsv" or path.parent.name == "clips"):
                releases.add(path.parent if kept == "validated.tsv" else path.parent.parent)
                members.extract(member.replace(name=kept), folder, filter="data")
    return releases
