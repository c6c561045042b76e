"""`--set NAME=VALUE`: any setting of a command, by its name."""

import argparse
import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from kurdtts_lib.core.errors import KurdTTSError

Settings = TypeVar("Settings")


def add_set(parser: argparse.ArgumentParser, kind: type, example: str) -> None:
    """Add `--set` for the fields of the settings class `kind`; it collects pairs of name and value for `changed`."""
    read = functools.partial(_setting, kind)
    about = f"another value of a setting, e.g. {example}"
    parser.add_argument("--set", type=read, action="append", default=[], metavar="NAME=VALUE", help=about)


def changed(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """`settings` with the values `given` by name; `weights.mel` is the field `mel` of the field `weights`.

    Raises KurdTTSError if a value is invalid.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        outer, _, inner = name.partition(".")
        values[outer] = changed(values.get(outer, getattr(settings, outer)), {inner: value}) if inner else value
    try:
        return dataclasses.replace(settings, **values)  # type: ignore[type-var]
    except ValueError as error:
        raise KurdTTSError(f"These settings cannot be: {error}.") from error


def _setting(kind: type, text: str) -> tuple[str, object]:
    """The name and the converted value of NAME=VALUE. Raises ArgumentTypeError if there is no such setting or value."""
    name, equals, value = text.partition("=")
    known = types_of(kind)
    if name not in known or not equals:
        names = ", ".join(f"{name} ({_title(type_)})" for name, type_ in known.items())
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE of one of: {names}")
    try:
        return name, _read(value, known[name])
    except (KeyError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{name} takes {_title(known[name])}, not {value!r}") from error


def types_of(kind: type, prefix: str = "") -> dict[str, Any]:
    """The type of each setting by name, nested ones as `weights.mel`."""
    found: dict[str, Any] = {}
    for name, type_ in typing.get_type_hints(kind).items():
        nested = isinstance(type_, type) and dataclasses.is_dataclass(type_)
        found |= types_of(type_, f"{name}.") if nested else {prefix + name: type_}
    return found


def _read(value: str, kind: Any) -> object:
    parts = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        ones = value.split(",") if value else []
        kinds = parts[:1] * len(ones) if parts[-1] is ... else parts
        return tuple(_read(one, part) for one, part in zip(ones, kinds, strict=True))
    if types.NoneType in parts and value.lower() == "none":
        return None
    kind = parts[0] if parts else kind
    return {"true": True, "false": False}[value.lower()] if kind is bool else kind(value)


def _title(kind: Any) -> str:
    """A type in words for messages: `float or none`, `float,float`."""
    names = {types.NoneType: "none", ...: "…"}
    parts = [names.get(part) or part.__name__ for part in typing.get_args(kind) or (kind,)]
    return ("," if typing.get_origin(kind) is tuple else " or ").join(parts)
