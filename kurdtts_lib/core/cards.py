"""What the cards of voices and of data sets have in common: a head for the hub, and words that may travel."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

CC0 = "CC0 1.0"
UNKNOWN_LICENCE = "unknown: ask the maker"
TRANSFORMERS_VOICE = {"library_name": "transformers", "pipeline_tag": "text-to-speech"}
"""What the head of a voice's card says beside its licence: how to load it, and what it does."""

HOW_TO_SPEAK = """```python
from transformers import pipeline

speech = pipeline("text-to-speech", model="this folder, or its name on the hub")("roj baş")
speech["audio"], speech["sampling_rate"]
```

Write numbers and abbreviations as words: what is no Kurmanji letter is not spoken."""


def front_matter(**values: object) -> str:
    """The head by which the hub, and every tool that lists models and data sets, reads a card: YAML between two rules.

    Each value is written as JSON, which is YAML whatever characters it holds.
    """
    lines = (f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())
    return f"---\n{''.join(lines)}---\n"


def voice_head(card: Mapping[str, Any]) -> str:
    """The head of a fine-tuned voice's card. card: its `voice.json`."""
    return front_matter(
        language="kmr", license=licence_id(card["licence"]), base_model=card["base_voice"], **TRANSFORMERS_VOICE
    )


def licence_id(licence: str) -> str:
    """The short name by which the hub knows a licence: "CC BY-NC 4.0" is "cc-by-nc-4.0"."""
    if licence.startswith("unknown"):
        return "unknown"
    name = licence.lower().replace(" ", "-")
    return name if re.fullmatch(r"cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-\d\.\d", name) else "other"


def public_name(source: str) -> str:
    """A hub name as it is; of a path only its last part: a card travels, the reader's paths should not."""
    if re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", source) and not Path(source).exists():
        return source
    return PureWindowsPath(Path(source).absolute()).name or "corpus"  # parts end at / and at \ there


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
