"""Cards and reports: Jinja2 templates, which lie beside the code that fills them, and what they have in common."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PureWindowsPath

import jinja2

CC0 = "CC0 1.0"
UNKNOWN_LICENCE = "unknown: ask the maker"


def render(template: str, **values: object) -> str:
    """The text of `template`, a file in this library such as `data/card.md`.

    In an HTML template values are escaped; those that are HTML already are `markupsafe.Markup`.
    Raises jinja2.UndefinedError for a value that the template needs and does not get.
    """
    return _templates.get_template(template).render(values)


def front_matter(**values: object) -> str:
    """YAML front matter of a Markdown card, which the Hugging Face hub and tools that list models and data sets read.

    Each value is written as JSON, which is valid YAML whatever characters it contains.
    """
    lines = (f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())
    return f"---\n{''.join(lines)}---\n"


def licence_id(licence: str) -> str:
    """The hub's identifier of a licence: "cc-by-nc-4.0" for "CC BY-NC 4.0", "unknown", or "other" for all others."""
    if licence.startswith("unknown"):
        return "unknown"
    name = licence.lower().replace(" ", "-")
    return name if re.fullmatch(r"cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-\d\.\d", name) else "other"


def public_name(source: str) -> str:
    """A hub name unchanged; of a path only the last component: a published card must not show local paths."""
    if re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", source) and not Path(source).exists():
        return source
    return PureWindowsPath(Path(source).absolute()).name or "corpus"  # splits at both / and \


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; `|` in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).absolute().parents[1]),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_templates.globals |= {"front_matter": front_matter, "licence_id": licence_id, "table": table}
