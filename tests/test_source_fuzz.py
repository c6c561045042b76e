"""Whatever is damaged, a corpus is read or refused in words, and every line of a table is one clip."""

from pathlib import Path

import pytest
from corpora import FORMS, SOUNDS, read, source, write, write_common_voice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kurdtts_lib.core.errors import CorpusError, KurdTTSError
from kurdtts_lib.core.settings import AudioSettings
from kurdtts_lib.data.dataset import Clip
from kurdtts_lib.data.prepare import prepare
from kurdtts_lib.data.sources import corpus_table, find_clips

# Each example writes the same files anew, so one folder serves them all.
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

PIECES = [
    b"0.mp3",
    b"Roj ba\xc5\x9f.",
    b"a" * 64,
    b"2",
    b"0",
    b"\t",
    b"\t",
    b"|",
    b"|",
    b",",
    b'"',
    b"\n",
    b"\n",
    b"\r",
]
PIECES += [b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"../", b"C:\\", b"/", b"x" * 100_000, b"nan", b"1e999"]
PIECES += [b'{"file_name": "0.mp3", "text": "', b'"}\n', b"[", b"{", b"}", b"\\ud800", b"null"]
bodies = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))

COMMON_VOICE = b"client_id\tpath\tsentence\tup_votes\tdown_votes\n"
TABLES = [
    ("validated.tsv", COMMON_VOICE),
    ("metadata.csv", b"0.mp3|Roj ba\xc5\x9f.\n"),
    ("metadata.csv", b"file|text\n"),
    ("metadata.csv", b"speaker,file_name,text\r\n"),
    ("metadata.jsonl", b'{"file_name": "0.mp3", "text": "Roj ba\xc5\x9f."}\n'),
]


def lines(content: bytes) -> int:
    return sum(bool(line.removesuffix(b"\r")) for line in content.split(b"\n"))


def check(clips: list[Clip]) -> None:
    assert [clip.number for clip in clips] == list(range(len(clips)))
    for clip in clips:
        if clip.reason == "kept":
            assert clip.sentence.strip() and clip.client_id
            assert isinstance(clip.audio, bytes) or clip.audio.is_file()
        (clip.name + clip.client_id + clip.sentence + clip.age + clip.gender).encode("utf-8")


@same_folder
@pytest.mark.parametrize(("name", "head"), TABLES)
@given(body=bodies)
def test_every_line_behind_the_head_of_a_table_is_one_clip(name: str, head: bytes, body: bytes, tmp_path: Path) -> None:
    for folder in ("", "clips/"):
        write(tmp_path / f"{folder}0.mp3", SOUNDS[0])
    write(tmp_path / name, head + body)
    clips = read(tmp_path)
    check(clips)
    has_names = not head.startswith((b"0.mp3", b"{"))
    assert len(clips) == lines(head + body) - has_names
    assert find_clips(source(tmp_path), range(len(clips))) == clips


@same_folder
@pytest.mark.parametrize("name", ["validated.tsv", "metadata.csv", "metadata.jsonl"])
@given(content=bodies)
def test_any_table_is_read_or_refused(name: str, content: bytes, tmp_path: Path) -> None:
    write(tmp_path / name, content)
    try:
        clips = read(tmp_path)
    except CorpusError as error:
        assert str(tmp_path) in str(error)
        return
    check(clips)
    assert len(clips) in (lines(content), lines(content) - 1)


@settings(parent=same_folder, max_examples=25)
@given(place=st.integers(0, 2**20), junk=st.binary(min_size=1, max_size=200), kept=st.floats(0, 1))
def test_damaged_parquet_is_read_or_refused(place: int, junk: bytes, kept: float, tmp_path: Path) -> None:
    if not (whole := tmp_path / "whole").exists():
        FORMS[1](tmp_path)
        (tmp_path / "train.parquet").rename(whole)
    content = bytearray(whole.read_bytes())
    place = len(content) - place % 3000 if place % 2 else place % len(content)  # the footer is at the end
    content[place : place + len(junk)] = junk
    write(tmp_path / "train.parquet", bytes(content) if place % 3 else bytes(content[: int(kept * len(content))]))
    try:
        clips = read(tmp_path)
    except CorpusError as error:
        assert str(tmp_path) in str(error)
        return
    assert [clip.number for clip in clips] == list(range(len(clips)))


@settings(parent=same_folder, max_examples=15)
@given(
    sounds=st.lists(st.tuples(st.integers(0, 2**20), st.binary(max_size=300), st.floats(0, 1)), min_size=3, max_size=3),
    body=bodies,
)
def test_damaged_sound_and_tables_are_shown_and_prepared_or_refused(
    sounds: list[tuple[int, bytes, float]], body: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "corpus"
    write_common_voice(folder)
    for number, (place, junk, kept) in enumerate(sounds):
        content = bytearray(SOUNDS[number])
        content[place % len(content) : place % len(content)] = junk
        write(folder / "clips" / f"{number}.mp3", bytes(content[: int(kept * 2 * len(content))]))
    with (folder / "validated.tsv").open("ab") as file:
        file.write(body)
    clips = read(folder)
    assert len(corpus_table(source(folder))) == len(clips) >= 3
    try:
        result = prepare(source(folder), AudioSettings(), tmp_path / "prepared")
    except KurdTTSError as error:
        assert str(error)
        return
    assert result.reasons.sum() == len(clips)
