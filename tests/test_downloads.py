"""Data sets of the hub; what the hub refuses is told. Without a network."""

import http.server
import re
import threading
from pathlib import Path

import huggingface_hub
import pyarrow
import pyarrow.parquet
import pytest
from corpora import NAMED_ROWS, SOUNDS, write_parquet

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.sources import corpus_table, find_clips, read_corpus

NAME = "somebody/corpus"


@pytest.fixture
def on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files the hub holds under `NAME`."""
    folder = tmp_path / "hub" / "corpus"
    folder.mkdir(parents=True)

    def download(name: str, *, repo_type: str, allow_patterns: str) -> str:
        assert (name, repo_type, allow_patterns) == (NAME, "dataset", "*train*.parquet")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return folder


def test_the_part_train_is_read_as_a_folder_is(on_the_hub: Path) -> None:
    write_parquet(on_the_hub)
    (on_the_hub / "data").mkdir()
    (on_the_hub / "train.parquet").rename(on_the_hub / "data" / "train-00000-of-00001.parquet")
    (on_the_hub / "data" / "test-00000-of-00001.parquet").write_bytes(b"not asked for")
    settings = CorpusSettings(source=NAME)
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


def test_a_data_set_without_the_part_train_says_how_to_read_another(on_the_hub: Path) -> None:
    write_parquet(on_the_hub)
    (on_the_hub / "train.parquet").rename(on_the_hub / "validation.parquet")
    with pytest.raises(CorpusError, match=f"no Parquet files of a part `train`.*hf download {NAME}.*one part"):
        list(read_corpus(CorpusSettings(source=NAME)))


@pytest.mark.parametrize(("status", "told"), [(401, "gated"), (404, "Repository Not Found"), (403, "403")])
def test_what_a_hub_answers_is_told_with_what_to_do(status: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the library that is installed."""

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
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("huggingface_hub._snapshot_download.HfApi", lambda **_: huggingface_hub.HfApi(address))
        with pytest.raises(CorpusError) as caught:
            list(read_corpus(CorpusSettings(source=NAME)))
        server.shutdown()
    message = str(caught.value).replace("\n", " ")
    assert re.search(f"{NAME} cannot be read: .*{told}.*spelling.*network.*datasets/{NAME}.*HF_HOME", message)
