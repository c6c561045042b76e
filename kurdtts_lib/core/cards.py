"""Shared parts of the Markdown cards of voices and data sets: front matter, licence ids, public names, tables."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

CC0 = "CC0 1.0"
UNKNOWN_LICENCE = "unknown: ask the maker"
TRANSFORMERS_VOICE = {"library_name": "transformers", "pipeline_tag": "text-to-speech"}
"""Front matter of every voice's card: the library that loads it and its task."""

HOW_TO_SPEAK = """```python
from transformers import pipeline

speech = pipeline("text-to-speech", model="this folder, or its name on the hub")("roj baş")
speech["audio"], speech["sampling_rate"]
```

Write numbers and abbreviations as words: what is no Kurmanji letter is not spoken."""


def front_matter(**values: object) -> str:
    """YAML front matter of a Markdown card, which the Hugging Face hub and tools that list models and data sets read.

    Each value is written as JSON, which is valid YAML whatever characters it contains.
    """
    lines = (f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())
    return f"---\n{''.join(lines)}---\n"


def voice_head(card: Mapping[str, Any]) -> str:
    """Front matter of a fine-tuned voice's card. card: the content of its `voice.json`."""
    return front_matter(
        language="kmr", license=licence_id(card["licence"]), base_model=card["base_voice"], **TRANSFORMERS_VOICE
    )


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
