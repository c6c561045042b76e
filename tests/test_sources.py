"""Every kind of corpus gives the same clips; rows of no use are counted and cost no others, the rest is explained."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from corpora import (
    FORMS,
    NAMED_ROWS,
    RATES,
    SENTENCES,
    SOUNDS,
    read,
    source,
    write,
    write_common_voice,
    write_parquet,
    write_table,
)

from kurdtts_lib.audio.io import header
from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.data.sources import corpus_table, find_clips, read_corpus, speaker_name


def reasons(path: Path) -> list[str]:
    return [clip.reason for clip in read(path)]


@pytest.mark.parametrize("make", FORMS)
def test_every_form_gives_the_same_clips_all_single_or_the_first_ones(
    make: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without a network."""
    folder = tmp_path / "corpus [1]"  # brackets are no pattern
    folder.mkdir()
    make(folder)
    asked: list[object] = []  # libraries may swallow an error, so what they ask for is noted
    monkeypatch.setattr("socket.getaddrinfo", lambda *address, **_: asked.append(address) or [])
    clips = read(folder)
    found = [(clip.number, clip.sentence, clip.reason) for clip in clips]
    assert found == [(number, text, "kept") for number, text in enumerate(SENTENCES)]
    assert [header(clip.audio)[1] for clip in clips] == list(RATES)
    assert find_clips(source(folder), [2, 0]) == [clips[2], clips[0]]
    assert corpus_table(source(folder))["seconds"].between(1.4, 1.7).all()
    for missing in (9, -1):
        with pytest.raises(CorpusError, match=f"no clip number {missing}"):
            find_clips(source(folder), [1, missing])
    assert read(folder, max_samples=2) == clips[:2]
    with pytest.raises(CorpusError, match="no clip number 2"):
        find_clips(source(folder, max_samples=2), [2])
    assert asked == []


@pytest.mark.parametrize("make", [write_common_voice, write_parquet])
def test_speakers_votes_and_names_are_kept_and_the_corpus_can_be_prepared(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / "corpus").mkdir()
    make(tmp_path / "corpus")
    clips = read(tmp_path / "corpus")
    assert [(clip.speaker, clip.sentence, clip.up_votes, clip.down_votes) for clip in clips] == NAMED_ROWS
    assert [clip.name for clip in clips] == ["0.mp3", "1.mp3", "2.mp3"]
    result = prepare(source(tmp_path / "corpus"), AudioSettings(), tmp_path / "out")
    assert result.clips["reason"].value_counts().to_dict() == {"kept": 2, "voted down": 1}
    again = read(tmp_path / "out")  # is a source itself, without speakers and votes
    assert [clip.sentence for clip in again] == list(result.kept["text"])
    assert {(clip.speaker, clip.up_votes, clip.down_votes) for clip in again} == {(speaker_name("one speaker"), 2, 0)}


def test_settings_name_the_columns_and_sentence_goes_before_text(tmp_path: Path) -> None:
    write_table(tmp_path, a=SOUNDS, b=SOUNDS[::-1], text=["x"] * 3, sentence=SENTENCES, who=["p", "q", "p"])
    clips = read(tmp_path, audio_column="b", speaker_column="who")
    assert [(clip.audio, clip.sentence) for clip in clips] == list(zip(SOUNDS[::-1], SENTENCES, strict=True))
    assert [clip.speaker for clip in clips] == list(map(speaker_name, "pqp"))
    assert {clip.sentence for clip in read(tmp_path, audio_column="a", text_column="text")} == {"x"}


@pytest.mark.parametrize(
    ("columns", "changes", "words"),
    [
        (("client_id", "sentence"), {}, "like its audio.*`audio_column`.*client_id, sentence"),
        (("sound", "label"), {}, "like its text.*`text_column`.*sound, label"),
        (("sound", "text", "transcript"), {}, "text and transcript: which.*`text_column`.*text, transcript"),
        (("sound", "voice", "text"), {}, "sound and voice: which.*`audio_column`.*sound, voice"),
        (("sound", "text"), {"text_column": "no"}, "no column 'no'.*`text_column`"),
        (("sound", "text"), {"audio_column": "text2"}, "no column 'text2'.*`audio_column`"),
        (("sound", "text"), {"speaker_column": "who"}, "no column 'who'.*`speaker_column`"),
    ],
)
def test_columns_that_are_not_clear_are_asked_for(
    columns: tuple[str, ...], changes: dict, words: str, tmp_path: Path
) -> None:
    write_table(tmp_path, **{name: SOUNDS if name in ("sound", "voice") else SENTENCES for name in columns})
    with pytest.raises(CorpusError, match=words):
        read(tmp_path, **changes)


