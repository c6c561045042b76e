"""Preparation as a whole: nothing is lost by a fault, a kill or a second run, and the result says what it is."""

import dataclasses
import hashlib
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pandas
import pytest
import yaml
from speechlike import common_voice, encoded, syllables

from kurdtts_lib.core.cards import UNKNOWN_LICENCE
from kurdtts_lib.core.errors import CorpusError, KurdTTSError
from kurdtts_lib.core.files import locked
from kurdtts_lib.core.settings import REPOSITORY, AudioSettings, CorpusSettings, load_profile
from kurdtts_lib.data import prepare as preparation
from kurdtts_lib.data.dataset import COLUMNS, part_of, read_parts
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.data.preprocess import preprocess
from kurdtts_lib.data.sources import licence_of, read_corpus, speaker_name
from kurdtts_lib.data.speakers import other_speakers
from kurdtts_lib.data.training_set import corpus_settings

AUDIO = AudioSettings()
SAMPLE = load_profile("sample").corpus
WORDS = ["roj", "şev", "av", "nan", "mal", "jin", "zarok", "dar", "bajar", "gund", "çiya", "çem", "rê", "dost"]


def rows(count: int, seed: int = 1) -> list[dict]:
    """Different sentences, each with 1.5 to 3 s of sound."""
    rng = random.Random(seed)
    return [
        {"sentence": f"{' '.join(rng.sample(WORDS, 4))} {WORDS[number % 14]}", "seconds": rng.uniform(1.5, 3.0)}
        for number in range(count)
    ]


