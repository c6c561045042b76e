"""A downloaded Common Voice archive is unpacked once; a hostile or damaged one leaves nothing behind."""

import errno
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from corpora import SENTENCES, SOUNDS, read, source, write, write_common_voice

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
def test_an_archive_is_read_as_its_folder(release: Path, tmp_path: Path, prefix: str, suffix: str) -> None:
    archive = pack(release, tmp_path / f"cv{suffix}", prefix)
    clips = read(archive)
    assert [clip.sentence for clip in clips] == SENTENCES
    assert [Path(str(clip.audio)).read_bytes() for clip in clips] == SOUNDS
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
    member("cv-corpus-1/kmr/clips/../../../../a.mp3", size=3),
    member("cv-corpus-1/kmr/clips", tarfile.SYMTYPE, "/tmp"),
    member("cv-corpus-1/kmr/clips/hard.mp3", tarfile.LNKTYPE, "../../../etc/passwd"),
    member("cv-corpus-1/kmr/clips/device.mp3", tarfile.CHRTYPE),
)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda one: one.name)
def test_an_archive_with_a_hostile_member_is_refused(
    hostile: tarfile.TarInfo, release: Path, tmp_path: Path, home: Path
) -> None:
    archive = pack(release, tmp_path / "cv.tar.gz", extra=(hostile,))
    before = set(tmp_path.rglob("*"))
    with pytest.raises(CorpusError, match=r"cv\.tar\.gz cannot be unpacked"):
        read(archive)
    assert left_over(home) == [] and not {
        path for path in set(tmp_path.rglob("*")) - before if home not in path.parents
    } - {home}


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.9999, None])
def test_an_archive_cut_short_or_with_a_wrong_checksum_leaves_nothing(
    release: Path, tmp_path: Path, home: Path, kept: float | None
) -> None:
    archive = pack(release, tmp_path / "cv.tar.gz")
    content = bytearray(archive.read_bytes())
    content[-5] ^= 1
    archive.write_bytes(content if kept is None else content[: int(len(content) * kept)])
    with pytest.raises(CorpusError, match=r"cv\.tar\.gz (cannot be unpacked|holds no)"):
        read(archive)
    assert left_over(home) == []


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
    with pytest.raises(CorpusError, match="several Common Voice releases"):
        read(pack(release, tmp_path / "cv.tar.gz", extra=extra))
    (release / "validated.tsv").rename(release / "train.tsv")
    with pytest.raises(CorpusError, match=r"holds no `validated\.tsv`"):
        read(pack(release, tmp_path / "cv.tar.gz"))
    with pytest.raises(CorpusError, match="cannot be unpacked"):
        read(write(tmp_path / "text.tar.gz", b"no archive"))
    assert left_over(home) == []
