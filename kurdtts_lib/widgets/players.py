"""Audio players in a notebook, side by side."""

import html
from collections.abc import Mapping

import numpy as np
from IPython.display import HTML, Audio

from kurdtts_lib.audio.io import decode, wav_bytes
from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.dataset import KEPT, Clip
from kurdtts_lib.data.filtering import reasons_table
from kurdtts_lib.data.prepare import Preparation
from kurdtts_lib.data.sources import find_clips


def player_row(waveforms: Mapping[str, np.ndarray], sampling_rate: int, title: str = "") -> HTML:
    """Players side by side with a label above each. `waveforms` maps label to (samples,) in [-1, 1].

    Without normalisation: a voice that became quiet must sound quiet.
    """
    cells = "".join(
        f'<figure style="margin:0 1em 0.5em 0"><figcaption>{html.escape(label)}</figcaption>'
        f"{Audio(wav_bytes(waveform, sampling_rate), normalize=False)._repr_html_()}</figure>"
        for label, waveform in waveforms.items()
    )
    heading = f'<div lang="kmr" style="font-weight:600">{html.escape(title)}</div>' if title else ""
    return HTML(f'{heading}<div style="display:flex;flex-wrap:wrap">{cells}</div>')


def playing(markup: str) -> str:
    """Markup whose first player begins by itself: browsers allow it after a click."""
    return markup.replace("<audio", "<audio autoplay", 1)


def clip_row(label: str, clip: Clip, sampling_rate: int) -> HTML:
    """A player for a corpus's clip, with its sentence; the reason if the clip cannot be decoded."""
    try:
        return player_row({label: decode(clip.audio, sampling_rate)}, sampling_rate, clip.sentence)
    except AudioError as error:
        return HTML(f"<p>{html.escape(label)}: <b>{html.escape(clip.sentence)}</b>: {html.escape(str(error))}</p>")


def left_out(result: Preparation, settings: CorpusSettings, sampling_rate: int, each: int = 2) -> HTML:
    """What each filter left out: its reason, why the filter exists, and players for `each` of its clips."""
    reasons = reasons_table(result.clips).drop(index=KEPT, errors="ignore")
    shown = result.clips[result.clips["reason"] != KEPT].groupby("reason").head(each)
    clips = {clip.number: clip for clip in find_clips(settings, shown["number"])}
    parts = []
    for reason, row in reasons.iterrows():
        parts.append(f"<h4>{html.escape(str(reason))} ({row['clips']})</h4><p>{html.escape(row['why'])}</p>")
        for number, detail in shown.loc[shown["reason"] == reason, ["number", "detail"]].to_numpy():
            parts.append(clip_row(detail or f"clip {number}", clips[number], sampling_rate).data)
    return HTML("".join(parts))
