"""A judging says how certain it is, says nothing twice with different numbers, and leaves nothing out in silence."""

import dataclasses
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from speechlike import syllables

from kurdtts_lib.core.errors import CorpusError, EvaluationError, VoiceError
from kurdtts_lib.core.settings import AudioSettings, load_profile
from kurdtts_lib.data.dataset import Clip, Parts, sampled, sentence_hash
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.evaluation import held_out as held_out_module
from kurdtts_lib.evaluation import plots
from kurdtts_lib.evaluation.confidence import FEWEST, Estimate, estimate
from kurdtts_lib.evaluation.evaluate import RECORDING, Evaluation, System, evaluate
from kurdtts_lib.evaluation.held_out import TEST_SENTENCES, HeldOut, LikenessBaselines, held_out
from kurdtts_lib.evaluation.metrics import METRIC_DESCRIPTIONS, METRICS, RECORDING_METRICS, Reference, metric_table
from kurdtts_lib.evaluation.report import PAGE, VALUES, as_text, missing, write_report
from kurdtts_lib.vits.voice import Voice, save_voice
from kurdtts_lib.voices.systems import load_systems

TEXTS = ["rojbaş heval", "ez diçim malê", "jin û jiyan", "em li vir in"]


@pytest.fixture(scope="module")
def sentences(audio: AudioSettings) -> HeldOut:
    """Four held-out sentences, read by a machine."""
    recordings = [syllables(0.7 + 0.1 * n, 150 + 10 * n, seed=n).astype(np.float32) for n in range(4)]
    speaker = [syllables(1.0, 160, seed=n).astype(np.float32) for n in (8, 9)]
    return HeldOut(TEXTS, 7, Reference(recordings, speaker, audio), LikenessBaselines(0.1, 2.5), "<corpus>", True)


def said(change: Callable[[np.ndarray], np.ndarray], rate: int = 16_000) -> System:
    """A system that says a changed recording of each sentence."""

    def speak(text: str) -> np.ndarray:
        number = TEXTS.index(text)
        return change(syllables(0.7 + 0.1 * number, 150 + 10 * number, seed=number).astype(np.float32))

    return System(speak, rate)


@pytest.fixture(scope="module")
def pair() -> dict[str, System]:
    """`first` says the recordings in noise and 6 dB quieter, `second` says them as they are."""
    noise = np.random.default_rng(0)
    first = said(lambda sound: (sound / 2 + noise.normal(0, 0.02, len(sound))).astype(np.float32))
    return {"first": first, "second": said(lambda sound: sound)}


@pytest.fixture(scope="module")
def judged(pair: dict[str, System], sentences: HeldOut) -> Evaluation:
    """One evaluation for all tests that look at it, with an optional metric, and one left out."""
    extras = {"character_error_rate": lambda waveform, text: TEXTS.index(text) if TEXTS.index(text) else math.nan}
    return evaluate(pair, sentences, extras, {"dnsmos": "not here"})


def test_the_interval_of_many_values_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(3).normal(7, 2, 400)
    found = estimate(values)
    half = 1.96 * values.std(ddof=1) / math.sqrt(400)
    assert (found.n, found.mean) == (400, pytest.approx(values.mean()))
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=6))
def test_any_values_have_an_interval_around_their_mean_or_say_why_not(values: list[float]) -> None:
    known = [value for value in values if not math.isnan(value)]
    found = estimate(values)
    assert found.n == len(known) and (found.mean is None) == (not known)
    if len(known) < FEWEST or len(set(known)) == 1:
        assert found.low is None and not found.differs, "no spread is known"
    if found.low is not None and found.high is not None:
        slack = 1e-9 + 1e-9 * max(map(abs, known))
        assert min(known) - slack <= found.low <= found.high <= max(known) + slack
        assert found == estimate(values)  # seeded
    json.dumps(dataclasses.asdict(found), allow_nan=False)


@pytest.mark.parametrize(
    ("value", "text", "differs"),
    [
        (Estimate(0, None, None, None), "not defined", False),
        (Estimate(1, 1.234, None, None), "1.23", False),
        (Estimate(6, -1270.4, -1986.1, -3.0), "-1270 (-1986 to -3.00)", True),
        (Estimate(6, 0.00123, 0.001, 0.5), "0.0012 (0.0010 to 0.50)", True),
        (Estimate(6, 0.1, -0.1, 0.3), "0.10 (-0.10 to 0.30)", False),
    ],
)
def test_figures_are_printed_with_what_they_are_worth(value: Estimate, text: str, differs: bool) -> None:
    assert (str(value), value.differs) == (text, differs)


