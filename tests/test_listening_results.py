"""What listeners said: each figure against an independent statement, and no claim that the answers do not carry."""

from pathlib import Path

import numpy as np
import pandas
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from listening import NOW, answer_all, sharp, small_test

from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.evaluation.confidence import Estimate, rating_interval
from kurdtts_lib.evaluation.listening.design import HIDDEN_REFERENCE, LOW_ANCHOR
from kurdtts_lib.evaluation.listening.results import Results, results
from kurdtts_lib.evaluation.listening.store import ListeningStore, SubmittedAnswer


def table(values: np.ndarray) -> pandas.Series:
    """(listeners, sentences) as ratings."""
    return pandas.DataFrame(values).stack()


@given(listeners=st.integers(3, 8), sentences=st.integers(3, 8), seed=st.integers(0, 999))
def test_the_interval_ends_where_clarks_min_f_stops_to_be_significant(
    listeners: int, sentences: int, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(size=(listeners, sentences))
    found = rating_interval(table(values), 0.95)
    end = found.low if abs(found.low) > abs(found.high) else found.high
    shifted = values - end  # a mean of exactly half an interval
    f1 = scipy.stats.ttest_1samp(shifted.mean(axis=1), 0).statistic ** 2
    f2 = scipy.stats.ttest_1samp(shifted.mean(axis=0), 0).statistic ** 2
    min_f = f1 * f2 / (f1 + f2)
    freedom = (f1 + f2) ** 2 / (f1**2 / (sentences - 1) + f2**2 / (listeners - 1))
    assert np.isclose(scipy.stats.f.sf(min_f, 1, freedom), 0.05, rtol=1e-6)
    assert np.isclose(found.mean, values.mean()) and found.low < found.mean < found.high


@pytest.mark.parametrize(
    "values",
    [
        np.arange(10.0).reshape(2, 5),
        np.arange(10.0).reshape(5, 2),
        np.full((4, 4), 3.0),
        np.array([[1, 2, 4], [2, 4, 1], [4, 1, 2]]),  # every mean is 7/3
    ],
)
def test_too_few_to_know_is_said_and_not_guessed(values: np.ndarray) -> None:
    assert rating_interval(table(values)) == Estimate(values.size, pytest.approx(values.mean()), None, None)
    assert rating_interval(table(values)[:0]) == Estimate(0, None, None, None)


@pytest.fixture
def store(tmp_path: Path) -> ListeningStore:
    return ListeningStore(tmp_path)


def asked(store: ListeningStore, worths: list[dict[str, float]], **sizes: int) -> Results:
    """Results of listeners who each hear another worth in the systems."""
    key = small_test(**sizes).key
    store.keep(key)
    for code, worth in zip(key.plans, worths, strict=False):
        answer_all(store, key, code, sharp(worth))
    return results(store)


LIKES_A = [{"voice-a": 5 - 0.6 * (n % 2), "voice-b": 2 + 0.6 * (n % 3)} for n in range(6)]


def test_mos_and_a_difference_that_is_real(store: ListeningStore) -> None:
    found = asked(store, LIKES_A, listeners=6).everybody
    assert found.table["MOS"].to_dict() == {
        "voice-a": np.mean([5, 4, 5, 4, 5, 4]),
        "voice-b": np.mean([2, 3, 3, 2, 3, 3]),
    }
    assert found.table["ratings"].tolist() == [18, 18]
    (verdict,) = found.verdicts
    assert verdict.startswith("With 6 listeners and 3 sentences, listeners prefer voice-a to voice-b: ")
    assert "95.0% interval" in verdict


@pytest.mark.parametrize(
    ("worths", "told"),
    [
        ([(4, 3), (3, 4), (4, 3)], "With 3 listeners and 3 sentences, voice-a and voice-b cannot be told apart: "),
        ([(5, 2)], "too few"),
        ([(4, 3)] * 4, "all answers are alike"),
    ],
)
def test_what_the_answers_do_not_carry_is_not_claimed(
    store: ListeningStore, worths: list[tuple[float, float]], told: str
) -> None:
    found = asked(store, [{"voice-a": a, "voice-b": b} for a, b in worths])
    (verdict,) = found.everybody.verdicts
    assert told in verdict and "prefer" not in verdict and "nan" not in str(found).lower()
    if len(worths) == 1:
        assert "unknown" in str(found)


def test_more_pairs_need_a_wider_interval(store: ListeningStore) -> None:
    worths = [{**worth, "voice-c": 3} for worth in LIKES_A]
    found = asked(store, worths, count=3, listeners=6).everybody
    assert len(found.verdicts) == 3 and all("98.3% interval" in verdict for verdict in found.verdicts)


def test_who_does_not_listen_is_counted_shown_and_left_out_of_the_second_figures(store: ListeningStore) -> None:
    upside_down = sharp({"voice-a": 1, "voice-b": 5, HIDDEN_REFERENCE: 1, LOW_ANCHOR: 5})
    key = asked(store, LIKES_A[:4], listeners=7).key
    good, bad, (late,) = list(key.plans)[:4], list(key.plans)[4:6], list(key.plans)[6:]
    for code, answer in zip(bad, (lambda trial: 3, upside_down), strict=True):
        answer_all(store, key, code, answer)
    ordinary = next(trial for trial in key.plan(late) if trial.system.startswith("voice"))
    store.add(key.test, late, [SubmittedAnswer(ordinary.item, 1, 1, NOW)])
    found = results(store)
    anchors = dict.fromkeys(good, "passed") | dict.fromkeys(bad, "failed") | {late: "not reached"}
    assert found.listeners["anchors"].to_dict() == anchors
    assert found.listeners.loc[late].tolist() == [1, len(key.plan(late)), "not reached"]
    assert (found.everybody.codes, found.attentive.codes) == ([*good, *bad, late], good)
    assert found.attentive.table["MOS"]["voice-a"] == 4.5 > found.everybody.table["MOS"]["voice-a"]
    text = str(found)
    assert "All 7 listeners:" in text and all(code in text for code in key.plans)
    assert "Without 2 who failed the hidden anchors and 1 who did not reach them:" in text


def test_without_answers_there_is_no_result(store: ListeningStore) -> None:
    with pytest.raises(ListeningError, match="no listening test yet"):
        results(store)
    store.keep(small_test().key)
    with pytest.raises(ListeningError, match="Nobody has answered"):
        results(store)
