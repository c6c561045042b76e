"""`kurdtts say`: speak a text of any length into an audio file."""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kurdtts_lib.core.errors import KurdTTSError, TextError
from kurdtts_lib.core.progress import pass_bar

if TYPE_CHECKING:
    from kurdtts_lib.speech.synthesis import Speaker

# Torch takes seconds to load; the command imports what it needs, so that --help is quick.


def add_say(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `say` to the parser of `kurdtts`."""
    say = commands.add_parser("say", help="speak a text into a sound file")
    what = say.add_mutually_exclusive_group(required=True)
    what.add_argument("text", nargs="?")
    what.add_argument("--file", type=Path, help="a text file (UTF-8) to read out, of any length")
    say.add_argument("-o", "--output", type=Path, required=True, help="the file to write: .wav .flac .mp3 .ogg .opus")
    say.add_argument(
        "--voice",
        help="a number or a name of `kurdtts voices`, a folder (also one of `kurdtts export`), or a name on the hub; "
        "default: the current voice",
    )
    say.add_argument("--seed", type=int, default=1, help="another seed gives another reading")
    say.add_argument("--speed", type=_between(0.25, 4), default=1.0, help="2 takes half the time; default: 1")
    say.add_argument("--variation", type=_between(0, 2), default=1.0, help="of melody and rhythm; 0: flat; default: 1")
    say.add_argument("--subtitles", choices=("sentences", "words"), help="also write an .srt file beside it")
    say.set_defaults(run=_say)


def _between(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
        return value

    return number


def _say(options: argparse.Namespace) -> int:
    from kurdtts_lib.speech import save_speech
    from kurdtts_lib.text import normalize, split

    text = options.text if options.file is None else _read(options.file)
    voice = _load(options.voice)
    with pass_bar("letters") as show:
        seconds = save_speech(
            voice, text, options.output, options.seed, options.speed, options.variation, options.subtitles, show
        )
    for warning in dict.fromkeys(line for piece in split(text) for line in normalize(piece.text).warnings):
        print(warning, file=sys.stderr)
    print(f"{options.output}: {seconds:.1f} s")
    return 0


def _load(name: str | None) -> "Speaker":
    """The current voice, the voice called `name`, or the exported voice in that folder, which needs no torch."""
    from kurdtts_lib.voices.export.onnx_voice import CARD, OnnxVoice

    if name and Path(name, CARD).is_file():
        return OnnxVoice(name)
    from kurdtts_lib.vits.voice import load_voice
    from kurdtts_lib.voices import registry

    return load_voice(registry.folder_of(name))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    except OSError as error:
        raise KurdTTSError(f"{path} cannot be read ({error.strerror}).") from error
