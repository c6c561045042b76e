"""`kurdtts`: the work of the notebooks, unattended. One module per command; here are their arguments."""

import argparse
import contextlib
import importlib
import io
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kurdtts_lib.cli.setting_arguments import add_set
from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.core.training_settings import PRESETS, TrainingSettings

VOICES_OWN = "default: the voices' own"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 on success, 1 after an error message, 130 if stopped; wrong arguments exit with 2."""
    utf8_console()
    options = _parser().parse_args(arguments)
    module, function = options.run.split(".")
    try:
        return getattr(importlib.import_module(f"kurdtts_lib.cli.{module}"), function)(options) or 0
    except KurdTTSError as error:
        message = str(error)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "kurdtts_lib"):
            raise
        extra = "service" if options.command == "serve" else "train"
        message = f"This needs the packages of `pip install kurdtts[{extra}]` ({package} is not installed)."
    print(f"kurdtts {options.command}: {message}", file=sys.stderr)
    return 1


def utf8_console() -> None:
    """Make the console print ş and ê: the code pages of Windows lack them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kurdtts", description="The work of the notebooks, unattended.")
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (_check, _prepare, _train, _say, _judge, _voices, _feedback, _listen, _serve, _export):
        add(commands)
    return parser


def _command(commands: Any, name: str, run: str, about: str) -> argparse.ArgumentParser:
    """A command; `run`: MODULE.FUNCTION in this room, imported when it runs. Torch takes seconds to load."""
    parser = commands.add_parser(name, help=about)
    parser.set_defaults(run=run)
    return parser


def number(kind: type, least: float, most: float, about: str) -> Callable[[str], Any]:
    """The type of an argument: a number of `kind` from `least` to `most`; `about` says so to the user."""

    def read(text: str) -> Any:
        with contextlib.suppress(ValueError):
            if least <= (value := kind(text)) <= most:
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is not a {about}")

    return read


POSITIVE = number(int, 1, math.inf, "whole number from 1 up")
COUNT = number(int, 1, 500, "whole number from 1 to 500")


def _check(commands: Any) -> None:
    _command(commands, "check", "backend_check.check", "say what this machine has, one OK or FIX line each")


def _add_profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="sample", help="sample (default), full, or the folder of a corpus")


def _add_voices_own(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", help=f"sample, full, or the folder of a corpus; {VOICES_OWN}")
    parser.add_argument("--data-dir", type=Path, help=f"a folder that `prepare` wrote; {VOICES_OWN}")


def _add_preset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", choices=tuple(PRESETS), help="how this machine computes; full: gpu-8gb")


def _prepare(commands: Any) -> None:
    prepare = _command(commands, "prepare", "train.prepare_data", "make a training set from a corpus")
    _add_profile(prepare)
    prepare.add_argument("--source", help="a folder, or a data set on the hub")
    prepare.add_argument("--speaker", help="one (most minutes, the default), all, or names separated by commas")
    prepare.add_argument("--output-dir", type=Path, help="where to write; default: data/prepared-PROFILE")
    prepare.add_argument("--max-samples", type=POSITIVE, help="read only so many clips")
    add_set(prepare, CorpusSettings, "text_column=transcription, or pace_mads=none to switch a rule off")


def _train(commands: Any) -> None:
    train = _command(commands, "train", "train.train", "fine-tune a voice; run again to go on where it stopped")
    _add_profile(train)
    train.add_argument("--data-dir", type=Path, help="a folder that `prepare` wrote; default: data/prepared-PROFILE")
    train.add_argument("--base-voice", help="a voice, as for `kurdtts say --voice`; default: the profile's")
    train.add_argument("--name", help="what to call the training and the voice; default: the profile's name")
    length = train.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=POSITIVE, help="how often to go through the data")
    length.add_argument("--steps", type=POSITIVE, help="how many steps in all")
    _add_preset(train)
    add_set(train, TrainingSettings, "learning_rate=1e-5, patience=none or weights.mel=45; notebook 4 shows them all")


