"""Every kind of corpus gives the same clips; rows without use are counted; a corpus that cannot be read says why."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import soundfile
from datasets import Audio, Dataset

from kurdtts_lib.audio import header
from kurdtts_lib.corpus.preparation import prepare
from kurdtts_lib.corpus.sources import SourceClip, corpus_table, find_clips, read_corpus
from kurdtts_lib.errors import CorpusError
from kurdtts_lib.settings import AudioSettings, CorpusSettings

ROWS = [("aaa", "Ez diçim malê.", 2, 0), ("aaa", "Tu li ku yî?", 3, 0), ("bbb", "Roj baş!", 0, 1)]
SENTENCES = [row[1] for row in ROWS]
RATES = (32_000, 48_000, 32_000)


def mp3(seconds: float = 1.5, rate: int = 32_000) -> bytes:
    buffer = io.BytesIO()
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(int(seconds * rate)) / rate)
    soundfile.write(buffer, tone, rate, format="MP3", subtype="MPEG_LAYER_III")
    return buffer.getvalue()


SOUNDS = [mp3(rate=rate) for rate in RATES]


def write_sounds(folder: Path, names: tuple[str, ...] = ("0.mp3", "1.mp3", "2.mp3")) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, sound in zip(names, SOUNDS, strict=True):
        (folder / name).write_bytes(sound)


def write_common_voice(folder: Path) -> Path:
    write_sounds(folder / "clips")
    with (folder / "validated.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["client_id", "path", "sentence", "up_votes", "down_votes", "age", "gender"])
        for number, (client_id, sentence, up, down) in enumerate(ROWS):
            writer.writerow([client_id, f"{number}.mp3", sentence, up, down, "", ""])
    return folder


def write_parquet(folder: Path) -> Path:
    columns = {
        "client_id": [row[0] for row in ROWS],
        "path": [{"bytes": sound, "path": f"{number}.mp3"} for number, sound in enumerate(SOUNDS)],
        "sentence": SENTENCES,
        "up_votes": [row[2] for row in ROWS],
        "down_votes": [row[3] for row in ROWS],
    }
    data = Dataset.from_dict(columns).cast_column("path", Audio(sampling_rate=32_000, decode=False))
    data.to_parquet(folder / "train.parquet")
    return folder


@pytest.fixture
def common_voice(tmp_path: Path) -> Path:
    return write_common_voice(tmp_path)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    return write_parquet(tmp_path)


def source(path: Path, **changes: object) -> CorpusSettings:
    return CorpusSettings(source=str(path), **changes)  # type: ignore[arg-type]


def read(path: Path, **changes: object) -> list[SourceClip]:
    return list(read_corpus(source(path, **changes)))


def faults(path: Path, **changes: object) -> list[str]:
    return [clip.fault for clip in read(path, **changes)]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def as_metadata_bars(folder: Path) -> None:
    write_sounds(folder)
    write(folder / "metadata.csv", "".join(f"{number}.mp3|{text}\n" for number, text in enumerate(SENTENCES)))


def as_metadata_commas(folder: Path) -> None:
    write_sounds(folder / "wavs")
    rows = [["speaker", "text", "file_name"], *(["x", text, f"{n}.mp3"] for n, text in enumerate(SENTENCES))]
    with (folder / "metadata.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)


def as_metadata_jsonl(folder: Path) -> None:
    write_sounds(folder / "data")
    rows = [{"file_name": f"data/{number}.mp3", "transcription": text} for number, text in enumerate(SENTENCES)]
    write(folder / "metadata.jsonl", "\n".join(json.dumps(row) for row in rows))


def as_pairs(folder: Path) -> None:
    write_sounds(folder / "a", ("0.mp3", "1.MP3", "2.mp3"))
    for number, text in enumerate(SENTENCES):
        write(folder / "a" / f"{number}.txt", f"\ufeff{text}\r\n")


def as_bytes_column(folder: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"sound": SOUNDS, "text": SENTENCES}), folder / "x.parquet")


def as_struct_column(folder: Path) -> None:
    structs = [{"bytes": sound, "path": None} for sound in SOUNDS]
    pyarrow.parquet.write_table(pyarrow.table({"sound": structs, "transcript": SENTENCES}), folder / "x.parquet")


def as_path_column(folder: Path) -> None:
    write_sounds(folder / "wavs")
    table = {"file": [f"wavs/{number}.mp3" for number in range(3)], "normalized_text": SENTENCES}
    pyarrow.parquet.write_table(pyarrow.table(table), folder / "x.parquet")


FORMS: list[Callable[[Path], object]] = [
    write_common_voice,
    write_parquet,
    as_metadata_bars,
    as_metadata_commas,
    as_metadata_jsonl,
    as_pairs,
    as_bytes_column,
    as_struct_column,
    as_path_column,
]


@pytest.mark.parametrize("make", FORMS)
def test_every_form_gives_the_same_sentences_and_sounds(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path)
    clips = read(tmp_path)
    assert [(clip.number, clip.sentence, clip.fault) for clip in clips] == [(n, t, "") for n, t in enumerate(SENTENCES)]
    assert [header(clip.audio)[1] for clip in clips] == list(RATES)


@pytest.mark.parametrize("make", FORMS)
def test_a_pass_without_audio_says_the_same_of_every_clip(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path)
    heard, read_only = read(tmp_path), list(read_corpus(source(tmp_path), with_audio=False))
    assert len(heard) == len(read_only) == 3
    for one, other in zip(heard, read_only, strict=True):
        assert {**vars(one), "audio": 0} == {**vars(other), "audio": 0}
        assert other.audio == (b"" if isinstance(one.audio, bytes) else one.audio)


@pytest.mark.parametrize("make", FORMS)
def test_every_form_finds_single_clips(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path)
    clips = read(tmp_path)
    assert find_clips(source(tmp_path), [2, 0]) == [clips[2], clips[0]]
    for missing in (9, -1):
        with pytest.raises(CorpusError, match=f"no clip number {missing}"):
            find_clips(source(tmp_path), [1, missing])


@pytest.mark.parametrize("make", FORMS)
def test_every_form_can_be_limited_to_the_first_clips(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path)
    assert [clip.number for clip in read(tmp_path, max_samples=2)] == [0, 1]
    with pytest.raises(CorpusError, match="no clip number 2"):
        find_clips(source(tmp_path, max_samples=2), [2])


@pytest.mark.parametrize("kind", ["common_voice", "parquet"])
def test_speakers_votes_and_names_are_kept(kind: str, request: pytest.FixtureRequest) -> None:
    clips = read(request.getfixturevalue(kind))
    assert [(clip.client_id, clip.sentence, clip.up_votes, clip.down_votes) for clip in clips] == ROWS
    assert [clip.name for clip in clips] == ["0.mp3", "1.mp3", "2.mp3"]


@pytest.mark.parametrize("kind", ["common_voice", "parquet"])
def test_both_layouts_can_be_prepared(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    result = prepare(source(request.getfixturevalue(kind)), AudioSettings(), tmp_path / "out")
    assert result.reasons["voted down"] == 1
    assert result.reasons.sum() == 3


def test_without_a_speaker_column_all_is_one_speaker_and_accepted(tmp_path: Path) -> None:
    as_bytes_column(tmp_path)
    assert {(clip.client_id, clip.up_votes, clip.down_votes) for clip in read(tmp_path)} == {("one speaker", 2, 0)}


def test_settings_name_the_columns(tmp_path: Path) -> None:
    table = {"a": SOUNDS, "b": SOUNDS[::-1], "text": ["x"] * 3, "said": SENTENCES, "who": ["p", "q", "p"]}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "x.parquet")
    clips = read(tmp_path, audio_column="b", text_column="said", speaker_column="who")
    assert [(clip.audio, clip.sentence) for clip in clips] == list(zip(SOUNDS[::-1], SENTENCES, strict=True))
    assert [clip.client_id for clip in clips] == ["p", "q", "p"]


@pytest.mark.parametrize(
    ("columns", "changes", "words"),
    [
        (("client_id", "sentence"), {}, "sound.*client_id, sentence.*`audio_column`"),
        (("sound", "label"), {}, "its text.*sound, label.*`text_column`"),
        (("sound", "text", "transcript"), {}, "text and transcript: which.*`text_column`.*sound|text and transcript"),
        (("sound", "voice", "text"), {}, "sound and voice: which.*`audio_column`.*sound, voice, text"),
        (("sound", "text"), {"text_column": "no"}, "no column 'no'.*`text_column`"),
        (("sound", "text"), {"audio_column": "text2"}, "no sound.*'text2'.*`audio_column`"),
        (("sound", "text"), {"speaker_column": "who"}, "no column 'who'.*`speaker_column`"),
    ],
)
def test_columns_that_are_not_clear_are_asked_for(
    columns: tuple[str, ...], changes: dict, words: str, tmp_path: Path
) -> None:
    table = {name: SOUNDS if name in ("sound", "voice") else SENTENCES for name in columns}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "x.parquet")
    with pytest.raises(CorpusError, match=words):
        read(tmp_path, **changes)


def test_the_column_sentence_goes_before_text(tmp_path: Path) -> None:
    """The corpus of the full profile has both."""
    table = {"path": SOUNDS, "sentence": SENTENCES, "text": ["other"] * 3}
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "x.parquet")
    assert [clip.sentence for clip in read(tmp_path)] == SENTENCES


@pytest.mark.parametrize("with_audio", [True, False])
def test_parquet_rows_without_sound_or_text_are_counted(tmp_path: Path, with_audio: bool) -> None:
    write(tmp_path / "in.mp3", SOUNDS[0])
    structs = [
        {"bytes": SOUNDS[0], "path": "x/in.mp3"},
        None,
        {"bytes": None, "path": "in.mp3"},
        {"bytes": None, "path": "gone.mp3"},
        {"bytes": None, "path": "../in.mp3"},
        {"bytes": SOUNDS[0], "path": "t.mp3"},
    ]
    texts = [*["Roj baş."] * 5, None]
    pyarrow.parquet.write_table(pyarrow.table({"audio": structs, "text": texts}), tmp_path / "x.parquet")
    clips = list(read_corpus(source(tmp_path), with_audio))
    assert [clip.fault for clip in clips] == ["", "no audio", "", "no audio", "path outside the corpus", "no text"]
    assert [clip.name for clip in clips] == ["in.mp3", "row-1", "in.mp3", "gone.mp3", "in.mp3", "t.mp3"]
    assert clips[2].audio == tmp_path / "in.mp3"


def test_several_parquet_files_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b", "a", "B", "sub/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        table = pyarrow.table({"audio": SOUNDS[:1], "text": [name]})
        pyarrow.parquet.write_table(table, tmp_path / f"{name}.parquet")
    assert [clip.sentence for clip in read(tmp_path)] == ["B", "a", "b", "sub/c"]


def test_a_folder_with_brackets_in_its_name_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "corpus [1]").mkdir()
    assert len(read(write_parquet(tmp_path / "corpus [1]"))) == len(ROWS)


@pytest.mark.parametrize("damage", ["content", "text"])
def test_damaged_parquet_is_a_clear_error(tmp_path: Path, damage: str) -> None:
    if damage == "content":
        write(tmp_path / "a.parquet", b"PAR1 but not really")
    else:
        texts = pyarrow.array([b"good", b"\xff\xfe", b"good"]).view(pyarrow.string())
        pyarrow.parquet.write_table(pyarrow.table({"audio": SOUNDS, "text": texts}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="cannot be read"):
        read(tmp_path)


HOSTILE = [
    "/etc/1.mp3",
    "../1.mp3",
    "a/../../1.mp3",
    "C:\\1.mp3",
    "C:1.mp3",
    "a\\1.mp3",
    "\\\\server\\1.mp3",
    "1\0.mp3",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("make", [write_common_voice, as_metadata_bars, as_metadata_jsonl, as_path_column])
def test_file_names_that_leave_the_corpus_are_counted(
    make: Callable[[Path], object], name: str, tmp_path: Path
) -> None:
    make(tmp_path)
    if make is as_path_column:
        table = {"file": ["wavs/0.mp3", name, "wavs/2.mp3"], "text": SENTENCES}
        pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "x.parquet")
    else:
        table = next(
            tmp_path / n for n in ("validated.tsv", "metadata.csv", "metadata.jsonl") if (tmp_path / n).exists()
        )
        in_table = json.dumps(name)[1:-1] if table.suffix == ".jsonl" else name
        text = table.read_text(encoding="utf-8").replace("data/1.mp3", "1.mp3").replace("1.mp3", in_table)
        table.write_text(text, encoding="utf-8", newline="")
    assert faults(tmp_path) == ["", "path outside the corpus", ""]


def test_damaged_lines_of_a_table_cost_only_themselves(common_voice: Path) -> None:
    head = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\r\n".encode("utf-8-sig")
    good = b"a\t0.mp3\t%s\t2\t0\t\t\r\n"
    lines = {
        good % b'He said "roj': "",
        good % b"ba\xff": "text is not UTF-8",
        b"a\t0.mp3\tfew\n": "row with missing columns",
        good % b"one\tmore": "row with more columns than the table",
        b"\r\n": None,  # an empty line is no row
        good % b"a\rb": "",
        good % b"a\0b": "",
        good % b" ": "no text",
        b"\t0.mp3\tno speaker\t2\t0\t\t\n": "no speaker",
        b"a\t0.mp3\tvotes\tmany\t0\t\t\n": "votes are not numbers",
        b"a\t0.mp3\tvotes\tinf\t0\t\t\n": "votes are not numbers",
        b"a\t\tno file\t2\t0\t\t\n": "row with missing columns",
        b"a\tgone.mp3\tno file\t2\t0\t\t\n": "no audio beside it",
        b"a\t" + b"n" * 300 + b".mp3\tlong name\t2\t0\t\t\n": "no audio beside it",
        good % (b"e" * 200_000): "",
        good.rstrip() % b"last": "row with missing columns",
    }
    write(common_voice / "validated.tsv", head + b"".join(lines))
    clips = read(common_voice)
    assert [clip.fault for clip in clips] == [fault for fault in lines.values() if fault is not None]
    assert [clip.number for clip in clips] == list(range(len(clips)))
    assert clips[0].sentence == 'He said "roj'
    assert len(clips[13].sentence) == 200_000


def test_table_without_a_needed_column_is_named(tmp_path: Path) -> None:
    write(tmp_path / "validated.tsv", "path\tsentence\n")
    with pytest.raises(CorpusError, match=r"no column client_id.*path, sentence"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["validated.tsv", "metadata.csv"])
def test_a_table_in_another_encoding_is_an_error(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, "path|text\n".encode("utf-16"))
    with pytest.raises(CorpusError, match="Save it as UTF-8"):
        read(tmp_path)


@pytest.mark.parametrize("levels", ["cv-corpus/kmr", "kmr"])
def test_common_voice_is_found_below_the_folder(levels: str, tmp_path: Path) -> None:
    write_common_voice(tmp_path / levels)
    assert [clip.sentence for clip in read(tmp_path)] == SENTENCES
    write(tmp_path / Path(levels).parent / "ckb" / "validated.tsv", "")
    with pytest.raises(CorpusError, match=r"several.*ckb.*kmr"):
        read(tmp_path)


def test_metadata_finds_files_in_wavs_and_without_suffix(tmp_path: Path) -> None:
    for place in ("a.wav", "b.wav", "wavs/c.wav", "wavs/d.wav"):
        write(tmp_path / place, b"")
    write(tmp_path / "metadata.csv", "a.wav|A\nb|B\nc.wav|C\nd|D\ne|E\n")
    clips = read(tmp_path)
    assert [clip.audio for clip in clips[:4]] == [
        tmp_path / place for place in ("a.wav", "b.wav", "wavs/c.wav", "wavs/d.wav")
    ]
    assert [clip.fault for clip in clips] == ["", "", "", "", "no audio beside it"]


def test_metadata_with_names_of_columns(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", b"")
    write(tmp_path / "metadata.csv", 'extra|speaker_id|text|file\n1|s|"Roj|a.wav\n')
    (clip,) = read(tmp_path)
    assert (clip.name, clip.sentence, clip.client_id) == ("a.wav", '"Roj', "s")
    (clip,) = read(tmp_path, text_column="extra")
    assert clip.sentence == "1"
    with pytest.raises(CorpusError, match="no column 'words'"):
        read(tmp_path, text_column="words")


def test_metadata_between_commas_keeps_to_its_lines(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", b"")
    lines = ["file_name,text", 'a.wav,"Roj, ""baş"""', 'a.wav,"goes on', 'in the next"', "a.wav,good"]
    write(tmp_path / "metadata.csv", "\r\n".join(lines))
    clips = read(tmp_path)
    assert [clip.fault for clip in clips] == ["", "damaged quotation marks", "damaged quotation marks", ""]
    assert clips[0].sentence == 'Roj, "baş"'