def test_parquet_rows_without_sound_or_text_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "in.mp3", SOUNDS[0])
    rows = {
        ("x/in.mp3", "Roj baş."): "kept",
        (None, "Roj baş."): "no audio",
        ("in.mp3", "Roj baş."): "kept",
        ("gone.mp3", "Roj baş."): "no audio",
        ("../in.mp3", "Roj baş."): "path outside the corpus",
        ("t.mp3", None): "no text",
    }
    structs = [{"bytes": SOUNDS[0] if path in ("x/in.mp3", "t.mp3") else None, "path": path} for path, _ in rows]
    structs[1] = None  # type: ignore[call-overload]
    write_table(tmp_path, audio=structs, text=[text for _, text in rows])
    clips = read(tmp_path)
    assert [clip.reason for clip in clips] == list(rows.values())
    assert [clip.name for clip in clips] == ["in.mp3", "row-1", "in.mp3", "gone.mp3", "../in.mp3", "t.mp3"]
    assert clips[2].audio == tmp_path / "in.mp3"


def test_file_names_that_leave_the_corpus_are_counted(tmp_path: Path) -> None:
    names = ["/etc/1.mp3", "../1.mp3", "a/../../1.mp3", "C:\\1.mp3", "C:1.mp3", "a\\1.mp3", "\\\\server\\1.mp3"]
    write_table(tmp_path, file=names, text=["Roj baş."] * len(names))
    assert reasons(tmp_path) == ["path outside the corpus"] * len(names)