def _say(commands: Any) -> None:
    say = _command(commands, "say", "say.say", "speak a text into a sound file")
    what = say.add_mutually_exclusive_group(required=True)
    what.add_argument("text", nargs="?")
    what.add_argument("--file", type=Path, help="a text file (UTF-8) to read out, of any length")
    say.add_argument("-o", "--output", type=Path, required=True, help="the file to write: .wav .flac .mp3 .ogg .opus")
    about = "a number or a name of `kurdtts voices`, a folder (also one of `kurdtts export`), or a name on the hub; "
    say.add_argument("--voice", help=f"{about}default: the current voice")
    say.add_argument("--speaker", help="of a voice with several: a name of `kurdtts voices`, or two, NAME+NAME")
    say.add_argument("--seed", type=int, default=1, help="another seed gives another reading")
    speed, variation = number(float, 0.25, 4, "number from 0.25 to 4"), number(float, 0, 2, "number from 0 to 2")
    say.add_argument("--speed", type=speed, default=1.0, help="2 takes half the time; default: 1")
    say.add_argument("--variation", type=variation, default=1.0, help="of melody and rhythm; 0: flat; default: 1")
    say.add_argument("--subtitles", choices=("sentences", "words"), help="also write an .srt file beside it")


def _judge(commands: Any) -> None:
    about = "measure voices on sentences that they never saw, and write a report"
    judge = _command(commands, "judge", "voices.judge", about)
    about = (
        "a voice's number or name in `kurdtts voices`, its folder, or its name on the hub; another system as "
        "NAME=FOLDER (its sounds, and their texts in metadata.csv) or FILE.onnx (Piper); the others are compared with "
        "the first. Default: the current one and its base voice"
    )
    judge.add_argument("voices", nargs="*", metavar="VOICE", help=about)
    _add_voices_own(judge)
    judge.add_argument("--output-dir", type=Path, help="where to write; default: runs/judging-NAME")
    about = "speech to text: a folder (also a CTC model for sherpa-onnx), or a hub name"
    judge.add_argument("--recogniser", metavar="NAME", help=about)
    about = "the voice that tells texts apart by their sound; default: the base voice"
    judge.add_argument("--listener", metavar="VOICE", help=about)
    judge.add_argument("--sentences", type=POSITIVE, help="at most so many test sentences; default: 200")
    about = "judge nothing, but write there what another system has to say to be judged as NAME=FOLDER"
    judge.add_argument("--write-sentences", type=Path, metavar="FOLDER", help=about)


def _voices(commands: Any) -> None:
    about = "the voices that were made here; one of them is the current one"
    actions = _command(commands, "voices", "voices.show", about).add_subparsers(dest="action")
    use = _command(actions, "use", "voices.use", "make a voice the current one")
    use.add_argument("version", type=int, help="its number in `kurdtts voices`")
    use.add_argument("--anyway", action="store_true", help="also a voice with faults")
    _command(actions, "rollback", "voices.rollback", "go back to the voice that was current before")
    remove = _command(actions, "remove", "voices.remove", "remove voices to make room; shows them first, and asks")
    remove.add_argument("versions", nargs="+", type=int, metavar="NUMBER", help="their numbers in `kurdtts voices`")
    remove.add_argument("--yes", action="store_true", help="do not ask")