@pytest.mark.parametrize("first", ["", "a|b|c", "name,words", "a.wav"])
def test_metadata_of_another_form_is_an_error(tmp_path: Path, first: str) -> None:
    write(tmp_path / "metadata.csv", f"{first}\na|b\n" if first else "")
    with pytest.raises(CorpusError, match=r"metadata.csv.*neither"):
        read(tmp_path)


def test_lines_of_json_that_are_of_no_use_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", b"")
    lines = {
        b"{broken": "not a JSON object",
        b'{"file_name": "a.wav", "text": "Roj ba\xc5\x9f.", "up_votes": 1}': "",
        b"[1, 2]": "not a JSON object",
        b"[" * 100_000: "not a JSON object",
        b'{"file_name": "a.wav", "text": "\xff"}': "text is not UTF-8",
        b'{"file_name": "a.wav", "text": "\\ud800"}': "text is not UTF-8",
        b'{"file_name": "a.wav"}': "row with missing columns",
        b'{"file_name": "a.wav", "text": null}': "row with missing columns",
        b'{"file_name": ["a.wav"], "text": "x"}': "row with missing columns",
        b'{"file_name": "\\ud800.wav", "text": "x"}': "path outside the corpus",
        b'{"file_name": "a.wav", "text": ""}': "no text",
    }
    write(tmp_path / "metadata.jsonl", b"\n".join(lines))
    clips = read(tmp_path)
    assert [clip.fault for clip in clips] == list(lines.values())
    for clip in clips:  # every field can be written to a file
        json.dumps({**vars(clip), "audio": ""}, ensure_ascii=False).encode("utf-8")


