"""Checkpoints: a training's whole state in one file, written atomically; only the newest few are kept."""

import pickle
import random
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.core.files import atomic_path

FORMAT = 2
FOLDER = "checkpoints"
BEST = "best.pt"


def random_state() -> dict[str, Any]:
    """The state of every random generator that a training step may draw from; for CUDA, this process's device."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    version, internal, python_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],
        "numpy": [kind, torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, gauss],
        "python": [version, list(internal), python_gauss],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore what `random_state` returned. If it was saved without a GPU, the GPU's generator keeps its seed."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and state["cuda"]:
        torch.cuda.set_rng_state(state["cuda"][0])
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, internal, python_gauss = state["python"]
    random.setstate((version, tuple(internal), python_gauss))


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of the training in `folder`, the newest last."""
    return sorted((folder / FOLDER).glob("step-*.pt"), key=lambda path: int(path.stem.removeprefix("step-")))


def newest_step(folder: Path) -> int:
    """The step of the newest checkpoint; 0 if there is none."""
    return max((int(path.stem.removeprefix("step-")) for path in checkpoints(folder)), default=0)


def save_step(folder: Path, step: int, state: Mapping[str, Any], keep: int) -> None:
    """`save_checkpoint` for `step`, then delete all but the newest `keep`."""
    save_checkpoint(folder / FOLDER / f"step-{step:06d}.pt", state)
    for old in checkpoints(folder)[:-keep]:
        _delete(old)


def delete_partial_files(folder: Path) -> None:
    """Delete the incomplete files of a killed process: at a gigabyte each they would fill the disk."""
    for partial in [*(folder / FOLDER).glob(".step-*.pt"), *folder.glob(".best-*.pt")]:
        _delete(partial)


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError:  # Windows: another program has it open; the next save deletes it
        return


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state`; an older file at `path` is replaced only when the new one is complete.

    Raises TrainingError with the bytes needed and free if it cannot be written; older checkpoints stay unchanged.
    """
    try:
        with atomic_path(path) as temporary:
            torch.save({"format": FORMAT, **state}, temporary)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError: unexpected pos 576 vs 534
        raise write_error(path, error, bytes_of(state)) from error


def write_error(path: Path, error: Exception, needed: int = 0) -> TrainingError:
    """The TrainingError for a file that could not be written. needed: its size in bytes, 0 if unknown."""
    existing = next(parent for parent in path.absolute().parents if parent.exists())
    free = shutil.disk_usage(existing).free
    sizes = f"{needed / 1e6:,.1f} MB needed, {free / 1e6:,.1f} MB free" if needed else f"{free / 1e6:,.1f} MB free"
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return TrainingError(
        f"{path} could not be written ({sizes}): {reason}. The last checkpoint is whole. Make room on this disk, then "
        "start the training again: it goes on from there."
    )


def bytes_of(state: object) -> int:
    """Total bytes of all tensors in nested dictionaries, lists and tuples."""
    if isinstance(state, Tensor):
        return state.nbytes
    if isinstance(state, Mapping):
        return sum(map(bytes_of, state.values()))
    return sum(map(bytes_of, state)) if isinstance(state, list | tuple) else 0


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
            damaged = archive.testzip()  # torch.load does not verify the checksums
        if damaged:
            raise zipfile.BadZipFile(f"{damaged} is damaged")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read: {str(error).splitlines()[0]}. {advice}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise TrainingError(f"{path} is not a checkpoint of this version. {advice}")
    return state
