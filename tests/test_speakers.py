"""Who speaks, how it sounds, and who is chosen: checked against sounds of known pitch and a plain statement."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pytest
from speechlike import common_voice, encoded

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data import speakers
from kurdtts_lib.data.sources import corpus_table, speaker_name
from kurdtts_lib.data.speakers import NOT_SAID, choose_speakers, speaker_table, survey, usable_clips

AUDIO = AudioSettings()


def voice(frequency: float | np.ndarray, seconds: float = 2.0, quiet: float = 0.1) -> np.ndarray:
    """Five harmonics, half of the time loud and half of it 20 dB quieter, or `quiet`."""
    time = np.arange(round(seconds * 16_000)) / 16_000
    phase = 2 * np.pi * np.cumsum(np.full(len(time), frequency)) / 16_000
    wave = sum(np.sin(k * phase) / k for k in range(1, 6))
    return 0.1 * wave * np.where(time % 0.5 < 0.25, 1.0, quiet)


def write_corpus(folder: Path, waves: list[np.ndarray], **columns: list) -> CorpusSettings:
    """Every column has a value for each of the waveforms (samples,)."""
    rows = [{name: values[number] for name, values in columns.items()} for number in range(len(waves))]
    sounds = [{"audio": encoded(wave, 16_000, "WAV"), "sentence": "Roj baş."} for wave in waves]
    folder.mkdir(exist_ok=True)
    both = [row | sound for row, sound in zip(rows, sounds, strict=True)]
    return CorpusSettings(source=str(common_voice(folder, both)))


def surveyed(corpus: CorpusSettings, progress: Callable[..., None] = lambda *_: None) -> pandas.DataFrame:
    return survey(corpus, AUDIO, progress, corpus_table(corpus))


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusSettings:
    """Two speakers with three clips each; one more clip of `high` has too few votes and another pitch."""
    waves = [voice(pitch * change, s) for pitch, s in ((110, 2.0), (220, 3.0)) for change in (0.99, 1, 1.01)]
    return write_corpus(
        tmp_path,
        [voice(400.0), *waves],
        client_id=["high", *["low"] * 3, *["high"] * 3],
        up_votes=[0, *[2] * 6],
        age=["", *["twenties"] * 6],
        gender=[*[""] * 4, *["female_feminine"] * 3],
    )


def test_a_name_is_the_same_for_the_same_id_and_does_not_show_it() -> None:
    name = speaker_name("a1b2c3")
    assert re.fullmatch(r"speaker-[0-9a-f]{10}", name) and "a1b2c3" not in name
    assert name != speaker_name("a1b2c4")
    # Written in every prepared corpus and in readers' own settings: it may never change.
    assert name == "speaker-1a47b8bbdd"


def test_the_survey_measures_and_the_table_counts_what_is_usable(
    corpus: CorpusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    figures = surveyed(corpus, lambda done, name, total: told.append((done, total)))
    assert list(figures["number"]) == [1, 2, 3, 4, 5, 6] and set(figures["reason"]) == {""}
    assert told == [(done, 6) for done in range(1, 7)]
    high, low = (speaker_name(client_id) for client_id in ("high", "low"))
    for name, pitch in ((high, 220.0), (low, 110.0)):
        rows = figures[figures["speaker"] == name]
        np.testing.assert_allclose(rows["pitch"], pitch * np.array([0.99, 1.0, 1.01]), rtol=0.01)
        assert rows["pitch_spread"].max() < 0.3
        np.testing.assert_allclose(rows["level_range_db"], 20, atol=1.5)
    power = 0.1**2 * sum(0.5 / k**2 for k in range(1, 6)) * (1 + 0.01) / 2
    np.testing.assert_allclose(figures["loudness"], 10 * np.log10(power), atol=0.3)
    table = speaker_table(corpus_table(corpus), figures, corpus)
    assert list(table.index) == [high, low]
    assert table["clips"].tolist() == [4, 3] and table["usable"].tolist() == [3, 3]
    np.testing.assert_allclose(table["minutes"], [9 / 60, 6 / 60])
    assert table["gender"].tolist() == ["female", NOT_SAID] and table["age"].tolist() == ["twenties"] * 2
    np.testing.assert_allclose(table["pitch"], [220, 110], rtol=0.01)
    assert not figures.astype(str).apply(lambda column: column.str.fullmatch("low|high")).any(axis=None)
    monkeypatch.setattr(speakers, "SURVEYED_CLIPS", 1)
    assert list(surveyed(corpus)["number"]) == [1, 4]
    monkeypatch.setattr(speakers, "MOST_SURVEYED", 1)
    assert set(surveyed(corpus)["speaker"]) == {high}, "it has the most minutes"


def test_the_pitch_of_a_glide_is_the_median_of_all_its_frames(tmp_path: Path) -> None:
    frequency = 120 * 2 ** (np.arange(48_000) / 48_000)  # an octave
    (row,) = surveyed(write_corpus(tmp_path, [voice(frequency, 3.0, quiet=1.0)])).to_dict("records")
    assert row["pitch"] == pytest.approx(np.median(frequency), rel=0.01)
    assert row["pitch_spread"] == pytest.approx(6.0, abs=0.4)


def test_what_cannot_be_measured_stays_in_the_table_with_its_reason(tmp_path: Path) -> None:
    assert len(surveyed(write_corpus(tmp_path / "short", [voice(150, 1.2)]))) == 0, "too short to measure"
    settings = write_corpus(tmp_path, [voice(150), np.zeros(32_000), voice(150)])
    (tmp_path / "clips" / "2.mp3").write_bytes(encoded(np.full(32_000, np.nan), 16_000, "WAV", "FLOAT"))
    figures = surveyed(settings).set_index("number")
    assert figures.loc[0, "reason"] == "" and figures.loc[1, "reason"] == "no voice found"
    assert "not numbers" in figures.loc[2, "reason"] and math.isnan(figures.loc[2, "loudness"])
    table = speaker_table(corpus_table(settings), figures, settings)
    assert table["pitch"].iloc[0] == pytest.approx(150, rel=0.01), "the good clip alone"
    assert table["clips"].iloc[0] == 3


def clips_table(**columns: list) -> pandas.DataFrame:
    plain = {"speaker": "x", "up_votes": 2, "down_votes": 0, "age": "", "gender": "", "reason": "kept", "seconds": 3.0}
    return pandas.DataFrame(columns).assign(**{name: value for name, value in plain.items() if name not in columns})


def test_usable_clips_pass_each_rule_that_needs_no_sound_and_is_not_switched_off() -> None:
    clips = clips_table(
        up_votes=[2, 1, *[2] * 6],
        down_votes=[0, 0, 1, *[0] * 5],
        seconds=[12.0, 3.0, 3.0, 0.9, 13.0, 3.0, math.nan, 1.0],
        reason=[*["kept"] * 5, "no text", "kept", "kept"],
    )
    assert usable_clips(clips, CorpusSettings()).tolist() == [True, *[False] * 6, True]
    off = CorpusSettings(min_up_votes=None, max_down_votes=None, min_seconds=None, max_seconds=None)
    assert usable_clips(clips, off).tolist() == [*[True] * 5, False, False, True]


def test_equal_minutes_are_sorted_by_name_and_the_answer_given_most_often_counts() -> None:
    clips = clips_table(
        speaker=["b", "c", "a", "a", "a", "a"],
        gender=["", "", "", "", "", "male"],
        age=["", "", "teens", "fourties", "fourties", ""],
        seconds=[4.0, 4.0, 1.0, 1.0, 1.0, 1.0],
    )
    table = speaker_table(clips, None, CorpusSettings())
    assert list(table.index) == ["a", "b", "c"]
    assert table.loc["a", ["gender", "age"]].to_list() == ["male", "fourties"]


def people(*rows: tuple[str, float, float, str]) -> pandas.DataFrame:
    """rows: (name, minutes, pitch, gender)."""
    return pandas.DataFrame(rows, columns=["speaker", "minutes", "pitch", "gender"]).set_index("speaker")


def test_speakers_can_be_named_by_pseudonym_or_id() -> None:
    names = {client_id: speaker_name(client_id) for client_id in ("aa", "bb", "cc")}
    table = people(*((name, 1.0, 100.0, "male") for name in names.values()))
    wanted = f"bb, {names['aa']},{names['bb']} ,"
    assert choose_speakers(table, CorpusSettings(speaker=wanted)) == [names["bb"], names["aa"]]
    assert choose_speakers(table, CorpusSettings(speaker="one")) == [names["aa"]]
    assert choose_speakers(table, CorpusSettings(speaker="all")) == list(names.values())


@pytest.mark.parametrize(
    ("table", "wanted", "words"),
    [
        (people(*((f"s{n:02}", 100.0 - n, 100.0, "") for n in range(12))), "s01,nobody", r"'nobody'.* s00.* s09\.$"),
        (people(("a", 1.0, 100.0, "male")), " , ", "No speaker is named"),
        (people(), "all", "usable clip"),
        *((people(("a", 0.0, 100.0, "male")), wanted, "usable clip") for wanted in ("one", "all", "a")),
    ],
)
def test_a_choice_that_cannot_be_is_refused(table: pandas.DataFrame, wanted: str, words: str) -> None:
    with pytest.raises(CorpusError, match=words):
        choose_speakers(table, CorpusSettings(speaker=wanted))
