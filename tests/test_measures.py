"""The measures against what they are defined as, written out slowly in float64."""

import math

import numpy as np
import pytest
import torch
from speechlike import syllables
from torch.distributions import MultivariateNormal, kl_divergence

from kurdtts_lib.audio import features, levels
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.evaluation import metrics as measures

RATE = 16_000


def tone(pitch: float, seconds: float = 1.0, tilt: float = 1.0, loudness: float = 0.3) -> np.ndarray:
    """A harmonic tone; `tilt` is how fast its overtones fall."""
    time = np.arange(round(seconds * RATE)) / RATE
    overtones = [np.sin(2 * np.pi * pitch * k * time + k) / k**tilt for k in range(1, int(7000 / pitch))]
    mixed = np.sum(overtones, axis=0)
    return (loudness * mixed / np.abs(mixed).max()).astype(np.float32)


def vowels(formants: tuple[float, ...], seed: int, seconds: float = 1.5) -> np.ndarray:
    """Noise through wandering resonances: a crude mouth, whose shape is `formants` and whose words are `seed`."""
    generator = np.random.default_rng(seed)
    frames = []
    for _ in range(round(seconds / 0.05)):
        spectrum = np.fft.rfft(generator.normal(size=800))
        frequency = np.fft.rfftfreq(800, 1 / RATE)
        gain = sum(1 / (1 + ((frequency - formant * generator.uniform(0.85, 1.15)) / 120) ** 2) for formant in formants)
        frames.append(np.fft.irfft(spectrum * (0.01 + gain)))
    voice = np.concatenate(frames)
    return (0.3 * voice / np.abs(voice).max()).astype(np.float32)


def mel_cepstral_distance(reference: np.ndarray, speech: np.ndarray, audio: AudioSettings) -> float:
    return measures.mel_cepstral_distance(reference, speech, audio)[0]


def speaker_distance(reference: list[np.ndarray], speech: list[np.ndarray], audio: AudioSettings) -> float:
    return measures.speaker_distance(*(measures.cepstral_moments(side, audio) for side in (reference, speech)))


def test_mel_cepstra_are_the_written_out_cosine_sums():
    log_mels = np.random.default_rng(1).normal(-4, 2, size=(3, 80))
    cosines = np.cos(np.pi * np.outer(np.arange(80) + 0.5, np.arange(1, 14)) / 80)
    expected = 2 * log_mels @ cosines / 80
    np.testing.assert_allclose(measures.mel_cepstra(log_mels), expected, rtol=1e-9, atol=1e-12)


def test_log_mel_rises_by_the_logarithm_of_the_gain_and_stops_at_the_floor(audio):
    quiet, loud = (features.log_mel(vowels((700, 1200, 2600), 1) * gain, audio) for gain in (0.5, 1.0))
    assert loud.shape[1] == 80
    np.testing.assert_allclose(loud - quiet, math.log(2), atol=1e-3)
    np.testing.assert_allclose(features.log_mel(np.zeros(4000, np.float32), audio), math.log(1e-5))


@pytest.mark.parametrize("measure", [mel_cepstral_distance, measures.mel_distance])
def test_distances_are_zero_for_the_same_and_grow_with_the_difference(audio, measure):
    speech = vowels((700, 1200, 2600), 1)
    noise = np.random.default_rng(2).normal(size=len(speech)).astype(np.float32)
    found = [measure(speech, speech + level * noise, audio) for level in (0, 0.001, 0.01, 0.1)]
    assert found[0] == pytest.approx(0, abs=1e-6) and found[0] < found[1] < found[2] < found[3]


def test_mel_cepstral_distance_is_kubicheks_formula_where_no_frame_is_warped(audio, monkeypatch):
    # Two steady spectra: every frame pair has the same distance, so any path has that mean.
    cepstra = {1: np.arange(13.0), 2: np.arange(13.0) * 1.1 + 0.3}
    monkeypatch.setattr(measures, "mel_cepstra", lambda log_mels: np.tile(cepstra[round(log_mels[0, 0])], (9, 1)))
    monkeypatch.setattr(measures, "log_mel", lambda waveform, audio: np.full((9, 80), waveform[0]))
    monkeypatch.setattr(measures, "trim", lambda waveform: waveform)
    expected = 10 / math.log(10) * math.sqrt(2 * sum((a - b) ** 2 for a, b in zip(cepstra[1], cepstra[2], strict=True)))
    assert mel_cepstral_distance(np.ones(5), np.full(5, 2.0), audio) == pytest.approx(expected)


def test_mel_distance_hears_loudness_in_nepers_and_cepstra_do_not(audio):
    speech = syllables(1.5, 150, seed=1).astype(np.float32)
    distances = [measures.mel_distance(speech, share * speech, audio) for share in (1, 0.8, 0.5, 0.25)]
    assert distances[0] == 0 and sorted(distances) == distances
    assert 0.1 < distances[2] < math.log(2), "half as loud, down to the recording's own noise"
    assert mel_cepstral_distance(speech, speech / 2, audio) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("amplitude", "level"), [(1.0, -3.0103), (0.1, -23.0103), (0.0, -120)])
def test_the_level_of_a_sine_is_three_decibels_below_its_amplitude(amplitude, level):
    sine = amplitude * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)
    assert levels.rms_db(sine.astype(np.float32)) == pytest.approx(level, abs=1e-3)


def test_duration_ratio_counts_the_speech_and_not_the_silence_around_it():
    short, long = tone(150, 0.8), tone(150, 1.2)
    padded = np.concatenate([np.zeros(9000, np.float32), long, np.zeros(4000, np.float32)])
    assert measures.duration_ratio(short, padded) == pytest.approx(1.5, rel=0.08)
    assert measures.duration_ratio(padded, short) == pytest.approx(1 / 1.5, rel=0.08)


