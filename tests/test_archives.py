"""A downloaded Common Voice archive is unpacked once; a hostile or damaged one leaves nothing behind."""

import errno
import gzip
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from corpora import SENTENCES, SOUNDS, read, source, write, write_common_voice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kurdtts_lib.core.errors import CorpusError, KurdTTSError
from kurdtts_lib.data.sources import find_clips

RELEASE = "cv-corpus-1/kmr"


def pack(folder: Path, archive: Path, prefix: str = RELEASE, extra: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    """Tar the corpus in `folder` as a release, hostile or other members before it."""
    with tarfile.open(archive, "w:gz") as tar:
        for member in extra:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
        tar.add(folder, prefix)
    return archive


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_common_voice(tmp_path / "release")


def left_over(home: Path) -> list[str]:
    return [path.name for path in (home / "data").glob("*")] if (home / "data").exists() else []


@pytest.mark.parametrize(("prefix", "suffix"), [(RELEASE, ".tar.gz"), ("kmr", ".TGZ"), (".", ".tgz")])
def test_an_archive_is_read_as_its_folder(release: Path, tmp_path: Path, home: Path, prefix: str, suffix: str) -> None:
    write(release / "other.tsv", "client_id\tpath\n")
    archive = pack(release, tmp_path / f"cv{suffix}", prefix)
    clips = read(archive)
    assert [clip.sentence for clip in clips] == SENTENCES
    assert [Path(str(clip.audio)).read_bytes() for clip in clips] == SOUNDS
    folder = home / "data" / "extracted-cv"
    assert sorted(path.name for path in folder.iterdir()) == ["archive.json", "clips", "validated.tsv"]
    assert find_clips(source(archive), [1]) == [clips[1]]


def test_a_second_call_unpacks_nothing(release: Path, tmp_path: Path, home: Path) -> None:
    archive = pack(release, tmp_path / "cv.tar.gz")
    read(archive)
    (mark := home / "data" / "extracted-cv" / "mark").touch()
    os.utime(archive, (1, 1))
    (tmp_path / "elsewhere").mkdir()
    read(Path(shutil.move(archive, tmp_path / "elsewhere")))
    assert mark.exists()
    (release / "validated.tsv").write_text("client_id\tpath\tsentence\na\t0.mp3\tNû\n", encoding="utf-8")
    assert [clip.sentence for clip in read(pack(release, archive))] == ["Nû"]
    assert not mark.exists()
    (home / "data" / "extracted-cv" / "archive.json").unlink()  # a folder of the reader's own
    with pytest.raises(KurdTTSError, match="other files"):
        read(archive)


HOSTILE = (
    member("../clips/a.mp3", size=3),
    member("cv-corpus-1/kmr/clips/../../../../a.mp3", size=3),
    member("cv-corpus-1/kmr/clips/link.mp3", tarfile.SYMTYPE, "/etc/passwd"),
    member("cv-corpus-1/kmr/clips", tarfile.SYMTYPE, "/tmp"),
    member("cv-corpus-1/kmr/clips/hard.mp3", tarfile.LNKTYPE, "../../../etc/passwd"),
    member("cv-corpus-1/kmr/clips/device.mp3", tarfile.CHRTYPE),
    member("cv-corpus-1/kmr/clips/pipe.mp3", tarfile.FIFOTYPE),
    member("../", tarfile.DIRTYPE),
)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda one: one.name)
def test_an_archive_with_a_hostile_member_is_refused(
    hostile: tarfile.TarInfo, release: Path, tmp_path: Path, home: Path
) -> None:
    archive = pack(release, tmp_path / "cv.tar.gz", extra=(hostile,))
    before = set(tmp_path.rglob("*"))
    with pytest.raises(CorpusError, match=r"cv\.tar\.gz is damaged"):
        read(archive)
    assert left_over(home) == [] and not {
        path for path in set(tmp_path.rglob("*")) - before if home not in path.parents
    } - {home}


def test_names_of_members_choose_no_place(release: Path, tmp_path: Path, home: Path) -> None:
    """A link inside the release is no clip, and a clip is written by its last name alone."""
    extra = (member(f"{RELEASE}/clips/link.mp3", tarfile.SYMTYPE, "0.mp3"), member(f"/{RELEASE}/clips/9.mp3", size=3))
    assert [clip.sentence for clip in read(pack(release, tmp_path / "cv.tar.gz", extra=extra))] == SENTENCES
    clips = home / "data" / "extracted-cv" / "clips"
    assert sorted(path.name for path in clips.iterdir()) == ["0.mp3", "1.mp3", "2.mp3", "9.mp3"]


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.9999, None])
def test_an_archive_cut_short_or_with_a_wrong_checksum_leaves_nothing(
    release: Path, tmp_path: Path, home: Path, kept: float | None
) -> None:
    archive = pack(release, tmp_path / "cv.tar.gz")
    content = bytearray(archive.read_bytes())
    content[-5] ^= 1
    archive.write_bytes(content if kept is None else content[: int(len(content) * kept)])
    with pytest.raises(CorpusError, match=r"cv\.tar\.gz (is damaged|holds no)"):
        read(archive)
    assert left_over(home) == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=40)), min_size=1, max_size=4))
def test_a_damaged_tar_is_an_error_or_a_corpus(tmp_path: Path, home: Path, damage: list[tuple[int, bytes]]) -> None:
    """The damage is inside the gzip, so that the checksum holds."""
    archive = tmp_path / "cv.tar.gz"
    if not (tmp_path / "release").exists():
        write_common_voice(tmp_path / "release")
        pack(tmp_path / "release", tmp_path / "whole.tar.gz")
    content = bytearray(gzip.decompress((tmp_path / "whole.tar.gz").read_bytes()))
    for place, junk in damage:
        place %= len(content)
        place -= place % 64 if len(junk) % 2 else 0  # many of them in headers
        content[place : place + len(junk)] = junk
    archive.write_bytes(gzip.compress(bytes(content), 1))
    try:
        clips = read(archive)
    except CorpusError:
        return
    assert [clip.number for clip in clips] == list(range(len(clips)))
    assert all(str(clip.audio).startswith(str(home)) for clip in clips if clip.reason == "kept")


def test_a_full_disk_leaves_nothing(release: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(release, tmp_path / "cv.tar.gz")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extract", full)
    with pytest.raises(CorpusError, match=r"No space left.*KURDTTS_HOME"):
        read(archive)
    assert left_over(home) == []


def test_an_archive_of_something_else_or_of_several_releases_is_an_error(
    release: Path, tmp_path: Path, home: Path
) -> None:
    extra = (member("cv-corpus-1/ckb/validated.tsv", size=1),)
    with pytest.raises(CorpusError, match="several releases"):
        read(pack(release, tmp_path / "cv.tar.gz", extra=extra))
    (release / "validated.tsv").rename(release / "train.tsv")
    with pytest.raises(CorpusError, match=r"holds no `validated\.tsv`"):
        read(pack(release, tmp_path / "cv.tar.gz"))
    with pytest.raises(CorpusError, match="damaged"):
        read(write(tmp_path / "text.tar.gz", b"no archive"))
    assert left_over(home) == []
