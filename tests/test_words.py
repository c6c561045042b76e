"""The word metrics fall step by step with what is understood, and a voice that became worse is called worse."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pandas
import pytest
import scipy.stats
import torch

from kurdtts_lib.core.settings import REPOSITORY, AudioSettings
from kurdtts_lib.evaluation.evaluate import RECORDING, Evaluation, System, evaluate, system_of
from kurdtts_lib.evaluation.held_out import HeldOut, LikenessBaselines
from kurdtts_lib.evaluation.limits import limits_broken
from kurdtts_lib.evaluation.metrics import Reference, mel_distance
from kurdtts_lib.evaluation.words import CHOICES, Listener, _score, bundled_sentences, near_misses, word_test
from kurdtts_lib.speech import speak
from kurdtts_lib.text import without_marks
from kurdtts_lib.vits.generation import Prior
from kurdtts_lib.vits.voice import Voice, load_voice

TEXTS = bundled_sentences()[:12]


@pytest.fixture(scope="module")
def base() -> Voice:
    return load_voice(REPOSITORY / "models" / "tiny-kmr")


@pytest.fixture(scope="module")
def listener(base: Voice, audio: AudioSettings) -> Listener:
    return Listener(base, audio)


@pytest.fixture(scope="module")
def spoken(base: Voice) -> list[np.ndarray]:
    return [speak(base, text, level=False, normalized=True) for text in TEXTS]


def noisy(waveforms: list[np.ndarray], snr_db: float, seed: int = 0) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return [w + draw.normal(0, w.std() * 10 ** (-snr_db / 20), len(w)).astype(np.float32) for w in waveforms]


def test_what_is_understood_falls_with_noise_and_is_nothing_for_other_sentences(
    listener: Listener, spoken: list[np.ndarray]
) -> None:
    clean, *worse = (listener.metrics(w, TEXTS) for w in (spoken, noisy(spoken, 10), noisy(spoken, 0)))
    assert clean["words_first"].mean() == 1 and clean["near_misses"].mean() > 0.9
    assert clean["words_margin"].mean() > worse[0]["words_margin"].mean() + 0.1
    assert worse[0]["words_margin"].mean() > worse[1]["words_margin"].mean() + 0.1
    exchanged = listener.metrics(spoken[1:] + spoken[:1], TEXTS)
    assert exchanged["words_first"].mean() == 0 and exchanged["words_margin"].max() < 0


def test_the_score_is_that_of_the_best_of_all_paths() -> None:
    draw = np.random.default_rng(1)
    means, log_stddevs, latents = draw.normal(size=(2, 3)), draw.normal(size=(2, 3)) / 4, draw.normal(size=(2, 6))
    prior = Prior(torch.zeros(1), *(torch.tensor(one[None], dtype=torch.float32) for one in (means, log_stddevs)))
    pairs = scipy.stats.norm.logpdf(latents[:, :, None], means[:, None], np.exp(log_stddevs)[:, None]).sum(0)
    paths = (
        np.repeat(np.arange(3), (a, b, 6 - a - b)) for a, b in itertools.product(range(1, 5), repeat=2) if a + b < 6
    )
    best = max(pairs[np.arange(6), path].mean() for path in paths)
    assert _score(torch.tensor(latents[None], dtype=torch.float32), prior) == pytest.approx(best, abs=1e-5)


def test_what_all_sentences_share_is_not_heard(
    listener: Listener, spoken: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, find = listener.metrics(spoken, TEXTS), Listener._latents
    draw = torch.Generator().manual_seed(1)
    gain, offset = 0.5 + torch.rand(1, 96, 1, generator=draw), torch.randn(1, 96, 1, generator=draw)
    monkeypatch.setattr(Listener, "_latents", lambda self, sounds: (gain * one + offset for one in find(self, sounds)))
    pandas.testing.assert_frame_equal(listener.metrics(spoken, TEXTS), before, atol=1e-3)


def test_a_sound_that_is_shorter_than_its_text_is_compared_all_the_same(
    listener: Listener, spoken: list[np.ndarray]
) -> None:
    found = listener.metrics([sound[: len(sound) // 8] for sound in spoken], TEXTS)
    assert np.isfinite(found).all(axis=None) and found["words_first"].mean() < 0.9
    assert listener.metrics(spoken[:1], TEXTS[:1]).isna().all(axis=None), "there is nothing to compare with"


def test_near_misses_differ_in_a_letter_a_word_or_an_order() -> None:
    text = "ez û tu diçin malê"
    wrong = near_misses(text, ["em li vir in", "hûn dixwin nan"])
    assert wrong == near_misses(text, ["em li vir in", "hûn dixwin nan"]) and len(wrong) == 12
    assert all(len(one) == len(text) and sum(map(str.__ne__, one, text)) == 1 for one in wrong[:4])
    assert all(sum(map(str.__ne__, one.split(), text.split())) == 1 for one in wrong[4:8])
    assert all(sorted(one.split()) == sorted(text.split()) != one.split() for one in wrong[8:])


def test_few_test_sentences_are_joined_by_bundled_ones_that_nobody_learned() -> None:
    bundled = bundled_sentences()
    assert len(set(bundled)) == 2 * CHOICES
    learned = f"{without_marks(bundled[1])}?"  # marks make no other sentence of it
    assert word_test(["roj baş", bundled[0]], [learned]) == ["roj baş", bundled[0], *bundled[2:]]
    many = [str(number) for number in range(3 * CHOICES)]
    assert word_test(many, []) == many


def test_a_worse_voice_is_called_worse(base: Voice, listener: Listener, spoken: list[np.ndarray]) -> None:
    """The recordings are the base's own speech, so that a voice that equals it has no fault."""

    def system(change: Callable[[list[np.ndarray]], list[np.ndarray]]) -> System:
        sounds = dict(zip(TEXTS, change(spoken), strict=True))
        return System(lambda text: sounds[text], 16_000)

    reference = Reference(spoken[:4], spoken[4:], listener.audio)
    sentences = HeldOut(TEXTS[:4], 4, reference, LikenessBaselines(0, None), "x", True, TEXTS, TEXTS[4:])
    systems = {
        "base": system_of(base),
        "same": system(lambda sounds: sounds),
        "noisy": system(lambda sounds: noisy(sounds, 5)),
        "whispering": system(lambda sounds: noisy([0 * sound + 1e-3 for sound in sounds], -40)),
    }
    found = evaluate(systems, sentences, listener=listener)
    faults = {name: " ".join(limits_broken(found, name)) for name in found.voices[1:]}
    assert faults["same"] == ""
    assert "less well understood" in faults["noisy"] and found.verdicts["noisy"]["words_margin"] == "worse"
    assert "no pitch" in faults["whispering"]
    assert set(found.verdicts["same"].values()) == {"cannot be told"}
    assert "n = 12" in str(found.table().loc["words: margin of the right text", "noisy"])
    assert found.values[RECORDING]["words_first"].tolist() == [1] * 12


