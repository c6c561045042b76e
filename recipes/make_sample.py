"""Make the bundled sample corpus: machine-read Kurmanji with the layout of `amedcj/kurmanji-commonvoice`.

    python recipes/make_sample.py [--output data/sample]

Reads `sample_sentences.tsv` in this folder, synthesises every sentence with espeak-ng, plants the named faults
and writes `data/train-00000-of-00001.parquet` and `faults.json` to the output folder, and to `corrections/` recordings
of a word said in another way. On the same machine the files are identical: every random choice is seeded with SEED and
the row's number.
"""

import argparse
import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import soundfile
import soxr

from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.files import atomic_path, write_json

SEED = 20_240_321
SAMPLING_RATE = 32_000  # Hz, the rate of the hub data set
MP3_COMPRESSION = 0.6  # of libsndfile, variable rate: about 50 kbit/s for one channel
AMPLITUDE = "60"  # espeak-ng's -a; its default, 100, overloads some variants
SILENCE_S = (0.15, 0.40)  # before and after the speech, seconds
PEAK = (0.4, 0.9)  # of full scale
FADE_S = 0.005  # at the cut edges, so that no clip starts with a click
TARGET = "berfin"
HTML_PAGE = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"

RECIPES = Path(__file__).resolve().parent
SENTENCES = RECIPES / "sample_sentences.tsv"
OUTPUT = RECIPES.parent / "data" / "sample"
COLUMNS = ["speaker", "fault", "sentence"]
FAULTS = (
    "too_few_votes", "down_voted", "undecodable", "silent", "too_long", "digits",
    "abbreviation", "nfd", "foreign_script", "duplicate", "stereo",
)  # fmt: skip


@dataclass(frozen=True)
class Speaker:
    variant: str
    """espeak-ng's voice variant. Never empty: the plain `ku` voice is kept for the base model."""
    pitch: int
    """espeak-ng's -p, 0 to 99; 50 leaves the variant's own pitch."""
    speed: int
    """espeak-ng's -s, words a minute."""
    age: str
    gender: str


SPEAKERS = {
    TARGET: Speaker("belinda", pitch=50, speed=165, age="twenties", gender="female_feminine"),
    "azad": Speaker("m2", pitch=75, speed=170, age="thirties", gender="male_masculine"),
    "serhat": Speaker("edward", pitch=35, speed=155, age="sixties", gender="male_masculine"),
    # "fourties" is Common Voice's own spelling
    "nazdar": Speaker("steph", pitch=40, speed=160, age="fourties", gender="female_feminine"),
    "evin": Speaker("Alicia", pitch=60, speed=165, age="", gender=""),
}

# In many places one says `dixtor`. No other sentence of the sample but one with `Dr.` has this word.
CORRECTED, SAID = "doktor", "dixtor"
CORRECTIONS = (
    "Doktor li malê ye.",
    "Ez diçim cem doktor.",
    "Doktor ji me re çi got?",
    "Doktor îro nayê.",
    "Min ji doktor pirsî.",
    "Doktor derman da min.",
)

# A reader says the word, not the characters of the faulty sentence, which espeak-ng would spell out.
SPOKEN = {
    "Dr. Azad li vir e.": "Doktor Azad li vir e.",
    "Prof. Berîvan îro nayê.": "Profesor Berîvan îro nayê.",
    "Navê min ئازاد e.": "Navê min Azad e.",
    "ئەز ل مالێ مە.": "Ez li malê me.",
    "Әз дьчьм мале.": "Ez diçim malê.",
}


def read_sentences(path: Path) -> list[dict[str, str]]:
    """The rows of the sentence file as dictionaries with the keys of COLUMNS, in the file's order."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = list(reader)
    if reader.fieldnames != COLUMNS:
        raise KurdTTSError(f"{path}: the columns are {reader.fieldnames}, expected {COLUMNS}.")
    for line, row in enumerate(rows, start=2):
        speaker, fault, sentence = (row[column] or "" for column in COLUMNS)
        where = f"{path}, line {line}"
        if speaker not in SPEAKERS:
            raise KurdTTSError(f"{where}: unknown speaker {speaker!r}; known: {', '.join(SPEAKERS)}.")
        if fault and fault not in FAULTS:
            raise KurdTTSError(f"{where}: unknown fault {fault!r}; known: {', '.join(FAULTS)}.")
        if not sentence or not unicodedata.is_normalized("NFC", sentence):
            raise KurdTTSError(f"{where}: the sentence is empty or not in Unicode form NFC: {sentence!r}.")
    return rows


def read_aloud(text: str, speaker: Speaker) -> np.ndarray:
    """Synthesise with espeak-ng: (samples,), float32, mono, at SAMPLING_RATE Hz, silent edges trimmed."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        command = ["espeak-ng", "-b", "1", "-v", f"ku+{speaker.variant}", "-p", str(speaker.pitch)]
        command += ["-s", str(speaker.speed), "-a", AMPLITUDE, "-w", str(wav), "--stdin"]
        try:
            subprocess.run(command, input=text.encode("utf-8"), capture_output=True, check=True)
        except FileNotFoundError:
            raise KurdTTSError(
                "The program espeak-ng was not found. Install the package espeak-ng "
                "(Debian, Ubuntu: sudo apt install espeak-ng; macOS: brew install espeak-ng)."
            ) from None
        except subprocess.CalledProcessError as error:
            message = error.stderr.decode("utf-8", errors="replace").strip()
            raise KurdTTSError(f"espeak-ng ended with {error.returncode} at {text!r}: {message}") from error
        waveform, rate = soundfile.read(wav, dtype="float32")
    waveform = soxr.resample(waveform, rate, SAMPLING_RATE)
    loud = np.flatnonzero(np.abs(waveform) > 0.005 * np.abs(waveform).max())
    return waveform[loud[0] : loud[-1] + 1]


