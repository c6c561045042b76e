"""Make a crowd of recordings from clean ones, with the truth about each, to measure how data is prepared.

    python benchmarks/crowd.py FOLDER --sentences sentences.txt --half tune      needs the program espeak-ng
    python benchmarks/crowd.py FOLDER --sentences sentences.txt --half test --human FOLDER_WITH_FLAC
    python benchmarks/crowd.py FOLDER --sample                                   of the bundled sample alone

The folder has Common Voice's form: `validated.tsv` and `clips/*.mp3`, 32 kHz. `truth.jsonl` has a `Truth` for each
clip, and `clean/` the speech that went into it. The same arguments give the same crowd. The two halves have no speaker
and no kind of noise in common but babble, so that thresholds chosen on one are measured on the other. The readers are
espeak-ng's; `--human` adds one person, of whose recordings only the sound counts: the language may be another.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import acoustics
import numpy as np
from clean_speech import HALVES, RATE, CleanClip, amounts, human_clips, machine_clips, readers, sample_clips

from kurdtts_lib.audio.io import decode
from kurdtts_lib.core.files import read_text, write_text

NOISES = {"tune": ("white", "hum", "babble"), "test": ("pink", "fan", "babble")}
"""Of `acoustics.NOISES`, those of each half."""
SNR_DB = (5.0, 40.0)
CLIP_FAULTS = {
    "long edges": 0.15, "breath": 0.15, "clicks": 0.1, "clipped": 0.05, "start cut off": 0.04, "end cut off": 0.04,
    "word missing in the text": 0.05, "word added to the text": 0.05, "text of another clip": 0.05,
}  # fmt: skip
"""How likely each fault of a single clip is."""
TEXT_FAULTS = [fault for fault in CLIP_FAULTS if "text" in fault]
SPEAKER_FAULTS = {"8 kHz": 0.1, "low-rate MP3": 0.15}
"""How likely it is that all clips of a speaker have the fault."""
LONG_WORD = 4
"""Letters: fewer are not missed, as many short words are hardly heard."""


@dataclass(frozen=True)
class Conditions:
    """How one speaker records."""

    response: np.ndarray | None
    """Impulse response of the room; None: no room."""
    noise: str | None
    """One of `acoustics.NOISES`."""
    snr_db: float
    """On average over the speaker's clips."""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recording:
    """Speech in a room with noise; its direct sound begins at sample `start` and ends before `end`."""

    waveform: np.ndarray
    start: int
    end: int
    snr_db: float | None
    """Of the speech from start to end, with its echoes, over the noise; None: no noise."""


@dataclass(frozen=True)
class Truth:
    """What is true of one clip. Times are in seconds; those of the speech are its direct sound's, echoes follow."""

    clip: str
    clean: str
    """The speech that went into it; it lies `cut_start_s` before `speech_start_s` in the clip."""
    speaker: str
    human: bool
    speech_start_s: float
    speech_end_s: float
    cut_start_s: float
    cut_end_s: float
    snr_db: float | None
    """Before clicks, codecs and clipping, which change it; None: no noise."""
    noise: str | None
    room_s: float | None
    """Reverberation time (RT60); None: no room."""
    faults: list[str]
    text: str
    """What is said, with words that are cut off."""
    sentence: str
    """What the table says is said."""


def draw_conditions(noise: str, draw: np.random.Generator, rate: int = RATE) -> Conditions:
    """Three of ten speakers sit in no room that is heard, one of seven has no noise, the others that of this kind."""
    response = acoustics.impulse_response(draw.uniform(0.2, 0.8), rate, draw) if draw.random() < 0.7 else None
    noisy = draw.random() < 6 / 7
    faults = tuple(fault for fault, likely in SPEAKER_FAULTS.items() if draw.random() < likely)
    return Conditions(response, noise if noisy else None, draw.uniform(*SNR_DB), faults)


