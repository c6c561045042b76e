"""Each rule that leaves a clip out, against figures that it should and should not leave out, and switched off."""

import dataclasses
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurdtts_lib.core.errors import TextError, TextReason
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data import filtering
from kurdtts_lib.data.dataset import COLUMNS, KEPT, Clip, table_of
from kurdtts_lib.data.filtering import EXPLAINED, filter_audio, filter_text, reasons_table
from kurdtts_lib.data.filters import SOURCE_FAULT, Reason

SETTINGS = CorpusSettings()


def judged(sentence: str, settings: CorpusSettings = SETTINGS, **changes: Any) -> Clip:
    clip = Clip(sentence=sentence, **{"up_votes": 2, **changes})
    filter_text(clip, settings)
    return clip


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Ez diçim malê.", "kept"),
        ("Sala 2024an", "kept"),
        ("Saet 10:30 e", "uncertain reading"),
        ("روژ باش", "letter without a reading"),
        ("ev ∑ e", "sign without a reading"),
        ("1.2.3", "number without a reading"),
        ("45.13.2024", "date that does not exist"),
        ("Г'г", "word without a vowel"),
        ("binêre kurd.org", "address"),
        ("...", "nothing to say"),
        ("ez " * 50_000, "text too long"),
    ],
)
def test_text_rules_give_the_reason(sentence: str, reason: str) -> None:
    clip = judged(sentence)
    assert clip.reason == reason
    assert SOURCE_FAULT not in reasons_table(table_of([clip]))["why"].tolist()  # it is the text's


def test_an_uncertain_reading_is_shown_with_its_place_and_may_be_kept() -> None:
    assert judged("Dr. Azad, 10:30").detail == "Dr. (abbreviation); 10:30 (time)"
    kept = judged("Dr. Azad", dataclasses.replace(SETTINGS, leave_out_uncertain=False))
    assert (kept.reason, kept.text) == (KEPT, "doktor azad")
    number = judged("Ez 25 salî me.")
    assert (number.text, number.mended) == ("ez bîst û pênc salî me.", "number")


@pytest.mark.parametrize(
    ("votes", "reason"),
    [((2, 0), KEPT), ((1, 0), "too few votes"), ((9, 1), "voted down"), ((0, 1), "voted down")],
)
def test_votes_come_before_text_and_can_be_ignored(votes: tuple[int, int], reason: str) -> None:
    up, down = votes
    assert judged("...", up_votes=up, down_votes=down).reason == (reason if reason != KEPT else "nothing to say")
    ignored = dataclasses.replace(SETTINGS, min_up_votes=None, max_down_votes=None)
    assert judged("Roj baş", ignored, up_votes=up, down_votes=down).reason == KEPT
    assert judged("", reason="no text", up_votes=up, down_votes=down).reason == "no text", "a fault comes first"


def sound(**changes: Any) -> Clip:
    good = {"peak_level_db": -12.0, "level_range_db": 25.0, "clipped_share": 0.0, "seconds": 3.0, "text": "a" * 40}
    return Clip(**good | changes)


@pytest.mark.parametrize(
    ("figure", "value", "reason", "setting"),
    [
        ("peak_level_db", -50.1, "silent", "silence_db"),
        ("clipped_share", 0.0011, "clipped", "max_clipped_share"),
        ("level_range_db", 9.9, "mostly noise", "min_level_range_db"),
        ("seconds", 0.99, "too short", "min_seconds"),
        ("seconds", 12.01, "too long", "max_seconds"),
    ],
)
def test_a_sound_is_judged_by_each_figure(figure: str, value: float, reason: str, setting: str) -> None:
    good, bad, off = sound(), sound(text="a", **{figure: value}), sound(text="a", **{figure: value})
    filter_audio([good, bad], SETTINGS, 256, 16_000)
    assert good.reason == KEPT and bad.reason == reason and bad.detail
    filter_audio([off], dataclasses.replace(SETTINGS, **{setting: None}), 256, 16_000)  # type: ignore[arg-type]
    assert off.reason == KEPT


def test_a_text_needs_a_frame_for_each_letter_and_each_blank_around_it() -> None:
    clips = [sound(seconds=1.0, text="a" * letters) for letters in (31, 30)]  # one second has 62 frames
    filter_audio(clips, SETTINGS, 256, 16_000)
    assert [clip.reason for clip in clips] == ["text too long for its sound", KEPT]


def record(number: int, text: str = "roj baş", **changes: Any) -> Clip:
    base = {"number": number, "speaker": "s", "text": text, "seconds": 2.0, "digest": str(number)}
    return Clip(**base | {"up_votes": 2, "level_range_db": 20.0} | changes)


