"""Search the sentences of a corpus; play any clip and see its spectrogram."""

import html
import re
import unicodedata

import ipywidgets
import pandas

from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.errors import AudioError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data import plots
from kurdtts_lib.data.dataset import KEPT, Clip
from kurdtts_lib.data.sources import find_clips
from kurdtts_lib.text.language import lower
from kurdtts_lib.widgets.markup import WRAPPED, Shown, box_html, kurmanji, page_buttons
from kurdtts_lib.widgets.players import player_row

PAGE = 10
"""Clips per page; one pass reads them all from the corpus, because each pass starts at its first clip."""
NOTHING = "No clip has a word that begins so. Write less of it, or another one."


class ClipBrowser(Shown):
    """A search, a list of the clips found, and the chosen clip; displayed as the last expression of a cell."""

    def __init__(
        self, settings: CorpusSettings, audio: AudioSettings, clips: pandas.DataFrame, query: str = ""
    ) -> None:
        """clips: the `corpus_table` of `settings`."""
        self.settings, self.audio, self.clips = settings, audio, clips
        self._texts = list(map(_folded, clips["sentence"]))
        self._loaded: dict[int, Clip] = {}
        self.query = ipywidgets.Text(
            query,
            description="Word",
            placeholder="then press Enter; empty: all clips",
            continuous_update=False,  # each search may read the corpus as far as the clips found
            layout={"width": "min(360px, 98%)"},
        )
        self.count = ipywidgets.HTML()
        self.list = ipywidgets.Select(
            description="Clips", rows=PAGE, layout={"width": "min(760px, 98%)", "height": f"{22 * PAGE}px"}
        )
        self.back, self.forward = page_buttons(lambda by: self._show_page(self._page + by))
        self.view = ipywidgets.HTML(NOTHING)
        pages = ipywidgets.HBox([self.back, self.forward, self.count], layout=WRAPPED)
        self.widget = ipywidgets.VBox([self.query, self.list, pages, self.view])
        self.query.observe(lambda _: self._search(), "value")
        self.list.observe(lambda _: self._show_clip(), "value")
        self._search()

    def static_html(self) -> str:
        """The list with the chosen clip."""
        lines = "".join(f"<li>{html.escape(label)}</li>" for label, _ in self.list.options)
        return f'{self.count.value}<ul lang="kmr">{lines}</ul>{self.view.value}'

    def _search(self) -> None:
        # Only the beginning, because Kurmanji words take endings: `mal` finds malê and malan.
        wanted = re.compile(rf"(?<!\w){re.escape(_folded(self.query.value.strip()))}")
        self.found = [place for place, text in enumerate(self._texts) if wanted.search(text)]
        self._show_page(0)

    def _show_page(self, page: int) -> None:
        """Fill the list with a page, counted from 0, and choose its first clip, which shows it."""
        self._page, pages = page, max(1, -(-len(self.found) // PAGE))
        rows = self.clips.iloc[self.found[page * PAGE : (page + 1) * PAGE]]
        found = f"{len(self.found)} of {len(self.clips)} clips, page {page + 1} of {pages}"
        self.count.value = f'<div role="status">{found}</div>'
        # One line per clip; its number distinguishes clips of the same sentence.
        self.list.options = [(f"{row.number}: {row.sentence}", int(row.number)) for row in rows.itertuples()]
        self.list.index = 0 if len(rows) else None
        self.back.disabled, self.forward.disabled = page == 0, page == pages - 1

    def _show_clip(self) -> None:
        number = self.list.value
        if number is None:
            self.view.value = NOTHING
            return
        if number not in self._loaded:
            listed = [number for _, number in self.list.options]
            self._loaded = {clip.number: clip for clip in find_clips(self.settings, listed)}
        self.view.value = clip_html(self._loaded[number], self.audio)


def _folded(text: str) -> str:
    """`text` in lower case and in NFC: e and ê stay different."""
    return lower(unicodedata.normalize("NFC", text))


def clip_html(clip: Clip, audio: AudioSettings) -> str:
    """HTML of one clip: its sentence, facts, player and mel spectrogram; the reason if it cannot be decoded."""
    facts = (
        f"{html.escape(clip.speaker)}, {clip.up_votes} votes for, {clip.down_votes} against, {html.escape(clip.name)}"
    )
    head = f'<div style="line-height:1.5"><b>{kurmanji(clip.sentence)}</b><br>{facts}</div>'
    if clip.reason != KEPT:
        return head + box_html(f"{clip.name}: {clip.reason}")
    try:
        waveform = decode(clip.audio, audio.sampling_rate)
    except AudioError as error:
        return head + box_html(str(error))
    seconds = f"{len(waveform) / audio.sampling_rate:.1f} s"
    player = player_row({seconds: waveform}, audio.sampling_rate).data
    picture = plots.spectrograms({"": waveform}, audio)
    return head + player + plots.image(picture, f"Mel spectrogram of clip {clip.number}, {seconds}")
