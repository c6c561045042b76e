"""Listen to the speakers of a corpus and choose those to train on."""

import dataclasses
import html

import ipywidgets
import pandas

from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data import plots
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.data.sources import find_clips
from kurdtts_lib.data.speakers import MOST_SURVEYED, choose_speakers, speaker_table
from kurdtts_lib.widgets.markup import Shown, make_button
from kurdtts_lib.widgets.players import clip_row, playing

PRESETS = {"One speaker": "one", "Everybody": "all"}
FACTS = {
    "minutes": "{:.1f} minutes",
    "pitch": "{:.0f} Hz",
    "pitch_spread": "melody {:.1f} semitones",
    "loudness": "{:.0f} dB",
    "level_range_db": "range {:.0f} dB",
    "gender": "gender: {}",
    "age": "age: {}",
}
"""What is shown of each speaker, by column of the `speaker_table`; what is not known is left out."""
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
        self.presets = ipywidgets.ToggleButtons(options=PRESETS, value=None)
        self.presets.observe(lambda change: self._choose(change["new"]), "value")
        shown = self.table.index[:MOST_SURVEYED]
        self.boxes = {name: self._box(name) for name in shown}
        self.listen = {name: self._listen(name) for name in shown if name in self._numbers}
        self.sound, self.plot, self.status = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        rows = list(map(self._row, shown))
        others = len(self.table) - len(shown)
        more = (
            f"And {others} speakers with fewer minutes, whose pitch was not measured. <i>Everybody</i> takes them, "
            "too; by name they can be chosen in notebook 3."
        )
        self.widget = ipywidgets.VBox(
            [
                self.presets,
                ipywidgets.VBox(rows, layout={"max_height": "340px", "overflow": "auto"}),
                *([ipywidgets.HTML(more)] if others else []),
                *(self.sound, self.status, self.plot),
            ]
        )
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
        shown.insert(0, "chosen", ["✓" if box.value else "" for box in self.boxes.values()])
        table = shown.to_html(float_format="%.1f", na_rep="?", escape=True)
        voices = "".join(map(self._voice, list(self.listen)[:STATIC_VOICES]))
        return table + self.status.value + self.plot.value + voices

    def _box(self, name: str) -> ipywidgets.Checkbox:
        box = ipywidgets.Checkbox(description=name, indent=False, layout={"width": "190px", "flex": "0 0 auto"})
        # Speakers without a box cannot be unticked one by one, so the first click leaves them out.
        box.observe(lambda _: self._choose(",".join(name for name, box in self.boxes.items() if box.value)), "value")
        return box

    def _listen(self, name: str) -> ipywidgets.Button:
        def play() -> None:
            self.sound.value = ""  # the same sound again is no change, and would not play
            self.sound.value = playing(self._voice(name))

        return make_button("Listen", "play", f"Hear a clip of {name}", play, layout={"width": "90px"})

    def _row(self, name: str) -> ipywidgets.HBox:
        known = self.table.loc[name, [*FACTS]].dropna()
        facts = ", ".join(FACTS[column].format(value) for column, value in known.items())
        parts = [self.boxes[name], *([self.listen[name]] if name in self.listen else [])]
        parts += [ipywidgets.HTML(html.escape(facts), layout={"flex": "0 0 auto"})]
        return ipywidgets.HBox(parts, layout={"flex": "0 0 auto", "align_items": "center"})

    def _choose(self, choice: str) -> None:
        """Make a preset or a list of names the choice, unless `_show` itself changes boxes and presets."""
        if not self._setting:
            self._choice = choice
            self._show()

    def _voice(self, name: str) -> str:
        """A player with one clip of the speaker."""
        if not self._loaded:  # one pass over the corpus loads all of them
            found = find_clips(self._corpus, self._numbers.values())
            self._loaded = {clip.speaker: clip for clip in found}
        return clip_row(name, self._loaded[name], self._audio.sampling_rate).data

    def _show(self) -> None:
        chosen = self.chosen
        self._setting = True
        for name, box in self.boxes.items():
            box.value = name in chosen
        self.presets.value = self._choice if self._choice in PRESETS.values() else None
        self._setting = False
        self.status.value = self._status(chosen)
        picture = plots.speakers(self.table, chosen)
        self.plot.value = plots.image(picture, "Pitch and minutes of each speaker, as in the table above")

    def _status(self, chosen: list[str]) -> str:
        if not chosen:
            return '<div role="status">Nobody is chosen. Tick a speaker, or click one of the buttons.</div>'
        people = f"{len(chosen)} {'speaker' if len(chosen) == 1 else 'speakers'}"
        minutes = f"{self.table.loc[chosen, 'minutes'].sum():.1f} usable minutes"
        return (
            f'<div role="status" style="line-height:1.6"><b>{people}, {minutes}</b><br>'
            f"In notebook 3 write: <code>{html.escape(self.line)}</code></div>"
        )