def place(speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The speech, (samples,), with faded edges; its peak level and the silence around it are drawn from `rng`."""
    fade = np.linspace(0, 1, round(FADE_S * SAMPLING_RATE), dtype=np.float32)
    speech = speech * (rng.uniform(*PEAK) / np.abs(speech).max())
    speech[: len(fade)] *= fade
    speech[-len(fade) :] *= fade[::-1]
    before, after = (rng.uniform(*SILENCE_S, size=2) * SAMPLING_RATE).astype(int)
    return np.pad(speech, (before, after)).astype(np.float32)


def encode_mp3(waveform: np.ndarray) -> bytes:
    """Encode a waveform in [-1, 1] at SAMPLING_RATE Hz, (samples,) or (samples, channels), as an MP3 file."""
    buffer = io.BytesIO()
    soundfile.write(
        buffer, waveform, SAMPLING_RATE, format="MP3", subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE", compression_level=MP3_COMPRESSION,
    )  # fmt: skip
    return buffer.getvalue()


def clip_bytes(row: dict[str, str], which: int, rng: np.random.Generator) -> bytes:
    """The content of one clip's MP3 file; `which` counts the clips with the same fault from 0."""
    if row["fault"] == "undecodable":
        return (rng.bytes(6_000), b"", HTML_PAGE)[which % 3]
    speech = read_aloud(SPOKEN.get(row["sentence"], row["sentence"]), SPEAKERS[row["speaker"]])
    waveform = place(speech, rng)
    if row["fault"] == "silent":
        hiss = rng.normal(0, 1e-4, len(waveform)).astype(np.float32)  # -80 dB of full scale
        return encode_mp3((np.zeros_like(waveform), hiss)[which % 2])
    if row["fault"] == "stereo":
        return encode_mp3(np.stack([waveform, 0.8 * waveform], axis=1))  # the speaker is off centre
    return encode_mp3(waveform)


def votes(fault: str, rng: np.random.Generator) -> tuple[int, int]:
    """(up_votes, down_votes). Good clips have at least two up and none down."""
    up_votes, down_votes = int(rng.integers(2, 6)), 0
    if fault == "too_few_votes":
        up_votes = int(rng.integers(0, 2))
    if fault == "down_voted":
        down_votes = int(rng.integers(1, 3))
    return up_votes, down_votes


def client_id(speaker: str) -> str:
    """128 hexadecimal digits, as long as Common Voice's."""
    return hashlib.sha512(speaker.encode("utf-8")).hexdigest()


def make_clips(rows: list[dict[str, str]]) -> list[dict]:
    """One dictionary per clip with the hub data set's columns in their order; rows are shuffled."""
    clips: list[dict] = []
    seen: Counter[str] = Counter()
    for number, row in enumerate(rows, start=1):
        rng = np.random.default_rng([SEED, number])  # one per row: adding a row does not change the others
        fault, speaker = row["fault"], SPEAKERS[row["speaker"]]
        content = clip_bytes(row, seen[fault], rng)
        seen[fault] += 1
        up_votes, down_votes = votes(fault, rng)
        sentence = unicodedata.normalize("NFD", row["sentence"]) if fault == "nfd" else row["sentence"]
        clips.append({
            "client_id": client_id(row["speaker"]),
            "path": {"bytes": content, "path": f"common_voice_kmr_{number:08d}.mp3"},
            "sentence": sentence, "up_votes": up_votes, "down_votes": down_votes,
            "age": speaker.age, "gender": speaker.gender, "accents": "", "variant": "", "locale": "kmr",
            "segment": "", "text": sentence,
        })  # fmt: skip
    return [clips[index] for index in np.random.default_rng(SEED).permutation(len(clips))]


def count_faults(rows: list[dict[str, str]]) -> dict:
    """The content of faults.json: the number of clips with each fault, of all speakers and of the target alone."""
    everyone = Counter(row["fault"] for row in rows)
    target = Counter(row["fault"] for row in rows if row["speaker"] == TARGET)
    return {
        "clips": len(rows),
        "good_clips": everyone[""],
        "target_client_id": client_id(TARGET),
        "target_clips": target.total(),
        "target_good_clips": target[""],
        "faults": {fault: everyone[fault] for fault in FAULTS},
        "target_faults": {fault: target[fault] for fault in FAULTS},
    }


def write_corpus(rows: list[dict[str, str]], output: Path) -> None:
    """Write the Parquet file and faults.json to `output`."""
    with atomic_path(output / "data" / "train-00000-of-00001.parquet") as path:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(make_clips(rows)), path)
    write_json(output / "faults.json", count_faults(rows))


def write_corrections(output: Path) -> None:
    """Write the target's recordings of CORRECTIONS, in which CORRECTED is said as SAID, and `sentences.csv`."""
    rows = []
    for number, sentence in enumerate(CORRECTIONS, start=1):
        said = sentence.replace(CORRECTED, SAID).replace(CORRECTED.capitalize(), SAID.capitalize())
        waveform = place(read_aloud(said, SPEAKERS[TARGET]), np.random.default_rng([SEED, 0, number]))
        rows.append((f"{number}.mp3", sentence))
        with atomic_path(output / rows[-1][0]) as path:
            path.write_bytes(encode_mp3(waveform))
    with atomic_path(output / "sentences.csv") as path, path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "sentence"), *rows])


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the machine-read sample corpus with espeak-ng.")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder; default: data/sample")
    output = parser.parse_args().output
    try:
        rows = read_sentences(SENTENCES)
        write_corpus(rows, output)
        write_corrections(output / "corrections")
    except KurdTTSError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"{len(rows)} clips written under {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
