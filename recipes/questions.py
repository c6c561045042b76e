"""Does a voice that knows marks raise its voice at a question? Trains one with marks and one without, and measures.

    python recipes/questions.py read
    python recipes/questions.py train --marks
    python recipes/questions.py train
    python recipes/questions.py measure

`read` lets espeak-ng, which raises its pitch before `?`, read 150 sentences both as statements and as questions. Of 30
sentences both are held out. `train` fine-tunes the base voice; run it again to resume. `measure` prints the median
pitch of the held-out sentences and how fast it rises over their last voiced 300 ms. A voice that hums at the rate of
its frames, 62.5 Hz, has no pitch to measure: take another one by `--base`. All files are stored in `runs/questions`.
"""

import argparse
import dataclasses
import io
import subprocess

import numpy as np
import soundfile

from kurdtts_lib.audio.features import pitch_track, trim
from kurdtts_lib.audio.io import decode, resample, write_wav
from kurdtts_lib.core.files import read_text
from kurdtts_lib.core.settings import REPOSITORY, load_profile
from kurdtts_lib.data.dataset import Clip, sampled, write_metadata
from kurdtts_lib.evaluation.confidence import estimate
from kurdtts_lib.evaluation.words import bundled_sentences
from kurdtts_lib.feedback.replay import certain_sentences
from kurdtts_lib.speech import speak
from kurdtts_lib.text import without_marks
from kurdtts_lib.vits.log import StepReport
from kurdtts_lib.vits.marks import with_marks
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import load_voice

WORK = REPOSITORY / "runs" / "questions"
READER = ["espeak-ng", "-v", "ku", "-p", "80", "-s", "160", "--stdin", "--stdout"]
SENTENCES, HELD_OUT = 150, 30
PROFILE = load_profile("sample")
AUDIO = PROFILE.audio
LAST_SECONDS = 0.3


def read() -> None:
    """Write `wavs/` and `metadata.csv`, one statement and one question in turn."""
    texts = dict.fromkeys(without_marks(text) for text in [*certain_sentences(), *bundled_sentences()])
    short = [Clip(text=text) for text in texts if 3 <= len(text.split()) <= 7]
    rows = []
    for number, clip in enumerate(sampled(short, SENTENCES)):
        for kind, mark in (("statement", "."), ("question", "?")):
            written = f"{clip.text}{mark}".encode()
            spoken = subprocess.run(READER, input=written, check=True, capture_output=True).stdout
            waveform, rate = soundfile.read(io.BytesIO(spoken), dtype="float32")
            waveform = trim(resample(waveform, rate, AUDIO.sampling_rate))
            name = f"wavs/{number:03d}-{kind}.wav"
            write_wav(WORK / name, 0.6 * waveform / np.abs(waveform).max(), AUDIO.sampling_rate)
            rows.append((name, clip.text + mark))
    write_metadata(WORK / "metadata.csv", rows)
    print(f"{len(rows)} clips read")


def clips() -> tuple[list[Clip], list[Clip]]:
    """Those to train on and those held out, in the order of `read`."""
    rows = [line.split("|") for line in read_text(WORK / "metadata.csv").splitlines()]
    found = [Clip(WORK / file, text) for file, text in rows]
    return found[2 * HELD_OUT :], found[: 2 * HELD_OUT]


def trainer(base: str, marks: bool, steps: int) -> Trainer:
    """Without marks the voice knows none, so it is trained on the words alone."""
    voice = load_voice(base)
    settings = dataclasses.replace(PROFILE.training, steps=steps, checkpoint_every=10)
    folder = WORK / ("with-marks" if marks else "without-marks")
    return Trainer(with_marks(voice) if marks else voice, clips()[0], None, settings, AUDIO, folder)


def final_slope(waveform: np.ndarray) -> float:
    """Semitones a second: the line through the pitch of the last voiced 300 ms; NaN if less than half is voiced."""
    pitch = pitch_track(waveform, AUDIO)
    voiced = np.flatnonzero(np.isfinite(pitch))
    frames = LAST_SECONDS * AUDIO.sampling_rate / AUDIO.hop_length
    last = voiced[voiced > voiced[-1] - frames] if len(voiced) else voiced
    if len(last) < frames / 2:
        return float("nan")
    seconds = last * AUDIO.hop_length / AUDIO.sampling_rate
    return float(np.polyfit(seconds, 12 * np.log2(pitch[last]), 1)[0])


def measure(base: str, steps: int) -> None:
    """Print a line for the recordings, the base voice and the two that were trained; save their speech."""
    held_out = clips()[1]
    sounds = {"recordings": [decode(clip.path, AUDIO.sampling_rate) for clip in held_out]}
    voices = {"base": load_voice(base)}
    voices |= {f"marks={marks}": trainer(base, marks, steps).voice for marks in (False, True)}
    for name, voice in voices.items():
        sounds[name] = [speak(voice, clip.text, level=False, normalized=True) for clip in held_out]
        for clip, sound in zip(held_out, sounds[name], strict=True):
            write_wav(WORK / "speech" / name / clip.path.name, sound, AUDIO.sampling_rate)
    print("Hz, then semitones a second: statements | questions | questions minus statements of the same words")
    for name, waveforms in sounds.items():
        slopes = np.array([final_slope(waveform) for waveform in waveforms]).reshape(-1, 2)
        found = [estimate(column) for column in (slopes[:, 0], slopes[:, 1], slopes[:, 1] - slopes[:, 0])]
        pitch = np.nanmedian(np.concatenate([pitch_track(waveform, AUDIO) for waveform in waveforms]))
        print(f"{name}: {pitch:.0f} Hz, " + " | ".join(f"{one}, n = {one.n}" for one in found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["read", "train", "measure"])
    parser.add_argument("--marks", action="store_true", help="train the voice that knows marks")
    parser.add_argument("--base", default=PROFILE.base_voice)
    parser.add_argument("--steps", type=int, default=250)
    arguments = parser.parse_args()
    if arguments.command == "read":
        read()
    elif arguments.command == "measure":
        measure(arguments.base, arguments.steps)
    else:
        trainer(arguments.base, arguments.marks, arguments.steps).run(report=print_step)


def print_step(entry: StepReport) -> None:
    print(f"step {entry.step} {entry.seconds:.1f} s  mel {entry.terms['mel']:.3f}", flush=True)


if __name__ == "__main__":
    main()
