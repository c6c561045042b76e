"""`kurdtts say`: speak a text of any length into an audio file."""

import argparse
import sys
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
        seconds = save_speech(voice, text, options.output, options.subtitles, show, **how)
    for warning in warnings_of(text):
        print(warning, file=sys.stderr)
    print(f"{options.output}: {seconds:.1f} s")


def _load(name: str | None) -> Speaker:
    """The current voice, the voice called `name`, or the exported voice in that folder, which needs no torch."""
    if name and Path(name, CARD).is_file():
        return OnnxVoice(name)
    from kurdtts_lib.vits.voice import load_voice
    from kurdtts_lib.voices import registry

    return load_voice(registry.folder_of(name))
