"""Atomic writes: a reader sees the old file or the new one, never half of one."""

import glob
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kurdtts_lib.errors import KurdTTSError

ASIDE = ".kurdtts-old"


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
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside `target`; on success it takes the place of `target`.

    A folder cannot be replaced in one step, so the old one is set aside under a name of our own first. If the program
    dies between the two renames, `recover_folder` puts it back.
    Raises KurdTTSError if another program keeps the folder open (Windows); nothing is lost then.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    recover_folder(target)
    temporary = _temporary_name(target)
    temporary.mkdir()
    aside = target.with_name(f".{target.name}-{uuid.uuid4().hex[:12]}{ASIDE}")
    try:
        yield temporary
        if target.exists():
            rename(target, aside)
        rename(temporary, target)
    finally:
        recover_folder(target)
        shutil.rmtree(temporary, ignore_errors=True)
    for old in _set_aside(target):
        shutil.rmtree(old, ignore_errors=True)  # one that another program holds open goes at the next write


def recover_folder(target: Path) -> None:
    """Put back a folder that `atomic_folder` had set aside when the program died. Deletes nothing."""
    if not target.exists():
        for old in _set_aside(target)[-1:]:
            rename(old, target)


def _set_aside(target: Path) -> list[Path]:
    """Folders that were set aside for `target`, the newest last."""
    found = target.absolute().parent.glob(f".{glob.escape(target.absolute().name)}-*{ASIDE}")
    return sorted(found, key=lambda path: path.stat().st_mtime)


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
    ours = folder.is_dir() and (any((folder / mark).is_file() for mark in marks) or not any(folder.iterdir()))
    if folder.exists() and not ours:
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
