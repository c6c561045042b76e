"""Atomic writes and locks: a reader sees the old file or the new one, never a partial one."""

import contextlib
import glob
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from kurdtts_lib.core.errors import KurdTTSError

ASIDE = ".kurdtts-old"
LOCK = ".kurdtts-lock"
Content = TypeVar("Content")


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

    A folder cannot be replaced in one step, so the old one is first set aside under a hidden name. If the program dies
    between the two renames, the next writer puts it back, and `read_folder` finds it until then.
    Raises KurdTTSError if another program keeps the folder open (Windows); nothing is lost then.
    """
    target = target.absolute()
    with locked(target):
        _put_back(target)
    temporary = _temporary_name(target)
    temporary.mkdir()
    try:
        yield temporary
        with locked(target):
            try:
                if target.exists():
                    rename(target, target.with_name(f".{target.name}-{time.time_ns() // 10**6:012x}{ASIDE}"))
                rename(temporary, target)
            finally:
                _put_back(target)
            for old in _set_aside(target):
                shutil.rmtree(old, ignore_errors=True)  # one that is held open is removed at the next write
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_back(target: Path) -> None:
    """Put back the folder that was set aside when a program died. Deletes nothing. The caller must hold the lock."""
    if not target.exists():
        for old in _set_aside(target)[-1:]:
            rename(old, target)


def _set_aside(target: Path) -> list[Path]:
    """Folders that were set aside for `target` (not for a folder with a longer name), the newest last."""
    target = target.absolute()
    return sorted(target.parent.glob(f".{glob.escape(target.name)}-{'[0-9a-f]' * 12}{ASIDE}"))


def read_folder(folder: Path, read: Callable[[Path], Content]) -> Content:
    """`read(folder)`, also while `folder` is being replaced: all of the old version or all of the new one.

    Between the two renames, or if the writer died there, the old version is read from where it was set aside. Nothing
    is renamed here. `read` is called again if the folder was replaced while it ran.
    """
    while True:
        found = _place(folder)
        try:
            content = read(found[0])
        except KurdTTSError:
            if _place(folder) == found:
                raise
        else:
            if _place(folder) == found:
                return content


def _place(folder: Path) -> tuple[Path, object]:
    """Where the content of `folder` is now, and what differs between its versions."""
    for place in (folder, *_set_aside(folder)[-1:]):
        with contextlib.suppress(OSError):
            status = place.stat()
            return place, (status.st_mtime_ns, status.st_ino)  # the time changes when a file is added
    return folder, None


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
