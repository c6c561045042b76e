"""Atomic writes and locks: a reader sees the old file or the new one, never a partial one."""

import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kurdtts_lib.core.errors import KurdTTSError

LOCK = ".kurdtts-lock"


@contextmanager
def atomic_path(target: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it replaces `target`, on an error it is removed.

    durable: wait until the file is on disk. Otherwise a power cut (but not a killed program) may leave an empty file,
    which is acceptable for many small files that can be recreated.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_name(target)
    try:
        yield temporary
        if durable:
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())  # a power cut must not leave a renamed but empty file
        rename(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, busy: KurdTTSError | None = None) -> Iterator[None]:
    """Hold the lock of `folder`, which need not exist. It ends with the process, also after kill -9.

    If another program holds it, raise `busy`, or wait if that is None. The lock is a hidden file beside the folder; one
    left behind by a killed program is harmless.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}{LOCK}"), timeout=0 if busy else -1)
    try:
        lock.acquire()
    except Timeout:
        assert busy
        raise busy from None
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):  # Windows, where the release removes it
            Path(lock.lock_file).unlink(missing_ok=True)  # a waiting program notices and creates a new one
        lock.release()


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; on success it replaces `target`, on an error it is removed.

    A folder cannot be replaced in one step, so the old one is first set aside: if the program dies in that moment, it
    is left under a hidden name beside `target`. What must never be absent gets a folder of its own, as voices do.
    Raises KurdTTSError if another program keeps the folder open (Windows); nothing is lost then.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = _temporary_name(target), _temporary_name(target)
    temporary.mkdir()
    try:
        yield temporary
        with locked(target):
            if target.exists():
                rename(target, old)
            try:
                rename(temporary, target)
            finally:
                if old.exists() and not target.exists():
                    rename(old, target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def rename(source: Path, target: Path) -> None:
    """Rename; retry for five seconds, since on Windows a virus scanner may hold a file. Then raises KurdTTSError."""
    for _ in range(20):
        try:
            source.replace(target)
            return
        except PermissionError:
            time.sleep(0.25)
    raise KurdTTSError(f"{source} is in use. Close the programs and notebooks that use it, then try again.")


def check_own(folder: Path, *marks: str) -> None:
    """Raise KurdTTSError unless `folder` is new, empty, or contains one of our files `marks`."""
    ours = any((folder / mark).is_file() for mark in marks)
    if folder.exists() and not ours and not (folder.is_dir() and all(path.suffix == LOCK for path in folder.iterdir())):
        raise KurdTTSError(f"{folder} holds other files and would be replaced. Choose a new or empty folder.")


def _temporary_name(target: Path) -> Path:
    # tempfile creates files that only the user may read; these need ordinary permissions, so the name is made here
    return target.with_name(f".{target.stem}-{uuid.uuid4().hex[:12]}{target.suffix}")


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text with `\\n` line endings, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def read_text(source: Path) -> str:
    """The text of a file that a user wrote. Raises KurdTTSError if it cannot be read or is not UTF-8."""
    try:
        return source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise KurdTTSError(f"{source} cannot be read ({error}). Is it a text file? Save it as UTF-8.") from error


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. Raises ValueError for NaN and infinity, which are not JSON."""
    write_text(target, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(source: Path) -> Any:
    return json.loads(source.read_text(encoding="utf-8"))