def contents(folder: Path) -> dict[str, str]:
    """Digest of each file but the cache, which may be deleted."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "work.jsonl"]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    ("change", "words"), [({"min_up_votes": 1000}, "too few votes"), ({"speaker": "nobody"}, "nobody")]
)
def test_nothing_left_names_the_reasons(change: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=words):
        prepare(dataclasses.replace(SAMPLE, **change), AUDIO, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def held_open(source: Path, target: Path) -> None:
    if target.name == "clips.csv":
        raise KurdTTSError(f"{source} is in use.")
    source.replace(target)


@pytest.mark.parametrize(
    ("place", "fault", "words"),
    [
        ("kurdtts_lib.data.preprocess.write_wav", full_disk, r"No space left.*goes on where it stopped"),
        ("kurdtts_lib.data.training_set.rename", held_open, "in use"),
    ],
)
def test_a_full_disk_or_a_table_that_another_program_holds_stops_before_anything_is_replaced(
    place: str, fault: Callable[..., None], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = CorpusSettings(source=str(common_voice(tmp_path / "corpus", rows(8))))
    prepare(dataclasses.replace(corpus, max_samples=4), AUDIO, tmp_path / "out")
    before = contents(tmp_path / "out")
    monkeypatch.setattr(place, fault)
    with pytest.raises(KurdTTSError, match=words):
        prepare(corpus, AUDIO, tmp_path / "out")
    assert before.items() <= contents(tmp_path / "out").items()
    monkeypatch.undo()
    result = prepare(corpus, AUDIO, tmp_path / "out")
    assert len(result.clips) == 8 and len(result.kept) > 4


@pytest.mark.parametrize(
    ("source", "target", "mark", "words"),
    [
        ("out/corpus", "out", "work.jsonl", "lie in each other"),
        ("corpus", "corpus/out", "work.jsonl", "lie in each other"),
        ("corpus", "corpus", "work.jsonl", "lie in each other"),
        ("corpus", "out", "thesis.txt", "other files"),
    ],
)
def test_a_folder_of_others_or_of_the_source_is_refused_and_kept(
    source: str, target: str, mark: str, words: str, tmp_path: Path
) -> None:
    corpus = common_voice(tmp_path / source, rows(1))
    (tmp_path / target).mkdir(exist_ok=True)
    (tmp_path / target / mark).touch()
    before = contents(tmp_path)
    with pytest.raises(KurdTTSError, match=words):
        prepare(CorpusSettings(source=str(corpus)), AUDIO, tmp_path / target)
    assert contents(tmp_path) == before


def test_ids_are_hashed_away(tmp_path: Path) -> None:
    client_id = "a-person-somebody-could-find"
    for number, row in enumerate(rows(4)):
        path = tmp_path / "corpus" / client_id / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(syllables(row["seconds"], seed=number), 16_000, "WAV"))
    lines = [f"{client_id}/{number}.wav|{row['sentence']}|{client_id}" for number, row in enumerate(rows(4))]
    table = "\n".join(["file|text|speaker", *lines]) + "\n"
    (tmp_path / "corpus" / "metadata.csv").write_text(table, encoding="utf-8")
    settings = CorpusSettings(source=str(tmp_path / "corpus"), speaker=client_id)
    prepare(settings, AUDIO, tmp_path / "hashed")
    text = {path.name: path.read_bytes() for path in (tmp_path / "hashed").iterdir() if path.is_file()}
    assert not [name for name, content in text.items() if client_id.encode() in content]
    assert [name for name, content in text.items() if str(tmp_path).encode() in content] == ["local.json"]
    assert corpus_settings(tmp_path / "hashed").source == str((tmp_path / "corpus").resolve())


def test_the_files_say_the_same_things(tmp_path: Path) -> None:
    corpus = common_voice(tmp_path / "corpus", [*rows(40), {"sentence": "Dr. Azad hat.", "seconds": 2.0}])
    result = prepare(CorpusSettings(source=str(corpus)), AUDIO, tmp_path / "out")
    table = pandas.read_parquet(tmp_path / "out" / "metadata.parquet")
    assert list(table.columns) == list(COLUMNS)
    pandas.testing.assert_frame_equal(table, result.kept.reset_index(drop=True), check_dtype=False)
    lines = (tmp_path / "out" / "metadata.csv").read_text(encoding="utf-8").splitlines()
    assert lines == [f"{file}|{text}" for file, text in zip(table["file"], table["text"], strict=True)]
    parts = {
        part: (tmp_path / "out" / f"{part}.csv").read_text(encoding="utf-8") for part in ("train", "validation", "test")
    }
    assert sorted("".join(parts.values()).splitlines()) == sorted(lines)
    for part, clips in read_parts(tmp_path / "out")._asdict().items():
        assert [f"{clip.file}|{clip.text}" for clip in clips] == parts[part].splitlines()
        assert all(clip.path.is_file() for clip in clips)
        assert {clip.part for clip in clips} == {part} and {clip.speaker for clip in clips} == set(result.speakers)
    assert {path.name for path in (tmp_path / "out" / "wavs").iterdir()} == {Path(file).name for file in table["file"]}
    records = pandas.read_csv(tmp_path / "out" / "clips.csv", keep_default_na=False, encoding="utf-8")
    assert records["reason"].value_counts().to_dict() == result.clips["reason"].value_counts().to_dict()
    assert corpus_settings(tmp_path / "out") == CorpusSettings(source=str(corpus))
    _, head, text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "cc0-1.0" and yaml.safe_load(head)["language"] == "kmr"
    assert f"| kept | {len(result.kept)} |" in text and "| uncertain reading | 1 | leave_out_uncertain |" in text
    assert "`loudness_lufs` | `-23.0`" in text and str(tmp_path) not in text
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/svg+xml") >= 6 and "uncertain reading" in page and str(tmp_path) not in page


def test_an_unknown_licence_is_called_unknown_and_a_given_one_is_used(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "a.txt").write_text("Roj baş", encoding="utf-8")
    settings = CorpusSettings(source=str(tmp_path))
    assert licence_of(settings) == UNKNOWN_LICENCE
    assert licence_of(dataclasses.replace(settings, licence="CC BY 4.0")) == "CC BY 4.0"


def test_whatever_is_lost_is_made_again_to_the_same_bytes(tmp_path: Path) -> None:
    settings = CorpusSettings(source=str(common_voice(tmp_path / "corpus", rows(12))))
    result = prepare(settings, AUDIO, tmp_path / "out")
    before = contents(tmp_path / "out")
    cache = tmp_path / "out" / "work.jsonl"

    def again() -> int:
        """How many clips another run works on, also where the reader's plots have another style."""
        with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black"}):
            processed = prepare(settings, AUDIO, tmp_path / "out").processed
        assert contents(tmp_path / "out") == before
        return processed

    assert (result.processed, again()) == (12, 0)
    cache.write_bytes(b"no \xff cache\n" * 1000 + b"[]\n{}\n")
    assert again() == 12
    cache.write_bytes(cache.read_bytes()[:-9])  # the last line of a killed program
    first, second, third = (tmp_path / "out" / file for file in result.kept["file"].iloc[:3])
    first.write_bytes(b"")  # what a power cut leaves
    second.write_bytes(bytes(second.stat().st_size))
    third.unlink()
    assert again() == 4
    for name in ("dapîr.wav", "000007.wav", f"{'0' * 24}.wav"):
        (tmp_path / "out" / "wavs" / name).write_bytes(b"RIFF")
    cache.unlink()
    prepare(settings, AUDIO, tmp_path / "out")  # files of the reader among the sounds are not deleted, our own are
    for name in ("dapîr.wav", "000007.wav"):
        (tmp_path / "out" / "wavs" / name).unlink()
    with locked(tmp_path / "out"), pytest.raises(CorpusError, match="Another preparation is working"):
        prepare(settings, AUDIO, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    (tmp_path / "out" / "preparation.json").unlink()  # as a kill between two tables leaves it
    (tmp_path / "out" / ".new").mkdir()
    with pytest.raises(CorpusError, match="did not finish"):
        corpus_settings(tmp_path / "out")
    for reading in (corpus_settings, read_parts):
        with pytest.raises(CorpusError, match="kurdtts prepare"):
            reading(tmp_path / "never")
    assert again() == 0


def test_more_data_and_other_rules_need_only_new_work_and_another_treatment_all(tmp_path: Path) -> None:
    settings = CorpusSettings(source=str(common_voice(tmp_path / "corpus", rows(14))), pace_mads=None)
    few = prepare(dataclasses.replace(settings, max_samples=10), AUDIO, tmp_path / "out")
    more = prepare(settings, AUDIO, tmp_path / "out")
    assert (few.processed, more.processed) == (10, 4)
    parts = more.clips.set_index("number")["part"]
    assert (parts[few.kept["number"]] == few.kept.set_index("number")["part"]).all(), "no sentence moves"
    shorter = prepare(dataclasses.replace(settings, max_seconds=2.2), AUDIO, tmp_path / "out")
    too_long = (shorter.clips["reason"] == "too long").sum()
    assert shorter.processed == 0 and too_long > 0
    again = prepare(settings, AUDIO, tmp_path / "out")  # the sounds that were deleted are made again
    assert again.processed == too_long and "too long" not in set(again.clips["reason"])
    prepare(settings, AUDIO, tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
    louder = prepare(dataclasses.replace(settings, loudness_lufs=-20.0), AUDIO, tmp_path / "out")
    assert louder.processed == 14 and np.allclose(louder.kept["lufs"], -20.0, atol=0.01)


def test_missing_and_unreadable_files_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = common_voice(tmp_path / "corpus", rows(6))
    (corpus / "clips" / "3.mp3").unlink()
    real = Path.open

    def refuse(path: Path, *arguments: str, **options: str) -> object:
        if path.name == "2.mp3":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    result = prepare(CorpusSettings(source=str(corpus)), AUDIO, tmp_path / "out")
    assert (result.clips["reason"][2], result.clips["detail"][2]) == ("cannot be read", "Permission denied")
    assert result.clips["reason"][3] == "no audio" and len(result.kept) == 4


@pytest.mark.parametrize("change", ["one more", "one less", "another text"])
def test_a_source_that_changes_while_it_is_read_gives_no_clip_another_text(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()

    def add(name: str, text: str) -> None:
        (corpus / f"{name}.wav").write_bytes(encoded(syllables(2.0, seed=len(name)), 16_000, "WAV"))
        (corpus / f"{name}.txt").write_text(text, encoding="utf-8")

    for number in range(1, 5):
        add("b" * number, f"roj baş {WORDS[number]}")
    choose = preparation.choose_speakers

    def change_then_choose(*arguments: object) -> list[str]:
        if change == "one less":
            (corpus / "b.wav").unlink()
            (corpus / "b.txt").unlink()
        else:
            add("a" if change == "one more" else "bb", "ew hat malê")
        return choose(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(preparation, "choose_speakers", change_then_choose)
    with pytest.raises(CorpusError, match="changed while it was read"):
        prepare(CorpusSettings(source=str(corpus)), AUDIO, tmp_path / "out")
    monkeypatch.undo()
    assert not prepare(CorpusSettings(source=str(corpus)), AUDIO, tmp_path / "out").kept.empty


def test_the_split_keeps_about_the_share_and_moves_no_held_out_sentence() -> None:
    texts = [f"gotin {number}" for number in range(2000)]
    before = {text: part_of(text, 0.1) for text in texts}
    counts = Counter(before.values())
    assert 0.88 < counts["train"] / len(texts) < 0.92
    assert 0.4 < counts["test"] / (counts["test"] + counts["validation"]) < 0.6
    assert {part_of(text, 0.3) for text in texts if before[text] == "train"} == {"train", "validation", "test"}
    assert all(part_of(text, 0.3) == part for text, part in before.items() if part != "train")


RUN = """
import os, sys
from pathlib import Path
from kurdtts_lib.data import workers
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings

left = int(sys.argv[3])

def watch(event, arguments):
    global left
    if event == "open" and str(arguments[0]).endswith(".mp3"):
        left -= 1
        if left == 0:
            os._exit(9)  # as kill -9

if __name__ == "__main__":
    workers.WORTH_A_WORKER, workers.BATCH, workers.WINDOW = 10, 4, 8
    sys.addaudithook(watch)
    prepare(CorpusSettings(source=sys.argv[1]), AudioSettings(), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("kills", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, kills: int) -> None:
    count = 36 if kills == 1 else 150
    corpus = common_voice(tmp_path / "corpus", rows(count))
    script = tmp_path / "run.py"
    script.write_text(RUN, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    prepare(CorpusSettings(source=str(corpus)), AUDIO, tmp_path / "whole")
    expected = contents(tmp_path / "whole")
    for files in random.Random(5).sample(range(20, count), kills):
        command = [sys.executable, str(script), str(corpus), str(tmp_path / "killed"), str(files)]
        assert subprocess.run(command, env=environment).returncode == 9
        for path in (tmp_path / "killed" / "wavs").glob("[0-9a-f]*.wav"):
            if expected.get(f"wavs/{path.name}"):
                assert hashlib.sha256(path.read_bytes()).hexdigest() == expected[f"wavs/{path.name}"]
    prepare(CorpusSettings(source=str(corpus)), AUDIO, tmp_path / "killed")
    assert contents(tmp_path / "killed") == expected


def test_other_speakers_are_usable_clips_of_other_people_and_none_without_the_source(tmp_path: Path) -> None:
    people = [row | {"client_id": "ab"[number % 2]} for number, row in enumerate(rows(12))]
    corpus = common_voice(tmp_path / "corpus", people)
    settings = CorpusSettings(source=str(corpus))
    result = prepare(settings, AUDIO, tmp_path / "out")
    ((name, heard),) = other_speakers(tmp_path / "out", AUDIO, 2).items()
    assert name not in result.speakers and len(heard) == 2
    clips = [clip for clip in read_corpus(settings) if clip.speaker == name]
    known = [preprocess(clip.audio, settings, AUDIO.sampling_rate).waveform for clip in clips]
    assert all(any(np.array_equal(one, other) for other in known) for one in heard)
    lines = (corpus / "validated.tsv").read_text(encoding="utf-8").splitlines()
    changed = "\n".join([lines[0], *reversed(lines[1:])]) + "\n"
    (corpus / "validated.tsv").write_text(changed, encoding="utf-8")
    with pytest.warns(UserWarning, match="no other speakers"):
        assert other_speakers(tmp_path / "out", AUDIO, 2) == {}


def test_the_speaker_with_the_most_minutes_is_counted_after_the_rules_of_text(tmp_path: Path) -> None:
    refused = [{"client_id": "big", "sentence": f"Dr. {word} hat.", "seconds": 3.0} for word in WORDS[:6]]
    small = [row | {"client_id": "small"} for row in rows(5)]
    usable = {"client_id": "big", "sentence": "av sar e", "seconds": 2.0}
    corpus = common_voice(tmp_path / "corpus", [*refused, *small, usable])
    result = prepare(CorpusSettings(source=str(corpus)), AUDIO, tmp_path / "out")
    assert result.speakers == [speaker_name("small")] and len(result.kept) == 5
