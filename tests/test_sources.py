"""Every kind of corpus gives the same clips; one that cannot be read as a whole says why."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from corpora import (
    FORMS,
    RATES,
    ROWS,
    SENTENCES,
    SOUNDS,
    as_bytes_column,
    read,
    source,
    write,
    write_common_voice,
    write_parquet,
)

from kurdtts_lib.audio.io import header
from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.data.sources import corpus_table, find_clips, read_corpus


@pytest.fixture
def common_voice(tmp_path: Path) -> Path:
    return write_common_voice(tmp_path)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    return write_parquet(tmp_path)


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


@pytest.mark.parametrize("make", FORMS)
def test_no_form_touches_torchcodec(
    make: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that has it, in a state where it cannot even be imported."""
    (tmp_path / "corpus").mkdir()
    make(tmp_path / "corpus")
    write(tmp_path / "packages" / "torchcodec" / "__init__.py", "raise AssertionError('torchcodec was imported')")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setattr("datasets.config.TORCHCODEC_AVAILABLE", True)
    assert len(corpus_table(source(tmp_path / "corpus"))) == len(find_clips(source(tmp_path / "corpus"), [0, 1, 2]))


@pytest.mark.parametrize("kind", ["common_voice", "parquet"])
def test_speakers_votes_and_names_are_kept(kind: str, request: pytest.FixtureRequest) -> None:
    clips = read(request.getfixturevalue(kind))
    assert [(clip.client_id, clip.sentence, clip.up_votes, clip.down_votes) for clip in clips] == ROWS
    assert [clip.name for clip in clips] == ["0.mp3", "1.mp3", "2.mp3"]


@pytest.mark.parametrize("kind", ["common_voice", "parquet"])
def test_both_layouts_can_be_prepared(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("elsewhere") / "out"
    result = prepare(source(request.getfixturevalue(kind)), AudioSettings(), out)
    assert result.reasons["voted down"] == 1
    assert result.reasons.sum() == 3


def test_without_a_speaker_column_all_is_one_speaker_and_accepted(tmp_path: Path) -> None:
    as_bytes_column(tmp_path)
    assert {(clip.client_id, clip.up_votes, clip.down_votes) for clip in read(tmp_path)} == {("one speaker", 2, 0)}


def test_a_corpus_on_the_disk_needs_no_network(parquet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries may swallow the error, so what they ask for is noted."""
    asked: list[object] = []

    def refuse(*address: object, **_: object) -> None:
        asked.append(address)
        raise OSError("no network")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert len(read(parquet)) == len(ROWS)
    assert asked == []


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
        (("sound", "text", "transcript"), {}, "text and transcript: which.*`text_column`.*text, transcript"),
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
    for name in ("b", "a", "C", "sub/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        table = pyarrow.table({"audio": SOUNDS[:1], "text": [name]})
        pyarrow.parquet.write_table(table, tmp_path / f"{name}.parquet")
    assert [clip.sentence for clip in read(tmp_path)] == ["C", "a", "b", "sub/c"]


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


def peak_megabytes(settings: CorpusSettings, with_audio: bool) -> float:
    """Of Python's own memory, while a corpus is read once."""
    clips = read_corpus(settings, with_audio)
    tracemalloc.start()
    try:
        for _ in clips:
            pass
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_the_sound_of_parquet_is_not_read_for_a_pass_over_texts(tmp_path: Path) -> None:
    sounds = [bytes(10_000_000)] * 3
    pyarrow.parquet.write_table(pyarrow.table({"audio": sounds, "text": SENTENCES}), tmp_path / "x.parquet")
    assert peak_megabytes(source(tmp_path), with_audio=True) > 9
    assert peak_megabytes(source(tmp_path), with_audio=False) < 1


@pytest.mark.parametrize("name", ["validated.tsv", "metadata.jsonl"])
def test_memory_does_not_grow_with_a_table(name: str, tmp_path: Path) -> None:
    head, row = "client_id\tpath\tsentence\n", "a\tx.mp3\tRoj baş.\n"
    if name == "metadata.jsonl":
        head, row = "", '{"file": "x.mp3", "text": "Roj baş."}\n'
    write(tmp_path / name, head + row * 5_000)
    assert len(read(tmp_path)) == 5_000
    assert peak_megabytes(source(tmp_path), with_audio=True) < 1
