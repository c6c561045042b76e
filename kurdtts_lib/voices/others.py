"""Systems of other people: a folder of what one said, or a Piper voice, which its own program speaks."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kurdtts_lib.audio.io import decode, header
from kurdtts_lib.core.errors import EvaluationError, VoiceError
from kurdtts_lib.core.files import check_own, read_json, read_text, write_text
from kurdtts_lib.evaluation.evaluate import System
from kurdtts_lib.evaluation.optional_metrics import comparable

LIST = "metadata.csv"
"""In each line a file and its text, `0001.wav|text`."""
OTHER = re.compile(r"(?P<name>[^/\\=]+)=(?P<folder>.+)|(?P<piper>.+\.onnx)")


def other_system(source: str, rate: int | None) -> tuple[str, System] | None:
    """Name and system of `NAME=FOLDER` (sounds and `LIST`) or `FILE.onnx` (Piper); None for a voice of this library.

    rate: in Hz, to which the sounds are resampled; None: their own. Raises EvaluationError or VoiceError if files or
    the program are missing.
    """
    found = match(source)
    if not found:
        return None
    if found["piper"]:
        return Path(source).stem, _piper(Path(source), rate)
    return found["name"], _recorded(Path(found["folder"]), rate)


def match(source: str | Path) -> re.Match[str] | None:
    """Whether this is the place of another system; a folder that exists is a voice, whatever its name."""
    return None if Path(source).is_dir() else OTHER.fullmatch(str(source))


def write_sentences(folder: Path, texts: Sequence[str]) -> None:
    """Write `LIST` with these texts, for another system to speak. Raises KurdTTSError if the folder is not empty."""
    check_own(folder)
    write_text(folder / LIST, "".join(f"{number:04d}.wav|{text}\n" for number, text in enumerate(texts, 1)))


def _recorded(folder: Path, rate: int | None) -> System:
    files = _listed(folder)
    own = max((header(path)[1] for path in files.values() if path.is_file()), default=1)

    def check(texts: Sequence[str]) -> None:
        wanted = {text: files.get(comparable(text)) for text in texts}
        missing = [repr(text) if path is None else path.name for text, path in wanted.items()
                   if path is None or not path.is_file()]  # fmt: skip
        if missing:
            some = ", ".join(missing[:5]) + ", …" * (len(missing) > 5)
            raise EvaluationError(
                f"{folder} lacks {len(missing)} of {len(wanted)} sentences (not in {LIST}, or without their file): "
                f"{some}. `kurdtts judge --write-sentences FOLDER` writes the list to speak."
            )

    return System(lambda text: decode(files[comparable(text)], rate or own), rate or own, check=check)


def _listed(folder: Path) -> Mapping[str, Path]:
    """The files of a folder by their text, in the form in which texts are compared."""
    if not (folder / LIST).is_file():
        raise EvaluationError(f"{folder} has no {LIST}: in each line a file and its text, `0001.wav|text`.")
    files = {}
    for number, line in enumerate(read_text(folder / LIST).splitlines(), 1):
        name, bar, text = line.partition("|")
        if line.strip() and not bar:
            raise EvaluationError(f"{folder / LIST}, line {number}: not `file|text` but {line!r:.60}.")
        files[comparable(text)] = folder / name.strip()
    return files


def _piper(model: Path, rate: int | None) -> System:
    """The program is started for each sentence: it is GPL, and never becomes part of this one."""
    settings, program = model.with_name(f"{model.name}.json"), shutil.which("piper")
    if not (model.is_file() and settings.is_file()):
        raise VoiceError(f"A Piper voice is two files, and one is missing: {model} and {settings.name} beside it.")
    if not program:
        raise VoiceError(
            f"{model.name} is spoken by the program `piper`, which is not installed. Get it with `pipx install "
            "piper-tts` (GPL), or let it speak elsewhere and judge NAME=FOLDER (`kurdtts judge --write-sentences`)."
        )
    try:
        own = int(read_json(settings)["audio"]["sample_rate"])
    except (ValueError, KeyError, TypeError) as error:
        raise VoiceError(f"{settings} does not say the sampling rate of a Piper voice ({error!r}).") from error

    def speak(text: str) -> np.ndarray:
        with tempfile.TemporaryDirectory() as temporary:
            sound = Path(temporary) / "speech.wav"
            command = [program, "--model", str(model), "--output_file", str(sound)]
            environment = {**os.environ, "PYTHONUTF8": "1"}
            result = subprocess.run(command, input=f"{text}\n".encode(), capture_output=True, env=environment)
            if result.returncode or not sound.is_file():
                message = result.stderr.decode(errors="replace").strip().splitlines()[-3:]
                raise VoiceError(f"piper cannot speak {text!r} with {model.name}: {'; '.join(message)}")
            return decode(sound, rate or own)

    return System(speak, rate or own)