def test_of_equal_sounds_the_first_stays() -> None:
    records = [record(0, digest="x"), record(1, "ez", digest="x"), record(2), record(3, digest="x", reason="silent")]
    filtering.filter_duplicate_audio(records)
    assert [one.reason for one in records] == [KEPT, "same sound as another clip", KEPT, "silent"]
    assert records[1].detail == "clip 0"


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"up_votes": 3}, {"up_votes": 2, "level_range_db": 50.0}),
        ({"up_votes": 3}, {"up_votes": 4, "down_votes": 2}),
        ({"level_range_db": 31.0}, {"level_range_db": 30.0}),
        ({}, {}),  # the first stays
    ],
)
def test_of_several_readings_the_best_stays_wherever_it_stands(better: dict, worse: dict) -> None:
    for first, second in ((better, worse), (worse, better)) if better else ((better, worse),):
        records = [record(0, **first), record(1, **second), record(2, "other"), record(3, speaker="t")]
        filtering.filter_repeated_sentences(records)
        assert records[0 if first is better else 1].reason == KEPT
        assert records[1 if first is better else 0].reason == "sentence read better in another clip"
        assert records[2].reason == records[3].reason == KEPT


@given(st.lists(st.integers(1, 60), min_size=25, max_size=40), st.floats(0.5, 5))
def test_the_pace_rule_is_the_median_and_scaled_deviation(letters: list[int], mads: float) -> None:
    records = [record(number, "a" * count) for number, count in enumerate(letters)]
    filtering.filter_speaking_rate(records, dataclasses.replace(SETTINGS, pace_mads=mads))
    paces = sorted(count / 2.0 for count in letters)
    middle = (paces[(len(paces) - 1) // 2] + paces[len(paces) // 2]) / 2
    deviations = sorted(abs(pace - middle) for pace in paces)
    mad = (deviations[(len(paces) - 1) // 2] + deviations[len(paces) // 2]) / 2
    for one, count in zip(records, letters, strict=True):
        distance, reach = abs(count / 2.0 - middle), max(mads * mad / 0.6744897501960817, 0.1 * middle)
        if abs(distance - reach) > 1e-6:
            assert (one.reason == KEPT) == (distance < reach)


def test_each_speaker_has_an_own_pace() -> None:
    slow = [record(number, "a" * (20 + number % 3), speaker="slow") for number in range(30)]
    fast = [record(number, "a" * (40 + number % 3), speaker="fast") for number in range(30)]
    odd = [record(99, "a" * 40, speaker="slow"), record(98, "a" * 40, speaker="new")]
    filtering.filter_speaking_rate([*slow, *fast, *odd], SETTINGS)
    assert {one.reason for one in slow + fast} == {KEPT}
    assert [one.reason for one in odd] == ["pace too far from the usual", KEPT]
    near = [record(number, "a" * 40) for number in range(25)] + [record(30, "a" * 43), record(31, "a" * 45)]
    filtering.filter_speaking_rate(near, SETTINGS)
    assert [one.reason for one in near[25:]] == [KEPT, "pace too far from the usual"], "however alike the others are"


def test_few_clips_have_no_pace_and_the_rule_can_be_switched_off() -> None:
    few = [record(number, "a" * (3 if number else 50)) for number in range(19)]
    filtering.filter_speaking_rate(few, SETTINGS)
    many = [record(number, "a" * (3 if number else 50)) for number in range(40)]
    filtering.filter_speaking_rate(many, dataclasses.replace(SETTINGS, pace_mads=None))
    assert {one.reason for one in few + many} == {KEPT}
    assert many[0].letters_per_second == 25.0


def test_the_table_of_reasons_counts_everything_once_and_each_names_a_setting_and_a_figure_that_exist() -> None:
    clips = pandas.DataFrame({"reason": [KEPT] * 3 + ["silent"] * 5 + ["no text"]})
    table = reasons_table(clips)
    assert table["clips"].to_dict() == {KEPT: 3, "silent": 5, "no text": 1}
    assert list(table.index) == [KEPT, "silent", "no text"]
    assert table.loc["silent", "setting"] == "silence_db" and table["why"].str.len().min() > 10
    with pytest.raises(KeyError, match="another reason"):
        reasons_table(pandas.DataFrame({"reason": ["another reason"]}))
    settings = {field.name for field in dataclasses.fields(CorpusSettings)} | {""}
    assert {reason.setting for reason in Reason} <= settings
    assert {reason.column for reason in Reason} <= {*COLUMNS, ""}
    assert len(EXPLAINED) == 1 + len(TextReason) + len(Reason)  # none has two meanings
    assert [reason for reason, (_, why) in EXPLAINED.items() if not why.endswith(".")] == []


def test_a_faulty_lexicon_is_no_fault_of_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KURDTTS_HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "lexicon.tsv").write_text("no tab\n", encoding="utf-8")
    with pytest.raises(TextError, match=r"lexicon.tsv, line 1: expected"):
        judged("Roj baş")