def test_several_parquet_files_come_in_the_order_of_their_names_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    for name in ("b", "a", "C", "sub/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_table(tmp_path, audio=SOUNDS[:1], text=[name])
        (tmp_path / "x.parquet").rename(tmp_path / f"{name}.parquet")
    assert [clip.sentence for clip in read(tmp_path)] == ["C", "a", "b", "sub/c"]
    texts = pyarrow.array([b"good", b"\xff\xfe", b"good"]).view(pyarrow.string())
    write_table(tmp_path / "sub", audio=SOUNDS, text=texts)
    for damage in (None, b"PAR1 but not really"):
        if damage:
            write(tmp_path / "sub" / "x.parquet", damage)
        with pytest.raises(CorpusError, match=r"(?s)The table in .*cannot be read.*damaged file again"):
            read(tmp_path)


def test_memory_does_not_grow_with_a_table(tmp_path: Path) -> None:
    write(tmp_path / "validated.tsv", "client_id\tpath\tsentence\n" + "a\tx.mp3\tRoj baş.\n" * 5_000)
    clips = read_corpus(source(tmp_path))
    tracemalloc.start()
    try:
        assert sum(1 for _ in clips) == 5_000
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


def test_damaged_lines_of_a_table_cost_only_themselves(tmp_path: Path) -> None:
    write_common_voice(tmp_path)
    head = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\r\n".encode("utf-8-sig")
    good = b"a\t0.mp3\t%s\t2\t0\t\t\r\n"
    lines = {
        good % b'He said "roj': "kept",
        good % b"ba\xff": "text is not UTF-8",
        b"a\t0.mp3\tfew\n": "damaged line",
        good % b"one\tmore": "damaged line",
        b"\r\n": None,  # an empty line is no row
        good % b"a\rb": "kept",
        good % b"a\0b": "kept",
        good % b" ": "no text",
        b"\t0.mp3\tno speaker\t2\t0\t\t\n": "no speaker",
        b"a\t0.mp3\tvotes\tmany\t0\t\t\n": "votes are not numbers",
        b"a\t0.mp3\tvotes\tinf\t0\t\t\n": "votes are not numbers",
        b"a\t\tno file\t2\t0\t\t\n": "no audio",
        b"a\tgone.mp3\tno file\t2\t0\t\t\n": "no audio",
        b"a\t../gone.mp3\tno file\t2\t0\t\t\n": "path outside the corpus",
        b"a\tgo\0ne.mp3\tno file\t2\t0\t\t\n": "no audio",
        b"a\t" + b"n" * 300 + b".mp3\tlong name\t2\t0\t\t\n": "no audio",
        good % (b"e" * 200_000): "kept",
        good.rstrip() % b"last": "damaged line",
    }
    write(tmp_path / "validated.tsv", head + b"".join(lines))
    clips = read(tmp_path)
    assert [clip.reason for clip in clips] == [reason for reason in lines.values() if reason is not None]
    assert [clip.number for clip in clips] == list(range(len(clips)))
    assert clips[0].sentence == 'He said "roj' and len(clips[15].sentence) == 200_000
    assert (clips[4].sentence, clips[5].sentence) == ("a b", "a b"), "tables that are written stay whole"
    table = corpus_table(source(tmp_path))
    assert list(table["seconds"].isna()) == [clip.reason != "kept" for clip in clips], "only their audio is read"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("validated.tsv", "path\tclient_id\n", r"like its text.*path, client_id"),
        ("validated.tsv", "path|text\n".encode("utf-16"), "Save it as UTF-8"),
        ("metadata.csv", "", r"metadata.csv.*`file\|text`.*expected"),
        ("metadata.csv", "a|b|c\na|b\n", r"metadata.csv.*`file\|text`.*expected"),
        ("metadata.csv", "name,words\na|b\n", r"metadata.csv.*`file\|text`.*expected"),
        *(
            (name, "", rf"validated\.tsv.*metadata\.csv.*Parquet.*a\.txt.*1 × {kind}")
            for name, kind in (("a.parquet/metadata.json", ".json"), ("a.wav", ".wav"), ("a.txt", ".txt"))
        ),
        (".hidden.wav", "", "no files at all"),
    ],
)
def test_a_table_or_folder_of_another_form_says_what_it_lacks(
    tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    write(tmp_path / name, content)
    with pytest.raises(CorpusError, match=words):
        read(tmp_path)


@pytest.mark.parametrize("levels", ["cv-corpus/kmr", "kmr"])
def test_common_voice_is_found_below_the_folder(levels: str, tmp_path: Path) -> None:
    write_common_voice(tmp_path / levels)
    assert [clip.sentence for clip in read(tmp_path)] == SENTENCES
    write(tmp_path / Path(levels).parent / "ckb" / "validated.tsv", "")
    with pytest.raises(CorpusError, match=r"several.*ckb.*kmr"):
        read(tmp_path)


def test_metadata_finds_files_in_wavs_and_without_suffix_and_names_of_columns(tmp_path: Path) -> None:
    places = ("a.wav", "b.wav", "wavs/c.wav", "wavs/d.wav")
    for place in places:
        write(tmp_path / place, b"")
    write(tmp_path / "metadata.csv", "a.wav|A\nb|B\nc.wav|C\nd|D\ne|E\n")
    assert [clip.audio for clip in read(tmp_path)] == [*(tmp_path / place for place in places), b""]
    assert reasons(tmp_path) == ["kept"] * 4 + ["no audio"]
    write(tmp_path / "metadata.csv", 'extra|speaker_id|text|file\n1|s|"Roj|a.wav\n')
    (clip,) = read(tmp_path)
    assert (clip.name, clip.sentence, clip.speaker) == ("a.wav", '"Roj', speaker_name("s"))
    assert read(tmp_path, text_column="extra")[0].sentence == "1"
    lines = ["file_name,text", 'a.wav,"Roj, ""baş"""', 'a.wav,"goes on', 'in the next"', "a.wav,good"]
    write(tmp_path / "metadata.csv", "\r\n".join(lines))
    assert reasons(tmp_path) == ["kept", "damaged line", "damaged line", "kept"]
    assert read(tmp_path)[0].sentence == 'Roj, "baş"'


def test_files_without_a_partner_are_counted_and_hidden_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.wav", "b.wav", "d.m4a", "._a.wav", ".cache/x.wav", "sub/f.ogg", "sub/f.flac", "g.wav", "h.wav"):
        write(tmp_path / name, b"")
    for name in ("a.txt", "c.txt", "d.txt", "sub/f.txt", "h.txt"):
        write(tmp_path / name, "Roj baş.")
    write(tmp_path / "g.txt", b"\xff\xfeR\0")
    read_text = Path.read_text

    def refuse(path: Path, **options: str) -> str:
        if path.name == "h.txt":
            raise PermissionError(13, "Permission denied")
        return read_text(path, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert {clip.name: clip.reason for clip in read(tmp_path)} == {
        "a.wav": "kept",
        "b.wav": "no text",
        "c.txt": "no audio",
        "d.m4a": "kept",
        "g.wav": "text is not UTF-8",
        "h.wav": "cannot be read",
        "sub/f.flac": "kept",
        "sub/f.ogg": "kept",
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "No source"),
        *((name, "no file or folder") for name in ("/no/such/folder", "./corpus", "C:\\x", "a/b/c")),
        ("a" * 5000, "cannot be read|Check the spelling"),
        (__file__, "is a file. Give its folder"),
    ],
)
def test_a_path_that_leads_nowhere_does_not_ask_the_hub(name: str, words: str) -> None:
    with pytest.raises(CorpusError, match=words):
        list(read_corpus(CorpusSettings(source=name)))
