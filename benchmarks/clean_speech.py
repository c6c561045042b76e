"""Clean speech without edges, from which the benchmarks make recordings: by espeak-ng, by a person, or the sample's."""

import io
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from kurdtts_lib.audio.features import trim
from kurdtts_lib.audio.io import decode, resample
from kurdtts_lib.audio.levels import frame_levels, voiced_frames
from kurdtts_lib.core.files import read_text
from kurdtts_lib.core.settings import REPOSITORY, CorpusSettings
from kurdtts_lib.data.sources import read_corpus

RATE = 32_000
"""Hertz, as in Common Voice's copies on the hub."""
WOMEN = ["f1", "Alicia", "steph", "linda", "f3", "Andrea", "belinda", "f5", "anika", "steph3", "f4", "Annie"]
MEN = ["m2", "Marco", "edward", "Diogo", "m7", "pablo", "michel", "m3", "Alex", "miguel", "paul", "david"]
VARIANTS = {"female_feminine": WOMEN, "male_masculine": MEN}
"""Of espeak-ng's voice, those that sound like people, by Common Voice's genders."""
HALVES = ("tune", "test")
QUIET = 0.005
"""Of the peak: quieter edges of machine speech are not its first or last sound."""
HUMAN_EDGE_DB = 35.0
"""The same below the loudest 50 ms of a person's recording, which has noise of its own: right to about 30 ms."""


@dataclass(frozen=True)
class CleanClip:
    """Speech at `RATE`, from its first to its last sound."""

    path: Path
    speaker: str
    text: str
    """What is said."""
    gender: str = ""
    human: bool = False


def read_aloud(text: str, options: Sequence[str], rate: int) -> np.ndarray:
    """(samples,), peak 0.6, without silent edges. options: espeak-ng's, which choose the voice."""
    spoken = subprocess.run(["espeak-ng", *options, "--stdout", text], check=True, capture_output=True).stdout
    waveform, own_rate = soundfile.read(io.BytesIO(spoken), dtype="float32")
    waveform = trim(resample(waveform, own_rate, rate))
    return 0.6 * waveform / np.abs(waveform).max()


def exact(waveform: np.ndarray) -> np.ndarray:
    """Machine speech from its first to its last sound."""
    loud = np.flatnonzero(np.abs(waveform) > QUIET * np.abs(waveform).max())
    return waveform[loud[0] : loud[-1] + 1]


@dataclass(frozen=True)
class Reader:
    """A voice of espeak-ng."""

    name: str
    gender: str
    options: list[str]


def readers(half: str, count: int) -> list[Reader]:
    """Women and men in turn. Those of the two `HALVES` have no variant of espeak-ng's voice in common.

    After all variants come the same ones with another pitch and speed.
    """
    found = []
    for number in range(count):
        gender = [*VARIANTS][number % 2]
        variants = VARIANTS[gender][HALVES.index(half) :: len(HALVES)]
        turn, place = divmod(number // 2, len(variants))
        draw = np.random.default_rng([number, HALVES.index(half)])
        pitch, speed = draw.integers(40, 61) + 25 * (turn % 3 - 1 if turn else 0), draw.integers(140, 186)
        options = ["-v", f"ku+{variants[place]}", "-p", str(pitch), "-s", str(speed)]
        found.append(Reader(f"{variants[place]}-{turn + 1}", gender, options))
    return found


def amounts(speakers: int, clips: int) -> list[int]:
    """Clips of each speaker, three at least: the k-th reads 1/k of what the first one does."""
    shares = 1 / np.arange(1, speakers + 1)
    return [max(3, round(clips * share)) for share in shares / shares.sum()]


def machine_clips(
    voices: Sequence[Reader], counts: Sequence[int], sentences: Sequence[str], folder: Path, draw: np.random.Generator
) -> Iterator[CleanClip]:
    """espeak-ng's speech, written to `folder`: each voice reads its own choice of the sentences."""
    for voice, count in zip(voices, counts, strict=True):
        for number, place in enumerate(draw.permutation(len(sentences))[:count]):
            path = folder / f"{voice.name}-{number:04d}.flac"
            _write(path, exact(read_aloud(sentences[place], voice.options, RATE)))
            yield CleanClip(path, voice.name, sentences[place], voice.gender)


def human_clips(source: Path, folder: Path) -> Iterator[CleanClip]:
    """One person's recordings, written to `folder`: FLAC files and `metadata.csv`, `file|text` if known."""
    lines = (line.partition("|") for line in read_text(source / "metadata.csv").splitlines())
    texts = {Path(name).stem: text for name, _, text in lines}
    for original in sorted(source.glob("*.flac")):
        waveform, path = decode(original, RATE), folder / f"human-{original.name}"
        voiced = voiced_frames(frame_levels(waveform, RATE), HUMAN_EDGE_DB) * (RATE // 100)
        _write(path, _faded(waveform[voiced[0] : voiced[-1] + 1]))
        yield CleanClip(path, "human", texts.get(original.stem, ""), human=True)


def sample_clips(folder: Path, most: int | None = None) -> Iterator[CleanClip]:
    """The bundled sample's good clips, at most `most`, written to `folder`: they need no espeak-ng."""
    lines = [line.split("\t") for line in read_text(REPOSITORY / "recipes" / "sample_sentences.tsv").splitlines()[1:]]
    faulty = {sentence for _, fault, sentence in lines if fault}
    good = [clip for clip in read_corpus(CorpusSettings()) if clip.sentence not in faulty]
    for number, clip in enumerate(good[:most]):
        path = folder / f"sample-{number:04d}.flac"
        _write(path, exact(decode(clip.audio, RATE)))
        yield CleanClip(path, clip.speaker, clip.sentence, clip.gender)


def _faded(waveform: np.ndarray) -> np.ndarray:
    """With edges of 10 ms, so that a person's noise does not begin with a step."""
    fade = np.ones(len(waveform), np.float32)
    fade[: RATE // 100] = np.linspace(0, 1, RATE // 100)
    return waveform * fade * fade[::-1]


def _write(path: Path, waveform: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, RATE, subtype="PCM_16")