def test_jsonl_without_a_text_shows_its_names(tmp_path: Path) -> None:
    write(tmp_path / "metadata.jsonl", '{"file_name": "a", "label": 1}')
    with pytest.raises(CorpusError, match="file_name, label"):
        read(tmp_path)
    write(tmp_path / "metadata.jsonl", "no\njson\n")
    with pytest.raises(CorpusError, match="no line with a JSON object"):
        read(tmp_path)


def test_files_without_a_partner_are_counted_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "d.m4a", "._a.wav", ".cache/x.wav", "sub/f.ogg", "sub/f.flac", "g.wav"):
        write(tmp_path / name, b"")
    for name in ("a.txt", "c.txt", "d.txt", "sub/f.txt"):
        write(tmp_path / name, "Roj baş.")
    write(tmp_path / "g.txt", b"\xff\xfeR\0")
    assert {clip.name: clip.fault for clip in read(tmp_path)} == {
        "a.wav": "",
        "b.wav": "no text beside it",
        "c.txt": "no audio beside it",
        "d.m4a": "",
        "g.wav": "text is not UTF-8",
        "sub/f.flac": "",
        "sub/f.ogg": "",
    }


@pytest.mark.parametrize("names", [(), ("a.wav", "b.wav", "notes.pdf"), ("a.txt",)])
def test_a_folder_of_no_form_says_what_was_looked_for_and_what_it_holds(names: tuple, tmp_path: Path) -> None:
    for name in names:
        write(tmp_path / "in" / name, b"")
    (tmp_path / "in").mkdir(exist_ok=True)
    with pytest.raises(CorpusError, match=r"validated\.tsv.*metadata\.csv.*Parquet.*a\.txt") as caught:
        read(tmp_path / "in")
    assert ("2 × .wav" in str(caught.value)) == (len(names) == 3)
    assert ("no files at all" in str(caught.value)) == (not names)