@pytest.mark.parametrize("pitch", [110.0, 150.0])
def test_a_pitch_track_has_the_frames_of_the_mel_and_says_where_nothing_is_voiced(audio, pitch):
    sound = np.concatenate([tone(pitch, 0.6), np.zeros(8000, np.float32)])
    track = features.pitch_track(sound, audio)
    assert len(track) == len(features.log_mel(sound, audio))
    assert np.nanmedian(track) == pytest.approx(pitch, abs=2)
    assert np.isfinite(track).sum() > 30 and np.isnan(track[-20:]).all()


ONE_MOUTH, OTHER_MOUTH = (700.0, 1200.0, 2600.0), (450.0, 2100.0, 3300.0)


def test_speaker_distance_is_symmetric_and_smaller_within_a_voice_than_between_voices(audio):
    first, second, other = (
        [vowels(mouth, seed) for seed in seeds]
        for mouth, seeds in ((ONE_MOUTH, (1, 2)), (ONE_MOUTH, (3, 4)), (OTHER_MOUTH, (5, 6)))
    )
    same, between = speaker_distance(first, second, audio), speaker_distance(first, other, audio)
    assert speaker_distance(first, first, audio) == pytest.approx(0, abs=1e-9)
    assert 0 < 3 * same < min(between, speaker_distance(second, other, audio))
    assert speaker_distance(other, first, audio) == pytest.approx(between)
    silence = speaker_distance(first, [np.zeros(RATE, dtype=np.float32)], audio)
    assert math.isfinite(silence) and silence > between, "silence is farther than another voice, and still a number"


def test_speaker_distance_is_the_symmetric_divergence_of_two_gaussians_per_coefficient(audio, monkeypatch):
    generator = np.random.default_rng(5)
    mixing = [np.eye(13) + 0.2 * generator.normal(size=(13, 13)) for _ in range(2)]
    frames = [generator.normal(size=(400, 13)) @ mixing[i] + i / 2 for i in range(2)]
    monkeypatch.setattr(measures, "log_mel", lambda waveform, audio: frames[int(waveform[0])])
    monkeypatch.setattr(measures, "mel_cepstra", lambda log_mels: log_mels)
    monkeypatch.setattr(measures, "trim", lambda waveform: waveform)
    first, second = (
        MultivariateNormal(torch.from_numpy(part.mean(0)), torch.from_numpy(np.cov(part.T))) for part in frames
    )
    expected = (kl_divergence(first, second) + kl_divergence(second, first)).item() / 13
    found = speaker_distance([np.array([0.0])], [np.array([1.0])], audio)
    assert found == pytest.approx(expected, rel=1e-3)


def test_what_sentences_say_of_the_speaker_distance_is_the_jackknife_written_out(audio):
    reference = measures.cepstral_moments([vowels(ONE_MOUTH, seed, seconds=3) for seed in range(12)], audio)
    speech = measures.cepstral_moments([vowels(ONE_MOUTH, seed) for seed in range(20, 26)], audio)
    whole, found = measures.speaker_distance(reference, speech), measures.speaker_distances(reference, speech)
    without = [measures.speaker_distance(reference, np.delete(speech, n, axis=0)) for n in range(6)]
    np.testing.assert_allclose(found, [6 * whole - 5 * one for one in without], rtol=1e-6)
    assert abs(found.mean()) < 0.5 * whole, "few sentences of the same mouth lie around zero, not above"
    (alone,) = measures.speaker_distances(reference, speech[:1])
    assert alone == pytest.approx(measures.speaker_distance(reference, speech[:1]))


def test_pitch_errors_are_counted_along_the_path_by_hand():
    nan = math.nan
    reference, speech = np.array([100.0, 100.0, nan, 200.0]), np.array([200.0, nan, nan, 100.0 * 2 ** (1 / 12)])
    path = np.array([(0, 0), (1, 1), (1, 3), (2, 2), (2, 3), (3, 3)])
    cents, share = measures.pitch_errors(reference, speech, path)
    # Both voiced: an octave up, a semitone up, an octave less a semitone down. One voiced: (1, 1) and (2, 3).
    assert cents == pytest.approx(math.sqrt((1200**2 + 100**2 + 1100**2) / 3))
    assert share == pytest.approx(2 / 6)
    nothing, all_wrong = measures.pitch_errors(np.full(4, nan), np.full(4, 100.0), path)
    assert math.isnan(nothing) and all_wrong == 1


def test_the_path_finds_the_same_place_in_speech_with_a_pause(audio):
    speech = vowels((700, 1200, 2600), 1)
    middle = len(speech) // 2
    paused = np.concatenate([speech[:middle], np.zeros(6400), speech[middle:]])
    path = measures.mel_cepstral_distance(speech, paused, audio)[1]
    early, late = path[path[:, 0] < middle / audio.hop_length - 5], path[path[:, 0] > middle / audio.hop_length + 5]
    assert np.median(late[:, 1] - late[:, 0]) == pytest.approx(6400 / audio.hop_length, abs=1)
    assert len(early) > 20 and np.median(early[:, 1] - early[:, 0]) == 0


def test_the_shares_of_silence_and_of_clipped_samples_are_counted():
    speech = tone(150, 1.0)
    assert levels.silence_share(speech, RATE) < 0.02
    assert levels.silence_share(np.concatenate([speech, 0 * speech]), RATE) == pytest.approx(0.5, abs=0.03)
    assert levels.silence_share(0 * speech, RATE) == 1
    assert levels.silence_share(0.0005 * speech, RATE) == 1, "even hiss below -60 dB is silence"
    assert levels.clipped_share(np.array([0.0, 1.0, -1.0, 0.98, 2.0], dtype=np.float32)) == pytest.approx(3 / 5)
