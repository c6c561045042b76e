"""Listening tests: balanced, hidden, at one loudness; and what cannot be a test is refused."""

import dataclasses
import io
import itertools
import json
from collections import Counter

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from listening import RATE, SENTENCES, small_test, spoken, systems
from speechlike import syllables

from kurdtts_lib.audio.levels import PEAK, loudness
from kurdtts_lib.core.errors import ListeningError
from kurdtts_lib.evaluation.listening.design import (
    HIDDEN_REFERENCE,
    LOW_ANCHOR,
    AnswerKey,
    low_anchor,
    make_test,
    order,
    same_loudness,
)

ANCHORS = [(kind, text) for kind in (HIDDEN_REFERENCE, LOW_ANCHOR) for text in ("x", "y")]


@given(units=st.integers(1, 6), sentences=st.integers(1, 8), seed=st.integers(0, 99))
def test_each_system_stands_once_at_each_place_over_as_many_listeners_and_no_sentence_follows_itself(
    units: int, sentences: int, seed: int
) -> None:
    rng, systems, texts = np.random.default_rng(seed), [*"abcdef"[:units]], [*"ABCDEFGH"[:sentences]]
    orders = [order(systems, texts, ANCHORS, listener, rng) for listener in range(units)]
    for heard in orders:
        assert Counter(heard) == Counter([*itertools.product(systems, texts), *ANCHORS]), "everybody hears everything"
        if sentences >= 3:
            assert all(first[1] != second[1] for first, second in itertools.pairwise(heard))
    ordinary = [[unit for unit, text in heard if text in texts] for heard in orders]
    for place in zip(*ordinary, strict=True):
        assert sorted(place) == systems
    for heard in ordinary:
        for block in range(sentences):
            assert sorted(heard[block * units : (block + 1) * units]) == systems


def test_the_same_sounds_are_the_same_test_again_and_others_are_not() -> None:
    first, again, other = small_test(), small_test(), small_test(sentences=2)
    assert (first.key, first.sounds) == (again.key, again.sounds)
    assert first.key.test != other.key.test and not set(first.key.plans) & set(other.key.plans)
    written = json.loads(json.dumps(dataclasses.asdict(first.key)))
    assert AnswerKey.from_json(written) == first.key


def test_a_louder_voice_is_not_heard_louder() -> None:
    loud = {name: {text: gain * sound for text, sound in spoken(150).items()} for name, gain in (("a", 0.05), ("b", 1))}
    test = make_test(loud, RATE)
    levels = []
    for content in test.sounds.values():
        sound, rate = soundfile.read(io.BytesIO(content))
        assert np.abs(sound).max() < 1
        levels.append(loudness(sound, rate))
    assert len(levels) == 3 * 2 + 2 * 2 and np.allclose(levels, -23, atol=0.1)


def test_what_would_be_cut_off_makes_all_sounds_quieter() -> None:
    clicks = np.zeros(RATE)
    clicks[::2000] = 0.9
    found = same_loudness({("clicks", ""): clicks, ("voice", ""): syllables(1.0)}, RATE)
    levels = [loudness(sound, RATE) for sound in found.values()]
    assert np.isclose(np.abs(found["clicks", ""]).max(), PEAK)
    assert np.isclose(*levels, atol=0.01) and levels[0] < -24


def test_the_spoilt_anchor_is_dull_and_as_noisy_as_stated() -> None:
    time = np.arange(2 * RATE) / RATE
    low, high = np.sin(2 * np.pi * 500 * time), np.sin(2 * np.pi * 5000 * time)
    spoilt = low_anchor(low + high, RATE, np.random.default_rng(1))
    power = np.abs(np.fft.rfft(spoilt)) ** 2
    noise = np.delete(power, [2 * 500, 2 * 5000]).sum()
    assert np.isclose(10 * np.log10(power[2 * 500] / noise), 10, atol=0.3)
    assert power[2 * 5000] < 1e-3 * power[2 * 500]


@pytest.mark.parametrize(
    ("systems", "message"),
    [
        (systems(1), "two voices at least"),
        ({"a": {}, "b": {}}, "sentences, one at least"),
        ({"a": spoken(120, 3), "b": spoken(140, 2)}, "all say the same"),
        *(
            ({"a": spoken(120, 1), "b": {SENTENCES[0]: broken}}, "The sound of 'Roj baş.' by b is empty, silent")
            for broken in (np.zeros(RATE), np.zeros(0), np.append(syllables(1.0), np.nan))
        ),
    ],
)
def test_what_cannot_be_a_test_is_refused(systems: dict[str, dict], message: str) -> None:
    with pytest.raises(ListeningError, match=message):
        make_test(systems, RATE)
