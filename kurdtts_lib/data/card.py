"""The data set card of a training set: source, licence, preprocessing, counts."""

from collections.abc import Mapping

import pandas

from kurdtts_lib.core.cards import front_matter, licence_id, public_name, table
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings, describe
from kurdtts_lib.data.dataset import Parts
from kurdtts_lib.data.filtering import KEPT, reasons_table
from kurdtts_lib.data.sources import licence_of


def card(clips: pandas.DataFrame, columns: Mapping[str, str], settings: CorpusSettings, audio: AudioSettings) -> str:
    """Markdown with front matter for the hub. clips: one row per source clip; columns: descriptions by column name."""
    kept = clips[clips["reason"] == KEPT]
    source, licence = public_name(settings.source), licence_of(settings)
    head = front_matter(
        language="kmr",
        license=licence_id(licence),
        task_categories=["text-to-speech"],
        pretty_name=source,
    )
    shown = {name: value for name, value in describe(settings).items() if name != "source"}
    minutes = kept.groupby("part")["seconds"].agg(["size", "sum"])
    parts = [
        (part, int(minutes["size"].get(part, 0)), f"{minutes['sum'].get(part, 0.0) / 60:.1f}") for part in Parts._fields
    ]
    reasons = reasons_table(clips)
    return f"""{head}
# {source}, prepared

{len(kept)} clips, {kept["seconds"].sum() / 60:.1f} minutes, {kept["speaker"].nunique()} speaker(s): recordings with
what is said in them, made ready to train a Kurmanji voice. Mono WAV, 16 bits, {audio.sampling_rate} Hz.

- Source: {source}
- Licence of the recordings: {licence}
- The speakers are people, if no machine is named as the reader. Their names are {_names(settings)}.

{table(("part", "clips", "minutes"), parts)}

Which part a sentence belongs to follows from a hash of the sentence: it stays there when the corpus grows, and no
sentence is in two parts.

`metadata.csv`, `train.csv`, `validation.csv` and `test.csv` have lines `file|text`; `metadata.parquet` has every
column below; `clips.csv` has every clip of the source, also those that were left out; `report.html` has pictures.

## What became of the {len(clips)} clips of the source

{table(("reason", "clips", "setting", "why"), reasons.reset_index().to_numpy().tolist())}

## Settings

{table(("setting", "value"), [(f"`{name}`", f"`{value}`") for name, value in shown.items()])}

## Columns

{table(("column", "what it says"), [(f"`{name}`", text) for name, text in columns.items()])}
"""


def _names(settings: CorpusSettings) -> str:
    if settings.keep_client_ids:
        return "the ids of the source"
    return "made from the source's ids: whoever has the source can make them again, nobody else"