def draw_faults(draw: np.random.Generator, human: bool) -> list[str]:
    """Of a single clip: at most one of its text, none of a person's, whose language is another."""
    found = [fault for fault, likely in CLIP_FAULTS.items() if draw.random() < likely]
    of_text = [fault for fault in found if fault in TEXT_FAULTS]
    return [fault for fault in found if fault not in of_text[0 if human else 1 :]]


def record(
    speech: np.ndarray,
    conditions: Conditions,
    draw: np.random.Generator,
    voices: Sequence[np.ndarray] = (),
    faults: Sequence[str] = (),
    rate: int = RATE,
) -> Recording:
    """Edges, breath, room and noise. speech: (samples,). voices: of the people of a babble, likewise."""
    seconds = draw.uniform(1, 4, 2) if "long edges" in faults else draw.uniform(0.2, 0.5, 2)
    before, after = (int(value * rate) for value in seconds)
    speech_part = slice(before, before + len(speech))
    waveform = np.pad(speech, (before, after)).astype(np.float32)
    if "breath" in faults:
        breath = acoustics.make_breath(0.15, rate, draw) * np.float32(acoustics.rms(speech) * draw.uniform(0.03, 0.1))
        last = before - rate // 40
        waveform[last - len(breath) : last] += breath
    if conditions.response is not None:
        waveform = acoustics.reverberant(waveform, conditions.response)
    if conditions.noise is None:
        return Recording(waveform, speech_part.start, speech_part.stop, None)
    snr_db = float(np.clip(conditions.snr_db + draw.normal(0, 6), *SNR_DB))
    noise = acoustics.make_noise(conditions.noise, len(waveform), rate, draw, voices)
    waveform = acoustics.with_noise(waveform, noise, snr_db, speech_part)
    return Recording(waveform, speech_part.start, speech_part.stop, snr_db)


def damaged(waveform: np.ndarray, faults: Sequence[str], draw: np.random.Generator, rate: int = RATE) -> np.ndarray:
    """What a device makes of it: clicks, a telephone's band, a level below or above full scale, a low-rate MP3."""
    if "clicks" in faults:
        waveform = acoustics.with_clicks(waveform, rate, draw)
    if "8 kHz" in faults:
        waveform = acoustics.narrowband(waveform, rate)
    waveform = waveform * np.float32(draw.uniform(0.1, 0.9) / np.abs(waveform).max())
    if "clipped" in faults:
        waveform = acoustics.clipped(waveform, draw.uniform(0.003, 0.03))
    return acoustics.low_rate_mp3(waveform, rate) if "low-rate MP3" in faults else waveform


def wrong_text(text: str, fault: str, other: str, draw: np.random.Generator) -> str:
    """The text with one of `TEXT_FAULTS`; unchanged if no word is long enough. other: another clip's text."""
    if fault == "text of another clip":
        return other
    words = text.split()
    if fault == "word missing in the text" and (places := _long_words(text)):
        words.pop(draw.choice(places))
    if fault == "word added to the text" and (places := _long_words(other)):
        words.insert(draw.integers(len(words)), other.split()[draw.choice(places)].strip(".,?!"))
    return " ".join(words)


def _long_words(text: str) -> list[int]:
    return [place for place, word in enumerate(text.split()) if len(word.strip(".,?!")) >= LONG_WORD]


def make_crowd(clean: Sequence[CleanClip], folder: Path, seed: int, noises: Sequence[str]) -> list[Truth]:
    """Record every clean clip; write clips and tables to `folder`, in which the clean ones are, too."""
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    speakers = sorted({clip.speaker for clip in clean})
    conditions = {
        speaker: draw_conditions(noises[number % len(noises)], np.random.default_rng([seed, 1, number]))
        for number, speaker in enumerate(speakers)
    }
    truths = []
    for number, clip in enumerate(clean):
        draw = np.random.default_rng([seed, 2, number])
        others = [other for other in clean if other.speaker != clip.speaker]
        chosen = [others[place] for place in draw.permutation(len(others))]
        waveform, truth = _make_clip(clip, chosen, conditions[clip.speaker], draw)
        name = f"clips/{number:05d}.mp3"
        (folder / name).write_bytes(acoustics.mp3(waveform, RATE))
        truths.append(Truth(clip=name, clean=clip.path.relative_to(folder).as_posix(), **truth))
    _write_tables(clean, truths, folder)
    return truths


