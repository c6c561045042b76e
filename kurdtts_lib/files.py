"""Atomic writes: a reader sees the old file or the new one, never half of one."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`; on success it replaces `target`, on an error it is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_name(target)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())  # a power cut must not leave a renamed but empty file
        Path(temporary).replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside `target`; on success it takes the place of `target`.

    A folder cannot be replaced in one step, so the old one is renamed to `<name>.old` first. If the program
    dies between the two renames, `recover_folder` finds it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    recover_folder(target)
    temporary = _temporary_name(target)
    temporary.mkdir()
    old = _old_name(target)
    try:
        yield temporary
        if target.exists():
            Path(target).replace(old)
        Path(temporary).replace(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        recover_folder(target)


def recover_folder(target: Path) -> None:
    """Finish an `atomic_folder` that died between its two renames."""
    old = _old_name(target)
    if old.exists():
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            Path(old).replace(target)


def _temporary_name(target: Path) -> Path:
    # tempfile's own files are private to the user; these become ordinary ones, so the name is made here
    return target.with_name(f".{target.stem}-{uuid.uuid4().hex[:12]}{target.suffix}")


def _old_name(target: Path) -> Path:
    return target.with_name(target.name + ".old")


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text with `\\n` line ends, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN is refused: other readers could not read it back."""
    write_text(target, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(source: Path) -> Any:
    return json.loads(source.read_text(encoding="utf-8"))