def _feedback(commands: Any) -> None:
    feedback = commands.add_parser("feedback", help="corrections: what a voice said wrong, said right")
    actions = feedback.add_subparsers(dest="action", required=True)
    add = _command(actions, "add", "feedback.add", "submit a recording of how it is said right")
    add.add_argument("--audio", type=Path, required=True, help="a WAV, FLAC, MP3 or OGG file, 60 s at most")
    add.add_argument("--text", required=True, help="what is said in it")
    add.add_argument("--voice", default="", help="the voice that said it wrong")
    add.add_argument("--mark", default="", help="what was wrong")
    add.add_argument("--contributor", default="", help="who speaks")
    add.add_argument("--consent", action="store_true", help="the speaker agrees that voices learn from it; needed")
    show = _command(actions, "list", "feedback.show", "show the corrections, the oldest first")
    show.add_argument("--state", choices=("submitted", "accepted", "used", "withdrawn"))
    _command(actions, "accept", "feedback.accept", "let voices learn from a correction").add_argument("id")
    about = "teach the current voice its accepted corrections; again to go on"
    train = _command(actions, "train", "feedback.train", about)
    train.add_argument("--profile", help="sample, full, or the folder of a corpus; default: the current voice's own")
    train.add_argument("--data-dir", type=Path, help="ordinary recordings: prepared data; default: the voice's own")
    _add_preset(train)
    share = number(float, 0, math.nextafter(1, 0), "number from 0 up to (not with) 1")
    train.add_argument("--base-share", type=share, help="share of ordinary recordings in what the voice hears")
    about = "for a program that starts this: progress.json and result.json go there, and a file `stop` there ends it"
    train.add_argument("--job", type=Path, metavar="FOLDER", help=about)
    about = "remove a correction's sound and text"
    _command(actions, "withdraw", "feedback.withdraw", about).add_argument("id")
    _command(actions, "verify", "feedback.verify", "find and mend what does not belong together")
    export = _command(actions, "export", "feedback.export", "write all corrections as FLAC, TXT and metadata.csv")
    export.add_argument("folder", type=Path, help="a new or empty folder")


def _listen(commands: Any) -> None:
    listen = commands.add_parser("listen", help="a blind listening test: people say how natural voices sound")
    actions = listen.add_subparsers(dest="action", required=True)
    make = _command(actions, "make", "listen.make", "write a folder with a test for listeners, and their codes")
    make.add_argument("folder", type=Path, help="a new or empty folder, to give to the listeners")
    voices = "numbers or names of `kurdtts voices`, folders, or hub names; NAME=FOLDER or FILE.onnx as for `judge`"
    make.add_argument("--voices", nargs="+", required=True, metavar="VOICE", help=voices)
    make.add_argument("--sentences", type=COUNT, default=8, help="how many; default: 8")
    make.add_argument("--text", type=Path, help="a file with a sentence in each line, in place of held-out recordings")
    make.add_argument("--listeners", type=COUNT, default=24, help="how many codes; default: 24")
    make.add_argument("--language", choices=("en", "kmr"), default="kmr", help="of the page; listeners can change it")
    _add_voices_own(make)
    imports = _command(actions, "import", "listen.take_answers", "take the files that listeners sent back")
    imports.add_argument("files", type=Path, nargs="+", metavar="FILE", help="answers-CODE.json")
    results = _command(actions, "results", "listen.show", "what the listeners said, and whether it means anything")
    results.add_argument("--test", help="default: the newest")
    results.add_argument("--card", metavar="VOICE", help="write the MOS of this voice of the test on its card")


def _serve(commands: Any) -> None:
    about = "serve corrections and speech to other programs over HTTP"
    serve = _command(commands, "serve", "serve.start", about)
    serve.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine; others need a token")
    serve.add_argument("--port", type=int, default=8765, help="default: 8765")
    serve.add_argument("--profile", help="of its trainings, where the current voice does not say which")
    token = "what a client must send; better in the environment variable KURDTTS_TOKEN, where others cannot see it"
    serve.add_argument("--token", help=token)
    page = "a web page that may use the service, such as https://example.org; may be repeated"
    serve.add_argument("--allow-origin", action="append", default=[], metavar="URL", help=page)
    size = number(float, 1e-6, 10_000, "number of megabytes between 0 and 10000")
    serve.add_argument("--max-mb", type=size, default=25.0, help="of one upload; default: 25")
    serve.add_argument("--collect", action="store_true", help="also serve a page at /collect where people record")
    about = "for --collect: what they read, one sentence a line"
    serve.add_argument("--sentences", type=Path, metavar="FILE", help=about)


def _export(commands: Any) -> None:
    about = "write a voice as ONNX, for programs and devices without torch"
    export = _command(commands, "export", "voices.export", about)
    export.add_argument("voice", nargs="?", help="as for `kurdtts say --voice`; default: the current voice")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="a new folder")
    about = "onnx (default): for Python without torch; sherpa: for sherpa-onnx and its apps"
    export.add_argument("--form", choices=("onnx", "sherpa"), default="onnx", help=about)
