"""What a made crowd says of its recordings is what can be measured of them."""

from pathlib import Path

import acoustics
import numpy as np
import pytest
import scipy.signal
from clean_speech import HALVES, RATE, readers, sample_clips
from crowd import NOISES, Conditions, Truth, make_crowd, read_truth, record, wrong_text

from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.sources import read_corpus

CLIPS = 36


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crowd")
    make_crowd([*sample_clips(folder / "clean", CLIPS)], folder, 3, acoustics.NOISES)
    return folder


@pytest.fixture(scope="module")
def truths(folder: Path) -> list[Truth]:
    return read_truth(folder)


def speech_of(truth: Truth, extra_s: float = 0) -> slice:
    return slice(round(truth.speech_start_s * RATE), round((truth.speech_end_s + extra_s) * RATE))


def test_the_clean_speech_lies_where_the_truth_says(folder: Path, truths: list[Truth]) -> None:
    for truth in truths:
        heard, clean = decode(folder / truth.clip, RATE), decode(folder / truth.clean, RATE)
        correlation = scipy.signal.fftconvolve(heard, clean[::-1])
        place = int(np.argmax(correlation)) - len(clean) + 1
        assert place / RATE == pytest.approx(truth.speech_start_s - truth.cut_start_s, abs=0.001), truth
        length = truth.speech_end_s - truth.speech_start_s + truth.cut_start_s + truth.cut_end_s
        assert len(clean) / RATE == pytest.approx(length, abs=0.001) and truth.speech_end_s * RATE <= len(heard)


@pytest.mark.parametrize("room_s", [None, 0.4])
@pytest.mark.parametrize("noise", acoustics.NOISES)
def test_the_noise_is_as_loud_as_the_truth_says(folder: Path, truths: list[Truth], noise: str, room_s: float) -> None:
    draw = np.random.default_rng(5)
    speech, *voices = [decode(folder / truth.clean, RATE) for truth in truths[:8]]
    response = acoustics.impulse_response(room_s, RATE, draw) if room_s else None
    made = record(speech, Conditions(response, noise, 20), draw, voices, ["long edges"])
    heard = decode(acoustics.mp3(made.waveform / 4, RATE), RATE)
    noise_power = acoustics.rms(heard[RATE // 50 : made.start - RATE // 50]) ** 2
    speech_power = acoustics.rms(heard[made.start : made.end]) ** 2 - noise_power
    assert 10 * np.log10(speech_power / noise_power) == pytest.approx(made.snr_db, abs=3 if noise == "babble" else 1)


def test_each_fault_is_in_the_sound(folder: Path, truths: list[Truth]) -> None:
    for truth in truths:
        heard = decode(folder / truth.clip, RATE)
        above = np.abs(np.fft.rfft(heard))[int(5000 / (RATE / 2) * (len(heard) // 2)) :]
        assert ("clipped" in truth.faults) == (np.mean(np.abs(heard) > 0.95) > 0.001), truth
        if "8 kHz" in truth.faults and not {"clipped", "low-rate MP3"} & {*truth.faults}:
            assert acoustics.rms(above) < 0.01 * acoustics.rms(np.abs(np.fft.rfft(heard))), truth
        edges = truth.speech_start_s, len(heard) / RATE - truth.speech_end_s
        for edge, name in zip(edges, ("start cut off", "end cut off"), strict=True):
            least = 0 if name in truth.faults else 1 if "long edges" in truth.faults else 0.2
            assert least - 0.001 <= edge <= (0.001 if not least else 4 if least == 1 else 0.501), truth
    assert {fault for truth in truths for fault in truth.faults} >= {"long edges", "8 kHz", "clicks", "breath"}


def test_the_table_holds_the_wrong_texts(folder: Path, truths: list[Truth]) -> None:
    clips = list(read_corpus(CorpusSettings(source=str(folder))))
    assert [clip.sentence for clip in clips] == [truth.sentence for truth in truths]
    wrong = [any("text" in fault for fault in truth.faults) for truth in truths]
    assert wrong == [truth.sentence != truth.text for truth in truths] and 0 < sum(wrong) < CLIPS / 2
    draw = np.random.default_rng(0)
    assert wrong_text("ez û tu diçin malê", "word missing in the text", "", draw).split() in (
        ["ez", "û", "tu", "malê"], ["ez", "û", "tu", "diçin"],
    )  # fmt: skip
    assert {*wrong_text("ez û tu", "word added to the text", "em vegeriyan", draw).split()} == {
        "ez",
        "û",
        "tu",
        "vegeriyan",
    }


def test_the_same_seed_makes_the_same_crowd(folder: Path, truths: list[Truth], tmp_path: Path) -> None:
    clean = [*sample_clips(tmp_path / "clean", 8)]
    made = [
        make_crowd(clean, tmp_path, seed, acoustics.NOISES) and (tmp_path / "clips" / "00005.mp3").read_bytes()
        for seed in (3, 4, 3)
    ]
    assert made[0] == made[2] != made[1]


def test_the_halves_share_no_reader_and_only_babble() -> None:
    tune, test = ({reader.options[1] for reader in readers(half, 40)} for half in HALVES)
    assert len(tune) == len(test) == 12 and not tune & test
    assert {*NOISES["tune"]} & {*NOISES["test"]} == {"babble"}
    assert {*NOISES["tune"], *NOISES["test"]} == {*acoustics.NOISES}


@pytest.mark.parametrize("seconds", [0.25, 0.6])
def test_a_room_has_its_reverberation_time(seconds: float) -> None:
    response = acoustics.impulse_response(seconds, RATE, np.random.default_rng(2))
    assert acoustics.reverberation_time(response, RATE) == pytest.approx(seconds, rel=0.25)
    assert np.argmax(np.abs(response)) == 0


@pytest.mark.parametrize("kind", acoustics.NOISES)
def test_every_noise_has_the_level_and_the_spectrum_of_its_kind(kind: str) -> None:
    draw = np.random.default_rng(1)
    voices = [draw.normal(size=RATE) for _ in range(3)]
    noise = acoustics.make_noise(kind, 4 * RATE, RATE, draw, voices)
    assert acoustics.rms(noise) == pytest.approx(1, abs=1e-3)
    power = np.abs(np.fft.rfft(noise)) ** 2
    below_1_khz = power[:4000].sum() / power.sum()
    low, high = {"hum": (0.99, 1), "fan": (0.95, 1), "pink": (0.5, 0.7)}.get(kind, (0.05, 0.08))
    assert low < below_1_khz < high or below_1_khz == pytest.approx(high)
