"""The speaker chooser: presets, boxes and sounds lead to one line of settings, and the line to the same speakers."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas
import pytest
from speechlike import common_voice, encoded

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data import plots
from kurdtts_lib.data.sources import corpus_table
from kurdtts_lib.data.speakers import MEASURED, choose_speakers, speaker_name
from kurdtts_lib.widgets import speaker_chooser
from kurdtts_lib.widgets.speaker_chooser import SpeakerChooser

# id: (clips of 6 s, pitch in Hz, gender)
PEOPLE = {
    "aa": (5, 200.0, "female"),
    "bb": (4, 210.0, ""),
    "cc": (3, 190.0, "female"),
    "dd": (2, 205.0, "male"),
    "ee": (1, np.nan, ""),
}
A, B, C, D, E = (speaker_name(client_id) for client_id in PEOPLE)


@pytest.fixture
def settings(tmp_path: Path) -> CorpusSettings:
    sound = encoded(0.1 * np.sin(np.arange(96_000)), 16_000, "WAV")
    rows = [
        {"client_id": client_id, "path": "a.wav", "audio": sound}
        | {"sentence": f"Ez <{client_id}> me {number}", "gender": gender}
        for client_id, (count, _, gender) in PEOPLE.items()
        for number in range(count)
    ]
    return CorpusSettings(source=str(common_voice(tmp_path / "corpus", rows)))


@pytest.fixture
def figures() -> pandas.DataFrame:
    """One examined clip each; the one of the last speaker has no voice."""
    counts, pitches, _ = zip(*PEOPLE.values(), strict=True)
    table = pandas.DataFrame({"number": np.cumsum([0, *counts[:-1]]), "speaker": [A, B, C, D, E], "seconds": 6.0})
    table[[*MEASURED]] = [[pitch, 1.0, -20.0, 30.0] for pitch in pitches]
    return table.assign(reason=["", "", "", "", "no voice found"])


@pytest.fixture
def chooser(settings: CorpusSettings, audio: AudioSettings, figures: pandas.DataFrame) -> SpeakerChooser:
    return SpeakerChooser(settings, audio, corpus_table(settings), figures)


def ticked(chooser: SpeakerChooser) -> list[str]:
    return [name for name, box in chooser.boxes.items() if box.value]


@pytest.mark.parametrize(("preset", "expected", "minutes"), [("one", [A], 0.5), ("all", [A, B, C, D, E], 1.5)])
def test_a_preset_ticks_its_speakers_and_becomes_the_setting(
    chooser: SpeakerChooser, preset: str, expected: list[str], minutes: float
) -> None:
    chooser.presets.value = preset
    assert ticked(chooser) == expected and set(chooser.chosen) == set(expected)
    assert chooser.settings.speaker == preset and chooser.line == f'speaker="{preset}"'
    assert re.search(f"{len(expected)} speakers?, {minutes:.1f} usable minutes", chooser.status.value)


def test_speakers_beyond_the_boxes_are_counted_and_reached_by_all(
    settings: CorpusSettings, audio: AudioSettings, figures: pandas.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaker_chooser, "MOST_SURVEYED", 3)
    chooser = SpeakerChooser(settings, audio, corpus_table(settings), figures)
    shown = " ".join(part.value for part in chooser.widget.children if hasattr(part, "value"))
    assert list(chooser.boxes) == [A, B, C] and "And 2 speakers with fewer minutes" in shown
    chooser.presets.value = "all"
    assert len(chooser.chosen) == 5 and "1.5 usable minutes" in chooser.status.value


def test_boxes_make_names_of_the_choice_and_the_line_means_the_same_speakers(
    chooser: SpeakerChooser, settings: CorpusSettings
) -> None:
    chooser.boxes[D].value = True
    assert chooser.chosen == [A, D] and chooser.line == f'speaker="{A},{D}"'
    assert f"<code>{chooser.line.replace(chr(34), '&quot;')}</code>" in chooser.status.value
    assert chooser.presets.value is None
    (written,) = re.findall(r'^speaker="(.*)"$', chooser.line)
    again = dataclasses.replace(settings, speaker=written)
    assert again == chooser.settings and choose_speakers(chooser.table, again) == chooser.chosen
    chooser.boxes[A].value = False
    assert chooser.settings.speaker == D
    chooser.boxes[D].value = False
    assert chooser.chosen == [] and chooser.line == "" and "Nobody is chosen" in chooser.status.value
    with pytest.raises(CorpusError, match="No speaker is named"):
        choose_speakers(chooser.table, chooser.settings)
    chooser.presets.value = "all"
    assert chooser.settings.speaker == "all" and ticked(chooser) == [A, B, C, D, E]
    bundle, _ = chooser._repr_mimebundle_()
    static = str(bundle["text/html"])
    assert static.count("✓") == 5 and all(name in static for name in (A, B, C, D, E)), "a saved notebook keeps it"
    assert chooser.status.value in static and "<img" in static
    assert static.count("<audio") == len(chooser.listen) == 4


def test_each_speaker_with_a_voice_can_be_heard_and_no_id_is_shown(chooser: SpeakerChooser) -> None:
    assert set(chooser.listen) == {A, B, C, D}, "in the clip of the last no voice was found"
    chooser.listen[C].click()
    facts = [row.children[-1].value for row in chooser.widget.children[1].children]
    assert facts[0] == "0.5 minutes, 200 Hz, melody 1.0 semitones, -20 dB, range 30 dB, gender: female, age: not said"
    assert "Hz" not in facts[-1], "what is not known is left out"
    assert all(part in chooser.sound.value for part in ("<audio autoplay", C, "Ez &lt;cc&gt; me 0"))
    assert ticked(chooser) == [A], "listening chooses nobody"
    assert list(chooser.boxes) == [A, B, C, D, E] and not set(PEOPLE) & set(chooser.table.index)


def test_the_plot_has_shape_and_colour_by_gender_and_a_ring_around_the_chosen(chooser: SpeakerChooser) -> None:
    axes = plots.speakers(chooser.table, [A, C]).axes[0]
    assert "1 without a pitch" in axes.get_title()
    found = {drawn.get_label(): drawn for drawn in axes.collections}
    assert set(found) == {"female", "male", "not said", "chosen"}
    np.testing.assert_allclose(np.sort(found["female"].get_offsets()[:, 0]), [190, 200])
    np.testing.assert_allclose(np.sort(found["chosen"].get_offsets()[:, 1]), [0.3, 0.5])
    assert len({drawn.get_paths()[0].vertices.tobytes() for label, drawn in found.items() if label != "chosen"}) == 3
    unvoiced = plots.speakers(chooser.table.assign(pitch=np.nan)).axes[0]
    assert "5 without a pitch" in unvoiced.get_title() and not len(unvoiced.collections[0].get_offsets())
