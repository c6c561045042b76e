"""The data set card of a training set: source, licence, preprocessing, counts."""

import pandas

from kurdtts_lib.core.cards import public_name, render
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings, describe
from kurdtts_lib.data.dataset import COLUMNS, KEPT, Parts
from kurdtts_lib.data.filtering import reasons_table
from kurdtts_lib.data.sources import licence_of


def card(clips: pandas.DataFrame, settings: CorpusSettings, audio: AudioSettings) -> str:
    """Markdown with front matter for the hub. clips: one row per source clip."""
    kept = clips[clips["reason"] == KEPT]
    minutes = kept.groupby("part")["seconds"].agg(["size", "sum"])
    return render(
        "data/card.md",
        source=public_name(settings.source),
        licence=licence_of(settings),
        clips=clips,
        kept=kept,
        reasons=reasons_table(clips).reset_index(),
        parts=[
            (part, int(minutes["size"].get(part, 0)), f"{minutes['sum'].get(part, 0.0) / 60:.1f}")
            for part in Parts._fields
        ],
        shown={name: value for name, value in describe(settings).items() if name != "source"},
        columns=COLUMNS,
        settings=settings,
        audio=audio,
    )