def _make_clip(
    clip: CleanClip, others: Sequence[CleanClip], conditions: Conditions, draw: np.random.Generator
) -> tuple[np.ndarray, dict]:
    """(waveform, what `Truth` says of it but for the files). others: clips of other speakers, in random order."""
    faults = draw_faults(draw, clip.human)
    sentence = clip.text
    for fault in {*faults} & {*TEXT_FAULTS}:
        sentence = wrong_text(
            clip.text, fault, next(o.text for o in others if o.text != clip.text and not o.human), draw
        )
        if sentence == clip.text:
            faults.remove(fault)
    voices = [decode(other.path, RATE) for other in others[:6]] if conditions.noise == "babble" else []
    recording = record(decode(clip.path, RATE), conditions, draw, voices, faults)
    cut = [int(draw.uniform(0.15, 0.4) * RATE) if f"{edge} cut off" in faults else 0 for edge in ("start", "end")]
    first = recording.start + cut[0] if cut[0] else 0
    last = recording.end - cut[1] if cut[1] else len(recording.waveform)
    waveform = damaged(recording.waveform[first:last], [*faults, *conditions.faults], draw)
    return waveform, {
        "speaker": clip.speaker,
        "human": clip.human,
        "speech_start_s": max(0, recording.start - first) / RATE,
        "speech_end_s": (min(recording.end, last) - first) / RATE,
        "cut_start_s": cut[0] / RATE,
        "cut_end_s": cut[1] / RATE,
        "snr_db": recording.snr_db,
        "noise": conditions.noise,
        "room_s": None if conditions.response is None else acoustics.reverberation_time(conditions.response, RATE),
        "faults": [*faults, *conditions.faults],
        "text": clip.text,
        "sentence": sentence,
    }


def _write_tables(clean: Sequence[CleanClip], truths: Sequence[Truth], folder: Path) -> None:
    rows = [("client_id", "path", "sentence", "up_votes", "down_votes", "age", "gender")]
    for clip, truth in zip(clean, truths, strict=True):
        client = hashlib.sha512(clip.speaker.encode()).hexdigest()
        rows.append((client, Path(truth.clip).name, truth.sentence, "2", "0", "", clip.gender))
    write_text(folder / "validated.tsv", "".join("\t".join(row) + "\n" for row in rows))
    lines = [json.dumps(asdict(truth), ensure_ascii=False) for truth in truths]
    write_text(folder / "truth.jsonl", "\n".join(lines) + "\n")


def read_truth(folder: Path) -> list[Truth]:
    return [Truth(**json.loads(line)) for line in read_text(folder / "truth.jsonl").splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--sentences", type=Path, help="one a line, to be read by espeak-ng")
    source.add_argument("--sample", action="store_true", help="record the bundled sample's clips")
    parser.add_argument("--human", type=Path, help="a folder of FLAC files and metadata.csv, one person's recordings")
    parser.add_argument("--half", choices=HALVES, default="tune")
    parser.add_argument("--speakers", type=int, default=16)
    parser.add_argument("--clips", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    clean: list[CleanClip] = []
    if arguments.sample:
        clean += sample_clips(folder / "clean", arguments.clips)
    else:
        voices = readers(arguments.half, arguments.speakers)
        sentences = [line.strip() for line in read_text(arguments.sentences).splitlines() if line.strip()]
        counts, draw = amounts(len(voices), arguments.clips), np.random.default_rng([arguments.seed, 0])
        clean += machine_clips(voices, counts, sentences, folder / "clean", draw)
    if arguments.human:
        clean += human_clips(arguments.human, folder / "clean")
    truths = make_crowd(clean, folder, arguments.seed, NOISES[arguments.half])
    print(f"{len(truths)} clips of {len({truth.speaker for truth in truths})} speakers in {folder}")


if __name__ == "__main__":
    main()
