"""A Common Voice release as it is downloaded: one `.tar.gz`, unpacked once into a folder of the course."""

import errno
import gzip
import shutil
import sys
import tarfile
import warnings
import zlib
from pathlib import Path

from tqdm import tqdm

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.files import atomic_folder, check_own, read_json, write_json
from kurdtts_lib.core.settings import home
from kurdtts_lib.data.sources.base import is_inside, readable

SUFFIXES = (".tar.gz", ".tgz")
RECORD = "archive.json"
"""File in the unpacked folder that identifies its archive."""


def is_archive(source: str) -> bool:
    return source.lower().endswith(SUFFIXES)


def unpack(archive: Path) -> Path:
    """The folder with the archive's `validated.tsv` and `clips`; unpacked unless it is there already.

    Other files are skipped. Links, devices and paths outside the folder are refused, with one warning that counts them.
    Raises CorpusError for a damaged archive, another kind of archive, or a full disk; nothing is left behind then.
    """
    suffix = next(suffix for suffix in SUFFIXES if archive.name.lower().endswith(suffix))
    folder = home() / "data" / f"extracted-{archive.name[: -len(suffix)]}"
    with readable(archive):
        fingerprint = _fingerprint(archive)
    if not _is_unpacked(folder, fingerprint):
        check_own(folder, RECORD)
        try:
            with atomic_folder(folder) as temporary:
                refused = _unpack_into(temporary, archive)
                write_json(temporary / RECORD, fingerprint)
        except OSError as error:
            raise _no_space(archive, folder, error) from error
        if refused:
            warnings.warn(
                f"{archive.name}: {len(refused)} entries were refused, because they are links or devices or lie "
                f"outside; the first is {refused[0][:80]!r}.",
                stacklevel=2,
            )
    return folder


def _fingerprint(archive: Path) -> dict:
    """Identify an archive without reading it all: a gzip file ends with the checksum of its content."""
    with archive.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 8))
        return {"archive": archive.name, "bytes": size, "checksum": file.read().hex()}


def _is_unpacked(folder: Path, fingerprint: dict) -> bool:
    try:
        return read_json(folder / RECORD) == fingerprint
    except (OSError, ValueError):
        return False


def _unpack_into(folder: Path, archive: Path) -> list[str]:
    """Unpack the release; return the names of refused entries."""
    size, title = archive.stat().st_size, f"Unpacking {archive.name}"
    (folder / "clips").mkdir()
    try:
        with (
            archive.open("rb") as file,
            tqdm.wrapattr(file, "read", size, desc=title, file=sys.stdout) as tracked,
            gzip.open(tracked) as unzipped,
        ):
            refused = _extract_members(folder, archive, unzipped)
            while unzipped.read(1 << 20):  # read to the end, where gzip verifies the checksum
                pass
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise CorpusError(
            f"{archive} is damaged or was not downloaded to its end ({error}). Download it again."
        ) from error
    if not (folder / "validated.tsv").is_file():
        raise CorpusError(f"{archive} holds no `validated.tsv`. A Common Voice release of one language is expected.")
    return refused


def _extract_members(folder: Path, archive: Path, unzipped: gzip.GzipFile) -> list[str]:
    refused = []
    releases = set()
    with tarfile.open(fileobj=unzipped, mode="r|") as members:
        while member := members.next():
            members.members.clear()  # type: ignore[attr-defined]  # tarfile keeps every member in memory
            parts = tuple(part for part in member.name.split("/") if part not in ("", "."))
            inside = is_inside(member.name) and ":" not in member.name
            if member.isdir() and inside:
                continue
            if not inside or member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                refused.append(member.name)
                continue
            kept = 2 if parts[-2:-1] == ("clips",) else 1
            if kept == 1 and parts[-1:] != ("validated.tsv",):
                continue  # other tables
            releases.add(parts[:-kept])
            if len(releases) > 1:
                raise CorpusError(f"{archive} holds several releases. Unpack it and give the folder of one language.")
            content = members.extractfile(member)
            with (folder / Path(*parts[-kept:])).open("wb") as target:
                shutil.copyfileobj(content, target)  # type: ignore[arg-type]  # a regular file has content
    return refused


def _no_space(archive: Path, folder: Path, error: OSError) -> CorpusError:
    if error.errno == errno.ENOSPC:
        return CorpusError(
            f"There is no space on the disk to unpack {archive} into {folder}. It needs a little more than the "
            f"archive's own {archive.stat().st_size / 1e9:.1f} GB: make room, or set KURDTTS_HOME to another disk."
        )
    return CorpusError(f"{archive} cannot be unpacked into {folder}: {error}")