def made(voice: dict[str, list[float]], audio: AudioSettings) -> Evaluation:
    usual = {
        "pitch": [200.0, 210, 190], "voicing_error": [0.1, 0.1, 0.1], "silence_share": [0.1, 0.1, 0.1],
        "words_margin": [0.6, 0.61, 0.62], "words_first": [1.0, 1, 1], "duration_ratio": [0.9, 0.91, 0.92],
        "loudness_difference_db": [-1.0, -1, -1], "clipped_share": [0.0, 0, 0], "mel_distance": [0.9, 0.9, 0.9],
    }  # fmt: skip
    recordings = Reference([np.zeros(1)], [], audio)
    values = {
        name: pandas.DataFrame(usual | extra) for name, extra in ((RECORDING, {}), ("base", {}), ("voice", voice))
    }
    return Evaluation(HeldOut(["x"], 1, recordings, LikenessBaselines(0, None), "x", True), values, {})


@pytest.mark.parametrize(
    ("voice", "fault"),
    [
        ({}, None),
        ({"pitch": [62.4, 62.5, 190]}, "rate of the model's frames"),
        ({"pitch": [120.0, 130, 125]}, "half an octave"),
        ({"pitch": [math.nan] * 3}, "no pitch"),
        ({"voicing_error": [0.5, 0.5, 0.4]}, "47% of the frames"),
        ({"silence_share": [0.5, 0.6, 0.4]}, "50% of its speech is silence"),
        ({"words_margin": [0.4, 0.42, 0.41]}, "0.41"),
        ({"words_first": [1.0, 0, 1]}, "67% of its texts come first, 100%"),
        ({"loudness_difference_db": [-20.5, -21, -21]}, "21 dB quieter"),
        ({"clipped_share": [0.02, 0, 0.02]}, "1.3% of its waves are cut off"),
        ({"mel_distance": [1.03, 1.04, 1.03]}, None),
        ({"mel_distance": [1.03, 1.04, 1.05]}, "from 0.90 to 1.04; 1.03 is allowed"),
    ],
)
def test_every_limit(voice: dict[str, list[float]], fault: str | None, audio: AudioSettings) -> None:
    found = limits_broken(made(voice, audio), "voice")
    assert found == [] if fault is None else len(found) == 1 and fault in found[0]


def test_a_speaker_less_well_understood_than_the_base_is_no_fault_of_the_voice(audio: AudioSettings) -> None:
    evaluation = made({"words_margin": [0.4, 0.42, 0.41]}, audio)
    evaluation.values[RECORDING]["words_margin"] = [0.4, 0.41, 0.4]
    assert limits_broken(evaluation, "voice") == [] and evaluation.verdicts["voice"]["words_margin"] == "worse"


@pytest.mark.parametrize(
    ("voice", "name", "verdict"),
    [
        ({"pitch": [150.0, 151, 152]}, "pitch", "worse"),
        ({"pitch": [150.0, 210, 190]}, "pitch", "cannot be told"),
        ({"duration_ratio": [1.01, 1.0, 0.99]}, "duration_ratio", "better"),
        ({"words_margin": [0.8, 0.82, 0.83]}, "words_margin", "better"),
        ({"voicing_error": [0.2, 0.21, 0.22]}, "voicing_error", "worse"),
    ],
)
def test_every_figure_has_a_verdict(voice: dict, name: str, verdict: str, audio: AudioSettings) -> None:
    assert made(voice, audio).verdicts["voice"][name] == verdict


def test_a_clean_copy_of_a_noisy_recording_is_near_it(spoken: list[np.ndarray], audio: AudioSettings) -> None:
    """Raw log-mel distances call a clean copy as far as another voice: see docs of `mel_distance`."""
    hissing, hiss_again = noisy(spoken, 20), noisy(spoken, 20, seed=1)

    def distance(copies: list[np.ndarray]) -> float:
        return float(np.mean([mel_distance(*pair, audio) for pair in zip(hissing, copies, strict=True)]))

    clean, other = distance(spoken), distance(spoken[1:] + spoken[:1])
    assert clean < distance(hiss_again) + 0.02 and clean < 0.1
    assert other > 5 * clean and distance([0 * sound for sound in spoken]) > 5 * clean
