"""A training's whole state in one file, written atomically."""

import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kurdtts_lib.errors import TrainingError
from kurdtts_lib.files import atomic_path

FORMAT = 1


def random_state() -> dict[str, Any]:
    """The state of every random generator that a training step may draw from."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    version, internal, python_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [kind, torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, gauss],
        "python": [version, list(internal), python_gauss],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Undo `random_state`. On another number of GPUs their generators start anew from the seed."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, internal, python_gauss = state["python"]
    random.setstate((version, tuple(internal), python_gauss))


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state`; an older file at `path` is replaced only when the new one is whole."""
    with atomic_path(path) as temporary:
        torch.save({"format": FORMAT, **state}, temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU. Raises TrainingError if it is damaged or of another format."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch.load does not compare the checksums of the weights
        if damaged:
            raise zipfile.BadZipFile(f"{damaged} is damaged")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path} cannot be read: {reason}. Delete it to start this training anew.") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise TrainingError(f"{path} is not a checkpoint of this version. Delete it to start this training anew.")
    return state