def test_every_figure_is_explained_and_none_is_called_an_opinion_score() -> None:
    assert set(METRICS) < set(METRIC_DESCRIPTIONS) and set(RECORDING_METRICS) < set(METRICS)
    for meaning in METRIC_DESCRIPTIONS.values():
        assert meaning.hears.endswith(".") and meaning.deaf.startswith("Deaf to") and meaning.best
        assert not re.search(r"\bMOS\b", " ".join(vars(meaning).values()))
    table = metric_table(["pitch", "duration_ratio"])
    assert list(table.index) == ["pitch, Hz", "duration ratio"] and list(table) == ["best", "hears", "deaf to"]


def test_the_better_voice_is_nearer_and_the_difference_is_paired(judged: Evaluation, sentences: HeldOut) -> None:
    found = judged
    assert found.voices == ["first", "second"] and list(found.values) == [RECORDING, "first", "second"]
    assert set(found.values[RECORDING]) == {*RECORDING_METRICS, "character_error_rate"}
    second, first = found.estimates["second"], found.estimates["first"]
    assert second["mel_distance"].mean == pytest.approx(0, abs=1e-6) and first["mel_distance"].mean > 0.1
    # About 6 dB quieter, by its formula: half the amplitude and the power of the noise.
    sounds = sentences.reference.recordings
    powers = [(np.mean(sound**2) / 4 + 0.02**2) / np.mean(sound**2) for sound in sounds]
    assert first["loudness_difference_db"].mean == pytest.approx(np.mean(10 * np.log10(powers)), abs=0.1)
    gap = found.differences["second"]["mel_distance"]
    by_hand = found.values["second"]["mel_distance"] - found.values["first"]["mel_distance"]
    assert gap == estimate(by_hand) and gap.differs and gap.high < 0 and gap.n == 4
    assert found.metrics("second").mel_distance == pytest.approx(second["mel_distance"].mean)
    # The recordings' own pitch stands beside the voices'.
    assert found.estimates[RECORDING]["pitch"].mean == pytest.approx(165, abs=1) == second["pitch"].mean


def test_pictures_show_the_intervals_of_the_numbers(judged: Evaluation) -> None:
    gaps = plots.differences(judged)
    panels = {axes.get_title(): axes for axes in gaps.axes if axes.get_visible()}
    assert set(panels) == {METRIC_DESCRIPTIONS[name].title for name in judged.names}
    for name in judged.names:
        points, interval, mean, zero = panels[METRIC_DESCRIPTIONS[name].title].lines
        estimated = judged.differences["second"][name]
        ends = np.array([estimated.low, estimated.high], dtype=float)
        assert np.array_equal(interval.get_xdata(), ends, equal_nan=True) and mean.get_xdata()[0] == estimated.mean
        assert len(points.get_xdata()) == 4 and list(zero.get_xdata()) == [0, 0]
    assert [label.get_text() for label in panels["pitch, Hz"].get_yticklabels()] == ["second"]


def test_the_console_says_what_is_better(judged: Evaluation) -> None:
    lines = as_text(judged).splitlines()
    (row, verdict) = [line for line in lines if line.startswith("mel distance, nepers")]
    assert re.search(r"\d\.\d\d \(.*\)", row) and verdict.rstrip().endswith("better") and max(map(len, lines)) < 200
    assert judged.verdicts["second"]["duration_ratio"] == "cannot be told"
    assert any("one figure in twenty" in line for line in lines)
    assert any("DNSMOS" in line and "not here" in line for line in lines)


def test_what_is_not_defined_or_left_out_is_told(judged: Evaluation) -> None:
    assert judged.estimates[RECORDING]["character_error_rate"].mean == 2
    told = " ".join(missing(judged))
    assert f"{METRIC_DESCRIPTIONS['dnsmos'].title}: not here" in told and "not defined for 1 of 4 sentences" in told
    assert judged.table().loc["character error rate", "first"].endswith("n = 3")


def test_one_voice_is_judged_without_a_difference(pair: dict[str, System], sentences: HeldOut, tmp_path: Path) -> None:
    calls = []
    found = evaluate({"other": pair["second"]}, sentences, progress=lambda *call: calls.append(call))
    assert calls == [(n, activity, 4) for activity in ("other speaks", "measuring other") for n in (1, 2, 3, 4)]
    assert found.estimates["other"]["mel_distance"].mean == pytest.approx(0, abs=1e-6)
    assert found.differences == {} == found.verdicts
    assert "Difference to" not in write_report(found, tmp_path).read_text(encoding="utf-8")


def test_a_judging_that_cannot_be_is_a_clear_error(pair: dict[str, System], sentences: HeldOut) -> None:
    with pytest.raises(EvaluationError, match="no voice to judge"):
        evaluate({}, sentences)
    with pytest.raises(EvaluationError, match="speaks at 22050 Hz, and the recordings have 16000"):
        evaluate({"fast": said(lambda sound: sound, 22_050)}, sentences)
    with pytest.raises(VoiceError, match=r"second is broken.*'rojbaş heval'"):
        evaluate({**pair, "second": said(lambda sound: sound * np.nan)}, sentences)


