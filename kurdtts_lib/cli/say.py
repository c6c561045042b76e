"""`kurdtts say`: speak a text of any length into an audio file."""

import argparse
import re
import sys
import unicodedata
from pathlib import Path

from kurdtts_lib.core.files import read_text
from kurdtts_lib.core.progress import pass_bar
from kurdtts_lib.speech import save_speech, warnings_of
from kurdtts_lib.speech.synthesis import Speaker
from kurdtts_lib.voices.export.onnx_voice import CARD, OnnxVoice


def say(options: argparse.Namespace) -> None:
    text = options.text if options.file is None else read_text(options.file)
    voice = _load(f"{options.voice or 'current'}:{options.speaker}" if options.speaker else options.voice)
    how = {"seed": options.seed, "speed": options.speed, "noise_scale": options.variation}
    with pass_bar("letters") as show:
        output = options.output or file_name(options.file.stem if options.file else text)
        seconds = save_speech(voice, text, output, options.subtitles, show, **how)
    for warning in warnings_of(text):
        print(warning, file=sys.stderr)
    print(f"{output}: {seconds:.1f} s")


def file_name(text: str) -> Path:
    """A new .wav in this folder, named after how `text` begins, in letters that every file system has."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("ı", "i")).encode("ascii", "ignore").decode("ascii")
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "speech"
    ends = ("", *(f"-{number}" for number in range(2, 10_000)))
    return next(path for end in ends if not (path := Path(f"{name}{end}.wav")).exists())


def _load(name: str | None) -> Speaker:
    """The current voice, the voice called `name`, or the exported voice in that folder, which needs no torch."""
    if name and Path(name, CARD).is_file():
        return OnnxVoice(name)
    from kurdtts_lib.vits.voice import load_voice
    from kurdtts_lib.voices import registry

    return load_voice(registry.folder_of(name))
