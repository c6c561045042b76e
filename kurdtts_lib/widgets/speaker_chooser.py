"""Listen to the speakers of a corpus and choose those to train on."""

import dataclasses
import functools
import html

import ipywidgets
import pandas

from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data import plots
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.data.sources import find_clips
from kurdtts_lib.data.speakers import MOST_SURVEYED, choice_line, choose_speakers, speaker_name, speaker_table
from kurdtts_lib.widgets.markup import Shown, make_button
from kurdtts_lib.widgets.players import clip_row

PRESETS = {"one": "One speaker", "group": "A group", "all": "Everybody"}
COLUMNS = {
    "minutes": ("Minutes", "usable", "{:.1f}"),
    "pitch": ("Pitch", "Hz", "{:.0f}"),
    "pitch_spread": ("Melody", "semitones", "{:.1f}"),
    "loudness": ("Loudness", "dB", "{:.0f}"),
    "level_range_db": ("Range", "dB", "{:.0f}"),
    "gender": ("Gender", "", "{}"),
    "age": ("Age", "", "{}"),
}
"""Title, unit and number format of each column."""
NAME_WIDTH, CELL_WIDTH = 190, 86
"""Pixels."""
STATIC_VOICES = 4
"""Speakers with a player in a saved notebook; each makes its file 0.1 MB larger."""


class SpeakerChooser(Shown):
    """A table with players and a plot of the speakers, to choose from; displayed as the last expression of a cell.

    `settings` is a `CorpusSettings` with the choice, `line` the line to write in notebook 3.
    """

    def __init__(
        self, settings: CorpusSettings, audio: AudioSettings, clips: pandas.DataFrame, survey: pandas.DataFrame
    ) -> None:
        """clips: the `corpus_table` of `settings`; survey: its `survey`. The first choice is that of `settings`."""
        self._corpus, self._audio = settings, audio
        self.table = speaker_table(clips, survey, settings)
        self._choice = settings.speaker
        usable = survey[survey["reason"] == ""].drop_duplicates("speaker")
        self._numbers = dict(zip(usable["speaker"], map(int, usable["number"]), strict=True))
        """Number of the clip to play, by speaker: the first one in which speech was found."""
        self._loaded: dict[str, Clip] = {}
        self._setting = False
        self.presets = {name: ipywidgets.Button(description=label) for name, label in PRESETS.items()}
        for name, button in self.presets.items():
            button.on_click(functools.partial(self._preset, name))
        shown = self.table.index[:MOST_SURVEYED]
        self.boxes = {name: self._box(name) for name in shown}
        self.listen = {name: self._listen_button(name) for name in shown if name in self._numbers}
        self.sound, self.plot, self.status = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        rows = ipywidgets.VBox(
            [ipywidgets.HTML(_heads()), *map(self._row, shown)], layout={"max_height": "340px", "overflow": "auto"}
        )
        others = len(self.table) - len(shown)
        more = ipywidgets.HTML(
            f"And {others} speakers with fewer minutes, whose pitch was not measured. <i>Everybody</i> takes them, "
            "too; by name they can be chosen in notebook 3."
            if others
            else ""
        )
        buttons = ipywidgets.HBox(list(self.presets.values()), layout={"flex_flow": "row wrap"})
        self.widget = ipywidgets.VBox([buttons, rows, more, self.sound, self.status, self.plot])
        self._show()

    @property
    def settings(self) -> CorpusSettings:
        """The corpus's settings with this choice."""
        return dataclasses.replace(self._corpus, speaker=self._choice)

    @property
    def chosen(self) -> list[str]:
        """Names of the speakers chosen now; empty if no box is ticked."""
        return choose_speakers(self.table, self.settings) if self._choice else []

    @property
    def line(self) -> str:
        """The setting to write in notebook 3."""
        return f'speaker="{self._choice}"' if self._choice else ""

    def static_html(self) -> str:
        """Table, choice, plot and some players."""
        shown = self.table[:MOST_SURVEYED].copy()
        chosen = self.chosen
        shown.insert(0, "chosen", ["✓" if name in chosen else "" for name in shown.index])
        table = shown.to_html(float_format="%.1f", na_rep="?", escape=True)
        voices = "".join(map(self._voice, list(self.listen)[:STATIC_VOICES]))
        return table + self.status.value + self.plot.value + voices

    def _box(self, name: str) -> ipywidgets.Checkbox:
        box = ipywidgets.Checkbox(description=name, indent=False, layout={"width": f"{NAME_WIDTH}px", "margin": "0"})
        box.observe(lambda _: self._picked(), "value")
        return box

    def _listen_button(self, name: str) -> ipywidgets.Button:
        listen = make_button("Listen", "play", f"Hear a clip of {name}", layout={"width": "90px"})
        listen.on_click(functools.partial(self._play, name))
        return listen

    def _row(self, name: str) -> ipywidgets.HBox:
        cells = [_cell(text.format(self.table.at[name, column])) for column, (_, _, text) in COLUMNS.items()]
        parts = [self.boxes[name], ipywidgets.HTML("".join(cells).replace("nan", "?"))]
        parts += [self.listen[name]] if name in self.listen else []
        return ipywidgets.HBox(parts, layout={"flex": "0 0 auto", "align_items": "center"})

    def _preset(self, name: str, _: ipywidgets.Button) -> None:
        self._choice = name
        self._show()

    def _picked(self) -> None:
        """A box was clicked: from now on the choice is the list of ticked names."""
        if not self._setting:
            # Speakers without a box cannot be unticked one by one, so the first click leaves them out.
            self._choice = ",".join(name for name, box in self.boxes.items() if box.value)
            self._show()

    def _play(self, name: str, _: ipywidgets.Button) -> None:
        self.sound.value = self._voice(name)

    def _voice(self, name: str) -> str:
        """A player with one clip of the speaker."""
        if not self._loaded:  # one pass over the corpus loads all of them
            found = find_clips(self._corpus, self._numbers.values())
            self._loaded = {speaker_name(clip.client_id, self._corpus.keep_client_ids): clip for clip in found}
        return clip_row(name, self._loaded[name], self._audio.sampling_rate).data

    def _show(self) -> None:
        chosen = self.chosen
        self._setting = True
        for name, box in self.boxes.items():
            box.value = name in chosen
        self._setting = False
        for name, button in self.presets.items():
            button.icon = "check" if name == self._choice else ""
        self.status.value = self._status(chosen)
        picture = plots.speakers(self.table, chosen)
        self.plot.value = plots.as_html(picture, "Pitch and minutes of each speaker, as in the table above")

    def _status(self, chosen: list[str]) -> str:
        if not chosen:
            return '<div role="status">Nobody is chosen. Tick a speaker, or click one of the buttons.</div>'
        summary = html.escape(choice_line(self.table, chosen, self.settings))
        return (
            f'<div role="status" style="line-height:1.6"><b>{summary}</b><br>'
            f"In notebook 3 write: <code>{html.escape(self.line)}</code></div>"
        )


def _cell(text: str) -> str:
    return f'<span style="display:inline-block;width:{CELL_WIDTH}px;line-height:1.4">{html.escape(text)}</span>'


def _heads() -> str:
    heads = "".join(_cell(head) for head, _, _ in COLUMNS.values())
    units = "".join(_cell(unit) for _, unit, _ in COLUMNS.values())
    name = f'<span style="display:inline-block;width:{NAME_WIDTH}px">{{}}</span>'
    return f'<div style="white-space:nowrap"><b>{name.format("Speaker")}{heads}</b><br>{name.format("")}{units}</div>'
