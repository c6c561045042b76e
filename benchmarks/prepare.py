"""Speed and memory of the preparation of recordings to a training set.

    python benchmarks/prepare.py                 5,000 clips of 5 s, MP3 at 32 kHz; five pairs; about ten minutes
    python benchmarks/prepare.py --clips 50000   the whole preparation of a large corpus, once

Three things are measured, each in its own processes. *bare*: decode, resample, write, and nothing else. *core*: the
library's preprocessing of a clip (bare, and downmix, DC offset, trimming, loudness, statistics). These two take turns.
*prepare*: the whole function, from reading the table to the report; then the same again, when everything is cached.
"""

import argparse
import csv
import functools
import io
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import soundfile

from kurdtts_lib.audio.io import decode, write_wav
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.preprocess import process_file
from kurdtts_lib.data.workers import in_parallel

RATE, SECONDS = 32_000, 5
DIFFERENT = 100
"""Different recordings; each clip of the corpus is one of them with its own tag, so that no two files are equal."""
PAIRS = 5
AUDIO = AudioSettings()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=5_000)
    parser.add_argument("--measure", choices=("bare", "core", "prepare"), help=argparse.SUPPRESS)
    parser.add_argument("folder", type=Path, nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder / "corpus", options.clips)
        if options.clips <= 10_000:
            compare(folder, options.clips)
        for run in ("first run", "second run, nothing new"):
            seconds, peak = timed("prepare", folder)
            print(f"prepare, {run}: {seconds:.1f} s, {options.clips / seconds:.0f} clips/s, peak {peak / 1e9:.2f} GB")


def compare(folder: Path, clips: int) -> None:
    """Bare and core in turns, so that both run under the same load of the machine."""
    rates: dict[str, list[float]] = {"bare": [], "core": []}
    for _, kind in itertools.product(range(PAIRS), rates):
        shutil.rmtree(folder / "wavs", ignore_errors=True)
        rates[kind].append(clips / timed(kind, folder)[0])
    shares = [core / bare for bare, core in zip(*rates.values(), strict=True)]
    for name, values in [*rates.items(), ("core / bare", shares)]:
        digits = 2 if name == "core / bare" else 0
        print(f"{name}: {statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})")


def timed(kind: str, folder: Path) -> tuple[float, int]:
    """Seconds of the work alone, and the peak memory of all its processes together, in bytes."""
    command = [sys.executable, __file__, "--measure", kind, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        peak = 0
        while process.poll() is None:
            peak = max(peak, _memory(psutil.Process(process.pid)))
            time.sleep(0.05)
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{kind} failed")
    return float(output.split()[-1]), peak


def _memory(parent: psutil.Process) -> int:
    """Resident bytes of a process and its children; pages that they share count several times."""
    total = 0
    for process in [parent, *parent.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # ended since it was listed
    return total


def measure(kind: str, folder: Path) -> None:
    """Do the work once and print its seconds."""
    started = time.perf_counter()
    if kind == "prepare":
        from kurdtts_lib.data.prepare import prepare

        prepare(CorpusSettings(source=str(folder / "corpus")), AUDIO, folder / "prepared")
    else:
        core = functools.partial(process_file, CorpusSettings(), AUDIO.sampling_rate)
        work: Callable = core if kind == "core" else bare
        done = sum(1 for _ in in_parallel(work, _jobs(folder)))
        assert done == len(list((folder / "wavs").iterdir()))
    print(time.perf_counter() - started)


def bare(job: tuple[bytes | Path, Path]) -> None:
    """Decode, resample and write, with the same functions and nothing else."""
    write_wav(job[1], decode(job[0], AUDIO.sampling_rate), AUDIO.sampling_rate, durable=False)


def _jobs(folder: Path) -> Iterator[tuple[bytes | Path, Path]]:
    for path in sorted((folder / "corpus" / "clips").iterdir()):
        yield path.read_bytes(), folder / "wavs" / f"{path.stem}.wav"


def make_corpus(folder: Path, clips: int) -> None:
    """A Common Voice folder of the sample's speech, cut into pieces of five seconds; all sentences are different."""
    speech = np.concatenate(_speech())
    step = (len(speech) - SECONDS * RATE) // DIFFERENT
    recordings = [_mp3(speech[start : start + SECONDS * RATE]) for start in range(0, step * DIFFERENT, step)]
    (folder / "clips").mkdir(parents=True)
    with (folder / "validated.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["client_id", "path", "sentence", "up_votes", "down_votes"])
        for number in range(clips):
            name = f"common_voice_kmr_{number:08d}.mp3"
            (folder / "clips" / name).write_bytes(_tag(number) + recordings[number % DIFFERENT])
            writer.writerow(["one", name, f"Li gundê me {number + 100_000} mal hene û hemû spî ne.", 2, 0])


def _speech() -> list[np.ndarray]:
    """The waveforms of the sample's clips that have no planted fault, at `RATE` Hz."""
    from kurdtts_lib.data.sources import corpus_table, find_clips

    table = corpus_table(CorpusSettings())
    usable = find_clips(CorpusSettings(), table.loc[table["seconds"].between(1, 10), "number"])
    return [decode(clip.audio, RATE) for clip in usable]


def _mp3(waveform: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, RATE, format="MP3", subtype="MPEG_LAYER_III")
    return buffer.getvalue()


def _tag(number: int) -> bytes:
    """An ID3v2.3 tag with one comment, so that two files of the same recording differ."""
    text = b"\x00eng\x00" + f"{number:08d}".encode("ascii")
    frame = b"COMM" + len(text).to_bytes(4, "big") + b"\x00\x00" + text
    return b"ID3\x03\x00\x00" + len(frame).to_bytes(4, "big") + frame


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
