"""Atomic writes and locks: a reader sees the old file or the new one, never half of one."""

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
    """Give a temporary path beside `target`; on success it replaces `target`, on an error it is removed.

    `durable` waits until the disk has it. Without, a power cut may leave an empty file (a killed program never does):
    for many small files that can be made again.
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
    """Hold the lock of `folder`, which need not exist; it ends with the process, also after kill -9.

    Where another program holds it, raise `busy`, or wait if there is none. The lock is a hidden file beside the folder;
    one that a killed program leaves behind does no harm.
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
            Path(lock.lock_file).unlink(missing_ok=True)  # another program that waits notices and makes a new one
        lock.release()


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside `target`; on success it takes the place of `target`.

    A folder cannot be replaced in one step, so the old one is set aside under a name of our own first. If the program
    dies between the two renames, the next writer puts it back, and `read_folder` finds it until then.
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
            _replace(target, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(target: Path, temporary: Path) -> None:
    try:
        if target.exists():
            rename(target, target.with_name(f".{target.name}-{uuid.uuid4().hex[:12]}{ASIDE}"))
        rename(temporary, target)
    finally:
        _put_back(target)
    for old in _set_aside(target):
        shutil.rmtree(old, ignore_errors=True)  # one that another program holds open goes at the next write


def _put_back(target: Path) -> None:
    """Put back the folder that was set aside when a program died. Deletes nothing. Only under the lock."""
    if not target.exists():
        for old in _set_aside(target)[-1:]:
            rename(old, target)


def _set_aside(target: Path) -> list[Path]:
    """Folders that were set aside for `target`, and not for one with a longer name, the newest last."""
    target = target.absolute()
    found = target.parent.glob(f".{glob.escape(target.name)}-{'[0-9a-f]' * 12}{ASIDE}")
    return sorted(found, key=lambda path: _identity(path) or ())


def _identity(folder: Path) -> tuple[int, int] | None:
    """When a file was last added to `folder`, and the file system's number for it; None if there is no such folder."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def read_folder(folder: Path, read: Callable[[Path], Content]) -> Content:
    """`read(folder)`, also while `folder` is being replaced: all of the old one or all of the new one.

    Between the two renames, and after a death there, the old one is read from where it was set aside. Nothing is
    renamed here. `read` is called again where the folder was another one before it had ended.
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


def _place(folder: Path) -> tuple[Path, tuple[int, int] | None]:
    """Where the content of `folder` is now, and what tells it from the content before or after it."""
    for place in (folder, *_set_aside(folder)[-1:]):
        if identity := _identity(place):
            return place, identity
    return folder, None


def rename(source: Path, target: Path) -> None:
    """Rename; on Windows a virus scanner or a player may hold a file for a moment, so try for five seconds."""
    for _ in range(20):
        try:
            source.replace(target)
            return
        except PermissionError:
            time.sleep(0.25)
    raise KurdTTSError(f"{source} is in use. Close the programs and notebooks that use it, then try again.")


def check_own(folder: Path, *marks: str) -> None:
    """Raise KurdTTSError unless `folder` is new, empty, or holds one of `marks`: others' files are not ours."""
    ours = any((folder / mark).is_file() for mark in marks)
    if folder.exists() and not ours and not (folder.is_dir() and all(path.suffix == LOCK for path in folder.iterdir())):
        raise KurdTTSError(f"{folder} holds other files and would be replaced. Choose a new or empty folder.")


def _temporary_name(target: Path) -> Path:
    # tempfile's own files are private to the user; these become ordinary ones, so the name is made here
    return target.with_name(f".{target.stem}-{uuid.uuid4().hex[:12]}{target.suffix}")


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text with `\\n` line ends, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN is refused: other readers could not read it back."""
    write_text(target, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(source: Path) -> Any:
    return json.loads(source.read_text(encoding="utf-8"))
