"""The report on a training set, one self-contained HTML page with plots, and its data set card."""

import matplotlib
import pandas

from kurdtts_lib.core.cards import public_name, render
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings, describe
from kurdtts_lib.data import plots
from kurdtts_lib.data.dataset import COLUMNS, KEPT, Parts
from kurdtts_lib.data.filtering import reasons_table
from kurdtts_lib.data.sources import licence_of


@matplotlib.rc_context(rc=matplotlib.rcParamsDefault)  # not the user's style: same input, same bytes
def report(clips: pandas.DataFrame, settings: CorpusSettings, audio: AudioSettings) -> str:
    """HTML: clips by reason, statistics of kept clips. clips: one row per source clip. Same input, same bytes."""
    kept = clips[clips["reason"] == KEPT]
    pictures = [
        plots.bars(reasons_table(clips)["clips"], f"What became of {len(clips)} clips", "clips"),
        plots.bars(kept.groupby("speaker")["seconds"].sum().nlargest(20) / 60, "Minutes of each speaker", "minutes"),
        plots.bars(kept["part"].value_counts(), "Parts", "clips"),
        plots.histogram(kept["seconds"], "Length of the clips that stay", "seconds"),
        plots.histogram(kept["letters_per_second"], "Pace of the clips that stay", "letters a second"),
        plots.histogram(kept["source_lufs"], "Loudness of the clips that stay, as they came", "LUFS"),
        plots.histogram(kept["level_range_db"], "From quiet to loud moments in the clips that stay", "dB"),
    ]
    settings_shown = {name: str(value) for name, value in describe(settings).items() if name != "source"}
    return render(
        "data/report.html",
        title=f"{public_name(settings.source)}, prepared",
        clips=clips,
        kept=kept,
        reasons=reasons_table(clips).reset_index(),
        pictures=map(plots.image, pictures),
        shown=pandas.DataFrame(settings_shown.items(), columns=["setting", "value"]),
        audio=audio,
    )


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
