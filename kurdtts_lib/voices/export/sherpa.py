"""The form that sherpa-onnx reads: what its files must hold, and speaking through it to prove them."""

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
import numpy, sherpa_onnx
wish = json.load(open(sys.argv[1], encoding="utf-8"))
vits = sherpa_onnx.OfflineTtsVitsModelConfig(tokens=wish["tokens"], model=wish["model"], lexicon="", **wish["scales"])
model = sherpa_onnx.OfflineTtsModelConfig(vits=vits, num_threads=wish["threads"], provider="cpu")
# By its default the program makes pauses shorter.
voice = sherpa_onnx.OfflineTts(sherpa_onnx.OfflineTtsConfig(model=model, silence_scale=1.0))
sounds = [voice.generate(text, sid=0, speed=wish["speed"]).samples for text in wish["texts"]]
numpy.savez(sys.argv[2], *[numpy.asarray(sound, dtype=numpy.float32) for sound in sounds])
"""
# fmt: on


def metadata(language: str, sampling_rate: int) -> dict[str, str | int]:
    """What sherpa-onnx must know of the model. It stops the whole program where one is missing."""
    return {
        "model_type": "vits",
        "comment": "kurdtts",
        "language": language,
        "frontend": "characters",
        "add_blank": 1,
        "blank_id": BLANK,
        "use_eos_bos": 0,  # by its default the program puts a token before and one after the text
        "n_speakers": 1,
        "sample_rate": sampling_rate,
    }


def write_tokens(vocabulary: Mapping[str, int], target: Path) -> None:
    """One `letter id` a line. sherpa makes small letters of A to Z alone, so that large ones beyond stand here too."""
    lines = []
    for letter, number in sorted(vocabulary.items(), key=lambda item: item[1]):
        if len(letter) == 1:  # others, such as <unk>, are no letters
            large = letter.upper()
            forms = [letter, large] if len(large) == 1 and not large.isascii() and large != letter else [letter]
            lines += [f"{form} {number}\n" for form in forms if form == letter or form not in vocabulary]
    write_text(target, "".join(lines))


def speak_with_sherpa(
    folder: Path, texts: Sequence[str], noise_scale: float = 1.0, speed: float = 1.0, threads: int = 1
) -> list[np.ndarray]:
    """A waveform (samples,) for each text, in small letters and without marks, spoken by the package sherpa-onnx.

    In a process of its own: where a model does not please it, sherpa-onnx ends the whole program; and its copy of
    onnxruntime need not be the one that is loaded here.
    Raises VoiceError if the process fails.
    """
    wish = {
        "model": str(folder / MODEL),
        "tokens": str(folder / TOKENS),
        "scales": {
            "noise_scale": noise_scale * SHERPA_NOISE,
            "noise_scale_w": noise_scale * SHERPA_DURATION_NOISE,
            "length_scale": 1.0,
        },
        "texts": list(texts),
        "speed": speed,
        "threads": threads,
    }
    with tempfile.TemporaryDirectory() as temporary:
        wish_file, sounds = Path(temporary) / "wish.json", Path(temporary) / "sounds.npz"
        wish_file.write_text(json.dumps(wish), encoding="utf-8")
        command = [sys.executable, "-c", PROCESS, str(wish_file), str(sounds)]
        result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
        if result.returncode or not sounds.is_file():
            said = "; ".join(result.stderr.strip().splitlines()[-3:]) or f"status {result.returncode}"
            raise VoiceError(f"sherpa-onnx cannot speak with {folder}: {said}")
        with np.load(sounds) as arrays:
            return [arrays[f"arr_{number}"] for number in range(len(texts))]
