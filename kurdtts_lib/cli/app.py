"""`kurdtts`: the work of the notebooks, unattended. One module per command; `commands.toml` has their arguments."""

import argparse
import contextlib
import importlib
import io
import math
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kurdtts_lib import __version__
from kurdtts_lib.cli.setting_arguments import add_set
from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.core.training_settings import PRESETS, TrainingSettings

COMMANDS = tomllib.loads(Path(__file__).with_name("commands.toml").read_text(encoding="utf-8"))
SETTINGS = {"kurdtts prepare": CorpusSettings, "kurdtts train": TrainingSettings}
"""What `--set` sets, by command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 on success, 1 after an error message, 130 if stopped; wrong arguments exit with 2."""
    utf8_console()
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.run:
        parser.print_help()
        return 0
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
    words = ("kurdtts", options.command, getattr(options, "action", None))
    print(f"{' '.join(filter(None, words))}: {message}", file=sys.stderr)
    return 1


def utf8_console() -> None:
    """Make the console print ş and ê: the code pages of Windows lack them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def number(kind: type, least: float, most: float, about: str) -> Callable[[str], Any]:
    """The type of an argument: a number of `kind` from `least` to `most`; `about` says so to the user."""

    def read(text: str) -> Any:
        with contextlib.suppress(ValueError):
            if least <= (value := kind(text)) <= most:
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is not a {about}")

    return read


TYPES: dict[str, Callable[[str], Any]] = {
    "path": Path,
    "int": int,
    "float": float,
    "positive": number(int, 1, math.inf, "whole number from 1 up"),
    "count": number(int, 1, 500, "whole number from 1 to 500"),
}


def _parser() -> argparse.ArgumentParser:
    """The parser of `COMMANDS`: each is an action of the one whose words it begins with."""
    parsers: dict[str, argparse.ArgumentParser] = {}
    actions: dict[str, Any] = {}
    for words, command in COMMANDS.items():
        above, _, name = words.rpartition(" ")
        says = {"description": command["about"], "epilog": "\n  ".join(["examples:", *command["examples"]])}
        says["formatter_class"] = argparse.RawDescriptionHelpFormatter
        if not above:
            parsers[words] = argparse.ArgumentParser(name, **says)
            parsers[words].add_argument("--version", action="version", version=f"kurdtts {__version__}")
        else:
            if above not in actions:
                dest = "action" if " " in above else "command"
                needed = dest == "action" and "run" not in COMMANDS[above]
                actions[above] = parsers[above].add_subparsers(dest=dest, required=needed)
            parsers[words] = actions[above].add_parser(name, help=command["about"], **says)
        parsers[words].set_defaults(run=command.get("run"))
        _add_arguments(parsers[words], command)
        if words in SETTINGS:
            add_set(parsers[words], SETTINGS[words], command["settings"])
    return parsers["kurdtts"]


def _add_arguments(parser: argparse.ArgumentParser, command: Mapping[str, Any]) -> None:
    arguments, either = command.get("arguments", []), None
    if any("either" in argument for argument in arguments):
        either = parser.add_mutually_exclusive_group(required=command.get("one_is_needed", False))
    for argument in arguments:
        how = {name: value for name, value in argument.items() if name not in ("names", "either")}
        if kind := how.get("type"):
            how["type"] = TYPES[kind] if isinstance(kind, str) else number(**kind | {"kind": TYPES[kind["kind"]]})
        if argument["names"] == ["--preset"]:
            how["choices"] = tuple(PRESETS)
        place = either if either and "either" in argument else parser
        place.add_argument(*argument["names"], **how)