def test_a_prepared_folder_can_be_a_source(common_voice: Path, tmp_path: Path) -> None:
    kept = prepare(source(common_voice), AudioSettings(), tmp_path / "out").kept
    assert [clip.sentence for clip in read(tmp_path / "out")] == list(kept["text"])


@pytest.mark.parametrize(
    ("name", "words"),
    [("", "No source"), ("/no/such/folder", "no file or folder"), ("./corpus", "no file or folder"),
     ("C:\\Users\\x", "no file or folder"), ("cv.tar.gz", "no file or folder"), ("a/b/c", "no file or folder")],
)  # fmt: skip
def test_a_path_that_leads_nowhere_does_not_ask_the_hub(name: str, words: str) -> None:
    with pytest.raises(CorpusError, match=words):
        list(read_corpus(CorpusSettings(source=name)))


def test_a_file_of_another_kind_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="another kind"):
        read(write(tmp_path / "a.parquet", b""))


def test_the_table_shows_faults_and_leaves_their_audio_alone(common_voice: Path) -> None:
    with (common_voice / "validated.tsv").open("a", encoding="utf-8") as file:
        file.write("a\t0.mp3\tfew\na\t../0.mp3\tx\t2\t0\t\t\na\tbad.mp3\tx\t2\t0\t\t\n")
    write(common_voice / "clips" / "bad.mp3", b"no sound")
    table = corpus_table(source(common_voice))
    assert list(table["fault"]) == ["", "", "", "row with missing columns", "path outside the corpus", ""]
    assert list(table["seconds"].isna()) == [False, False, False, True, True, True]
