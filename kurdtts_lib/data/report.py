"""The report on a training set: one self-contained HTML page with plots."""

import base64
import html
import io

import matplotlib
import pandas
from matplotlib.figure import Figure

from kurdtts_lib.core.cards import public_name
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings, describe
from kurdtts_lib.data import plots
from kurdtts_lib.data.filtering import KEPT, reasons_table

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
body { color: #222; background: #fff }
table { border-collapse: collapse } th, td { text-align: left; padding: 2px 12px; border-bottom: 1px solid #ddd }
img { max-width: 100%; display: block; margin: 1em 0 }
"""


def report(clips: pandas.DataFrame, settings: CorpusSettings, audio: AudioSettings) -> str:
    """HTML: clips by reason, statistics of kept clips. clips: one row per source clip. Same input, same bytes."""
    with matplotlib.rc_context(rc=matplotlib.rcParamsDefault):  # not the user's style: same input, same bytes
        return _page(clips, settings, audio)


def _page(clips: pandas.DataFrame, settings: CorpusSettings, audio: AudioSettings) -> str:
    kept = clips[clips["reason"] == KEPT]
    reasons = reasons_table(clips)
    pictures = [
        plots.bars(reasons["clips"], f"What became of {len(clips)} clips", "clips"),
        plots.bars(kept.groupby("speaker")["seconds"].sum().nlargest(20) / 60, "Minutes of each speaker", "minutes"),
        plots.bars(kept["part"].value_counts(), "Parts", "clips"),
        plots.histogram(kept["seconds"], "Length of the clips that stay", "seconds"),
        plots.histogram(kept["letters_per_second"], "Pace of the clips that stay", "letters a second"),
        plots.histogram(kept["source_lufs"], "Loudness of the clips that stay, as they came", "LUFS"),
        plots.histogram(kept["level_range_db"], "From quiet to loud moments in the clips that stay", "dB"),
    ]
    source = html.escape(public_name(settings.source))
    minutes = kept["seconds"].sum() / 60
    shown = [(name, str(value)) for name, value in describe(settings).items() if name != "source"]
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{source}, prepared</title><style>{STYLE}</style></head><body>
<h1>{source}, prepared</h1>
<p>{len(kept)} of {len(clips)} clips stay: {minutes:.1f} minutes of {kept["speaker"].nunique()} speaker(s),
mono, {audio.sampling_rate} Hz.</p>
{_table(reasons.reset_index())}
{"".join(map(image, pictures))}
<h2>Settings</h2>
{_table(pandas.DataFrame(shown, columns=["setting", "value"]))}
</body></html>
"""


def _table(frame: pandas.DataFrame) -> str:
    return frame.to_html(index=False, border=0)


def image(figure: Figure, meaning: str = "") -> str:
    """The figure as an embedded SVG, without a date and with stable ids, so that the bytes are reproducible.

    meaning: the alternative text for screen readers; the title of the first axes if empty.
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "kurdtts"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    title = html.escape(meaning or figure.axes[0].get_title())
    return f'<img alt="{title}" src="data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode("ascii")}">'
