"""Checkpoints: a training's whole state in one file, written atomically; only the newest few are kept."""

import pickle
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.files import atomic_path

FORMAT = 2
FOLDER = "checkpoints"
BEST = "best.pt"


def random_state() -> dict[str, Any]:
    """The state of the generators that a training step draws from: torch's, for the CPU and this process's GPU."""
    return {"torch": torch.get_rng_state(), "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []}


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Restore what `random_state` returned. If it was saved without a GPU, the GPU's generator keeps its seed."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and state["cuda"]:
        torch.cuda.set_rng_state(state["cuda"][0])


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.stem.removeprefix("step-"))


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of the training in `folder`, the newest last."""
    return sorted((folder / FOLDER).glob("step-*.pt"), key=step_of)


def save_step(folder: Path, step: int, state: Mapping[str, Any], keep: int) -> None:
    """`save_checkpoint` for `step`, then delete all but the newest `keep`."""
    save_checkpoint(folder / FOLDER / f"step-{step:06d}.pt", state)
    for old in checkpoints(folder)[:-keep]:
        _delete(old)


def delete_partial_files(folder: Path) -> None:
    """Delete the incomplete files of a killed process: at a gigabyte each they would fill the disk."""
    for partial in folder.rglob(".*.pt"):
        _delete(partial)


def _delete(path: Path) -> None:
    with suppress(PermissionError):  # Windows: another program has it open; the next save deletes it
        path.unlink(missing_ok=True)


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state`; an older file at `path` is replaced only when the new one is complete.

    Raises TrainingError if it cannot be written; older checkpoints stay unchanged.
    """
    with writing(path), atomic_path(path) as temporary:
        torch.save({"format": FORMAT, **state}, temporary)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise a TrainingError, which says how much room the disk has, if `path` cannot be written in the context."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch and soundfile report a full disk as RuntimeError
        existing = next(parent for parent in path.absolute().parents if parent.exists())
        raise TrainingError(
            f"{path} could not be written ({shutil.disk_usage(existing).free / 1e6:,.1f} MB free): "
            f"{str(error).partition(chr(10))[0] or type(error).__name__}. The last checkpoint is whole. Make room on "
            "this disk, then start the training again: it goes on from there."
        ) from error


def load_latest(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint's state, or None if there is none.

    Raises TrainingError if it cannot be read, rather than silently loading the one before; the message says what would
    be resumed if the unreadable file were deleted.
    """
    found = checkpoints(folder)
    if not found:
        return None
    instead = f"go on from {found[-2].name}" if len(found) > 1 else "start this training anew"
    return load_checkpoint(found[-1], f"Delete it to {instead}.")


def load_checkpoint(path: Path, advice: str) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises TrainingError, ending with `advice`, if it is missing, damaged or of another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # torch.load does not verify the checksums
                raise ValueError(f"{damaged} is damaged")
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise ValueError("it is not a checkpoint of this version")
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read: {str(error).splitlines()[0]}. {advice}") from error
    return state