def test_page_and_numbers_are_of_one_run_and_need_nothing_else(
    judged: Evaluation, sentences: HeldOut, tmp_path: Path
) -> None:
    names = {"first": "<b>first"}
    found = Evaluation(
        sentences,
        {names.get(name, name): table for name, table in judged.values.items()},
        {names.get(name, name): waveforms for name, waveforms in judged.waveforms.items()},
    )
    text = write_report(found, tmp_path / "out").read_text(encoding="utf-8")
    numbers = json.loads((tmp_path / "out" / VALUES).read_text(encoding="utf-8"))
    assert not re.findall(r'(?:src|href)="(?!data:)', text) and "<script" not in text and "<b>" not in text
    assert text.count("<audio") == 3 * 3 and text.count("recording (machine-read)") == 3
    assert "on 4 (chosen by their hash from 7) test sentence" in text and "&lt;corpus&gt;" in text
    for kind, known in (("figures", found.estimates), ("differences", found.differences)):
        assert set(numbers[kind]) == set(known)
        for name, plains in numbers[kind].items():
            for figure, plain in plains.items():
                assert Estimate(**plain) == known[name][figure] and str(known[name][figure]) in text
    assert all(meaning.title in text and meaning.deaf in text for meaning in map(METRIC_DESCRIPTIONS.get, found.names))
    each = pandas.DataFrame(numbers["each_sentence"]["second"])
    assert each["character_error_rate"].isna().sum() == 1
    assert each["mel_distance"].mean() == pytest.approx(numbers["figures"]["second"]["mel_distance"]["mean"])
    again = write_report(found, tmp_path / "out")  # its own files it replaces
    assert again.name == PAGE and sorted(path.name for path in again.parent.iterdir()) == [VALUES, PAGE]


@pytest.mark.parametrize(("name", "text"), [(PAGE, "<html>kurdtts"), (VALUES, "{}")])
def test_somebody_elses_files_are_not_replaced(sentences: HeldOut, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(EvaluationError, match="would be replaced"):
        write_report(Evaluation(sentences, {}, {}), tmp_path)
    assert (tmp_path / name).read_text(encoding="utf-8") == text


def test_held_out_sentences_are_the_prepared_test_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = dataclasses.replace(load_profile("sample"), data_dir=tmp_path / "data")
    with pytest.raises(CorpusError, match="Prepare the data first"):
        held_out(profile)
    prepare(profile.corpus, profile.audio, profile.prepared_dir)
    everything = held_out(profile)
    monkeypatch.setattr(held_out_module, "other_speakers", lambda *_: {})  # slow, and known by now
    found = held_out(profile, 2)
    lines = (profile.prepared_dir / "test.csv").read_text(encoding="utf-8").splitlines()
    texts = sorted((line.split("|")[1] for line in lines), key=sentence_hash)
    assert (found.of, found.texts) == (len(lines), texts[:2]) and everything.texts == texts
    assert found.machine_read and found.data == "sample" and len(found.reference.recordings) == 2
    # Real speech of the same speaker lies around 0, other speakers far away: the measure can tell voices apart.
    assert abs(everything.baselines.same_voice) < 0.2 and everything.baselines.other_voices > 2
    assert found.baselines.other_voices is None
    (profile.prepared_dir / "local.json").unlink()
    assert held_out(profile, 1).machine_read  # also after the folder was given away
    monkeypatch.setattr(held_out_module, "read_parts", lambda _: Parts([], [], []))
    with pytest.raises(CorpusError, match=r"No sentence is held out in .* 0 clips to learn from and 0 to test"):
        held_out(profile)


def test_of_a_large_corpus_a_part_is_judged_that_stands_for_all_of_it() -> None:
    # The first ones of a table that is sorted by speaker would be one speaker's.
    clips = [Clip(Path(f"{n}.wav"), f"gotina {'a' * (n % 40)} {'e' * (n // 40)}") for n in range(5000)]
    chosen = [int(clip.path.stem) for clip in sampled(clips, TEST_SENTENCES)]
    assert len(set(chosen)) == TEST_SENTENCES and 2000 < np.mean(chosen) < 3000


def test_voices_have_names_that_can_be_told_apart(make_voice: Callable[..., Voice], tmp_path: Path) -> None:
    for folder in ("one/voice", "other/voice", "other/recording"):
        save_voice(make_voice(), tmp_path / folder, "")
    places = [tmp_path / folder for folder in ("one/voice", "other/voice", "other/recording")]
    profile = load_profile("sample")
    assert list(load_systems(places, profile)) == ["voice", "voice (2)", "recording (2)"]
    with pytest.raises(VoiceError, match="There is no voice"):
        load_systems([" "], profile)
