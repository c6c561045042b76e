"""Data sets of the hub, cached or streamed; what the hub refuses is told. Without a network."""

import errno
import http.server
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from corpora import NAMED_ROWS, SOUNDS, write_parquet
from datasets.exceptions import DatasetGenerationError

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.sources import corpus_table, find_clips, hub, read_corpus

NAME = "somebody/corpus"


@pytest.fixture
def on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files the hub holds under `NAME`; the `datasets` library itself reads them."""
    folder = tmp_path / "hub" / "corpus"
    folder.mkdir(parents=True)

    def load(name: str, **options: object) -> object:
        assert name == NAME
        return datasets.load_dataset(str(folder), **options)  # type: ignore[call-overload]

    monkeypatch.setattr(hub, "load_dataset", load)
    return folder


@pytest.mark.parametrize("changes", [{}, {"max_samples": 9}])
def test_cached_and_streamed_give_the_same_clips(on_the_hub: Path, changes: dict) -> None:
    write_parquet(on_the_hub)
    settings = CorpusSettings(source=NAME, **changes)
    clips = list(read_corpus(settings))
    assert [(clip.speaker, clip.sentence, clip.up_votes, clip.down_votes) for clip in clips] == NAMED_ROWS
    assert [(clip.number, clip.name, clip.audio) for clip in clips] == [
        (number, f"{number}.mp3", sound) for number, sound in enumerate(SOUNDS)
    ]
    assert find_clips(settings, [2, 0]) == [clips[2], clips[0]]
    assert corpus_table(settings)["seconds"].between(1.4, 1.7).all()


def test_paths_of_a_data_set_lead_to_no_file_of_this_machine(on_the_hub: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.mp3").write_bytes(SOUNDS[0])
    structs = [{"bytes": SOUNDS[0], "path": "a.mp3"}, {"bytes": None, "path": str(tmp_path / "secret.mp3")}]
    pyarrow.parquet.write_table(pyarrow.table({"audio": structs, "text": ["a", "b"]}), on_the_hub / "train.parquet")
    clips = list(read_corpus(CorpusSettings(source=NAME)))
    assert [(clip.reason, clip.audio) for clip in clips] == [("kept", SOUNDS[0]), ("no audio", b"")]


def test_a_data_set_without_the_part_train_says_which_it_has(on_the_hub: Path) -> None:
    write_parquet(on_the_hub)
    (on_the_hub / "train.parquet").rename(on_the_hub / "validation.parquet")
    with pytest.raises(CorpusError, match=r"(?s)train.*validation.*keep the files of one part"):
        list(read_corpus(CorpusSettings(source=NAME)))


def test_loose_sound_files_never_need_torchcodec(on_the_hub: Path) -> None:
    for number, sound in enumerate(SOUNDS):
        (on_the_hub / f"{number}.mp3").write_bytes(sound)
    with pytest.raises(CorpusError, match=f"{NAME} cannot be read.*\n.*hf download {NAME}"):
        list(read_corpus(CorpusSettings(source=NAME)))
    assert "torchcodec" not in sys.modules


def test_a_network_that_breaks_on_the_way_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows() -> Iterator[dict]:
        yield {"audio": SOUNDS[0], "text": "Roj baş."}
        raise ConnectionError("Server Disconnected")

    features = datasets.Features({"audio": datasets.Value("binary"), "text": datasets.Value("string")})
    stream = datasets.IterableDataset.from_generator(rows, features=features)
    monkeypatch.setattr(hub, "load_dataset", lambda *_, **__: stream)
    clips = read_corpus(CorpusSettings(source=NAME, max_samples=9))
    assert next(clips).sentence == "Roj baş."
    with pytest.raises(CorpusError, match=r"cannot be read.*Server Disconnected"):
        next(clips)


@pytest.mark.parametrize(("status", "told"), [(401, "gated"), (404, "doesn't exist"), (403, "403")])
def test_what_a_hub_answers_is_told_with_what_to_do(status: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the libraries that are installed, in whatever error they wrap the answer."""

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", {401: "GatedRepo", 404: "RepoNotFound"}.get(status, ""))
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr("datasets.config.HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(CorpusError) as caught:
            list(read_corpus(CorpusSettings(source=NAME)))
        server.shutdown()
    message = str(caught.value).replace("\n", " ")
    assert re.search(
        f"{NAME} cannot be read: .*{told}.*spelling.*network.*datasets/{NAME}.*HF_HOME.*hf download", message
    )


def test_a_full_disk_is_told_however_it_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    error = DatasetGenerationError("An error occurred")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(hub, "load_dataset", Mock(side_effect=error))
    with pytest.raises(CorpusError, match=r"An error occurred .*No space left on device"):
        list(read_corpus(CorpusSettings(source=NAME)))
