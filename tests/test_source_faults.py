"""Rows that are of no use are counted and cost no others; a source of no use says what it lacks."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from corpora import (
    SENTENCES,
    as_metadata_bars,
    as_metadata_jsonl,
    as_path_column,
    read,
    source,
    write,
    write_common_voice,
)

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.data.sources import corpus_table, read_corpus


@pytest.fixture
def common_voice(tmp_path: Path) -> Path:
    return write_common_voice(tmp_path)


def faults(path: Path, **changes: object) -> list[str]:
    return [clip.fault for clip in read(path, **changes)]


TABLES = ("validated.tsv", "metadata.csv", "metadata.jsonl")
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
        table = next(tmp_path / n for n in TABLES if (tmp_path / n).exists())
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
    assert [clip.fault for clip in clips] == ["", "damaged quotation marks", "row with missing columns", ""]
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


def test_a_text_file_that_cannot_be_opened_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.wav", "a.txt", "b.wav", "b.txt"):
        write(tmp_path / name, "Roj baş.")
    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "a.txt":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert faults(tmp_path) == ["text file cannot be opened", ""]


def test_a_table_that_vanishes_while_it_is_read_is_an_error(common_voice: Path) -> None:
    clips = read_corpus(source(common_voice))
    (common_voice / "validated.tsv").unlink()
    with pytest.raises(CorpusError, match=r"validated\.tsv cannot be read"):
        next(clips)


@pytest.mark.parametrize("names", [(), ("a.wav", "b.wav", "notes.pdf"), ("a.txt",)])
def test_a_folder_of_no_form_says_what_was_looked_for_and_what_it_holds(names: tuple, tmp_path: Path) -> None:
    for name in names:
        write(tmp_path / "in" / name, b"")
    (tmp_path / "in").mkdir(exist_ok=True)
    with pytest.raises(CorpusError, match=r"validated\.tsv.*metadata\.csv.*Parquet.*a\.txt") as caught:
        read(tmp_path / "in")
    assert ("2 × .wav" in str(caught.value)) == (len(names) == 3)
    assert ("no files at all" in str(caught.value)) == (not names)


def test_a_prepared_folder_can_be_a_source(common_voice: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("elsewhere") / "out"
    kept = prepare(source(common_voice), AudioSettings(), out).kept
    assert [clip.sentence for clip in read(out)] == list(kept["text"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "No source"),
        ("/no/such/folder", "no file or folder"),
        ("./corpus", "no file or folder"),
        ("C:\\Users\\x", "no file or folder"),
        ("cv.tar.gz", "no file or folder"),
        ("a/b/c", "no file or folder"),
        ("a" * 5000, "cannot be read|Check the spelling"),
    ],
)
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
