"""The format of sherpa-onnx: its metadata and token table, and speaking through it to verify an export."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.files import write_text
from kurdtts_lib.text.encoding import BLANK
from kurdtts_lib.voices.export.graph import SHERPA_DURATION_NOISE, SHERPA_NOISE
from kurdtts_lib.voices.export.onnx_voice import MODEL

TOKENS = "tokens.txt"
# fmt: off
PROCESS = """
import json, sys
import sherpa_onnx, numpy
task = json.load(open(sys.argv[1], encoding="utf-8"))
vits = sherpa_onnx.OfflineTtsVitsModelConfig(tokens=task["tokens"], model=task["model"], lexicon="", **task["scales"])
model = sherpa_onnx.OfflineTtsModelConfig(vits=vits, num_threads=1, provider="cpu")
# By default sherpa-onnx shortens pauses.
voice = sherpa_onnx.OfflineTts(sherpa_onnx.OfflineTtsConfig(model=model, silence_scale=1.0))
waveforms = [voice.generate(text, sid=0, speed=task["speed"]).samples for text in task["texts"]]
numpy.savez(sys.argv[2], *[numpy.asarray(waveform, dtype=numpy.float32) for waveform in waveforms])
"""
# fmt: on


def metadata(language: str, sampling_rate: int) -> dict[str, str | int]:
    """Metadata that sherpa-onnx requires of a model. It ends the whole process if one is missing."""
    return {
        "model_type": "vits",
        "comment": "kurdtts",
        "language": language,
        "frontend": "characters",
        "add_blank": 1,
        "blank_id": BLANK,
        "use_eos_bos": 0,  # by default sherpa-onnx puts a token before and one after the text
        "n_speakers": 1,
        "sample_rate": sampling_rate,
    }


def write_tokens(vocabulary: Mapping[str, int], target: Path) -> None:
    """Write one `character id` a line. sherpa lowercases only A to Z, so other capitals are written as well."""
    ids = {char: token_id for char, token_id in vocabulary.items() if len(char) == 1}  # no special tokens such as <unk>
    ids |= {char.upper(): ids[char] for char in ids if len(char.upper()) == 1 and not char.upper().isascii()} | ids
    rows = sorted(ids.items(), key=lambda row: row[1])
    write_text(target, "".join(f"{char} {token_id}\n" for char, token_id in rows))


def speak_with_sherpa(
    folder: Path, texts: Sequence[str], noise_scale: float = 1.0, speed: float = 1.0
) -> list[np.ndarray]:
    """A waveform (samples,) for each text, spoken by the package sherpa-onnx. texts: lower case, no punctuation.

    In a subprocess: sherpa-onnx ends the whole process if it rejects a model, and its copy of onnxruntime may differ
    from the one that is loaded here.
    Raises VoiceError if the subprocess fails.
    """
    task = {
        "model": str(folder / MODEL),
        "tokens": str(folder / TOKENS),
        "scales": {
            "noise_scale": noise_scale * SHERPA_NOISE,
            "noise_scale_w": noise_scale * SHERPA_DURATION_NOISE,
            "length_scale": 1.0,
        },
        "texts": list(texts),
        "speed": speed,
    }
    with tempfile.TemporaryDirectory() as temporary:
        task_file, waveforms = Path(temporary) / "task.json", Path(temporary) / "waveforms.npz"
        task_file.write_text(json.dumps(task), encoding="utf-8")
        command = [sys.executable, "-c", PROCESS, str(task_file), str(waveforms)]
        result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
        if result.returncode or not waveforms.is_file():
            message = "; ".join(result.stderr.strip().splitlines()[-3:]) or f"status {result.returncode}"
            raise VoiceError(f"sherpa-onnx cannot speak with {folder}: {message}")
        with np.load(waveforms) as arrays:
            return [arrays[f"arr_{index}"] for index in range(len(texts))]
