"""A data set of the hub is read as any other corpus, and what the hub refuses is explained. No network is needed."""

import errno
import http.server
import re
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from corpora import ROWS, SENTENCES, SOUNDS, write_parquet
from datasets.data_files import EmptyDatasetError
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
from huggingface_hub import errors as hub_errors

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
    monkeypatch.setattr(hub, "get_dataset_split_names", lambda _: datasets.get_dataset_split_names(str(folder)))
    return folder


@pytest.mark.parametrize("changes", [{}, {"streaming": True}, {"max_samples": 9}])
def test_cached_and_streamed_give_the_same_clips(on_the_hub: Path, changes: dict) -> None:
    write_parquet(on_the_hub)
    settings = CorpusSettings(source=NAME, **changes)
    clips = list(read_corpus(settings))
    assert [(clip.client_id, clip.sentence, clip.up_votes, clip.down_votes) for clip in clips] == ROWS
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


@pytest.mark.parametrize("streaming", [False, True])
def test_without_train_the_only_part_is_taken(on_the_hub: Path, streaming: bool) -> None:
    write_parquet(on_the_hub)
    (on_the_hub / "train.parquet").rename(on_the_hub / "test.parquet")
    settings = CorpusSettings(source=NAME, streaming=streaming)
    assert [clip.sentence for clip in read_corpus(settings)] == SENTENCES
    write_parquet(on_the_hub)
    (on_the_hub / "train.parquet").rename(on_the_hub / "validation.parquet")
    with pytest.raises(CorpusError, match=r"no part `train`, but .*test.*hf download"):
        list(read_corpus(settings))


@pytest.mark.parametrize("streaming", [False, True])
def test_columns_of_a_data_set_are_asked_for_by_its_name(on_the_hub: Path, streaming: bool) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"audio": SOUNDS, "words": SENTENCES}), on_the_hub / "train.parquet")
    with pytest.raises(CorpusError, match=rf"{NAME} has no column .* text.*audio, words.*`text_column`"):
        list(read_corpus(CorpusSettings(source=NAME, streaming=streaming)))
    settings = CorpusSettings(source=NAME, streaming=streaming, text_column="words")
    assert [clip.sentence for clip in read_corpus(settings)] == SENTENCES


def test_loose_sound_files_never_need_torchcodec(on_the_hub: Path) -> None:
    for number, sound in enumerate(SOUNDS):
        (on_the_hub / f"{number}.mp3").write_bytes(sound)
    with pytest.raises(CorpusError, match=f"cannot be read.*\n.*hf download {NAME}"):
        list(read_corpus(CorpusSettings(source=NAME)))
    assert "torchcodec" not in sys.modules


def test_a_network_that_breaks_on_the_way_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows() -> Iterator[dict]:
        yield {"audio": SOUNDS[0], "text": "Roj baş."}
        raise ConnectionError("Server Disconnected")

    features = datasets.Features({"audio": datasets.Value("binary"), "text": datasets.Value("string")})
    stream = datasets.IterableDataset.from_generator(rows, features=features)
    monkeypatch.setattr(hub, "load_dataset", lambda *_, **__: stream)
    clips = read_corpus(CorpusSettings(source=NAME, streaming=True))
    assert next(clips).sentence == "Roj baş."
    with pytest.raises(CorpusError, match=r"cannot be reached.*Server Disconnected"):
        next(clips)


def answer(status: int) -> hub_errors.HfHubHTTPError:
    # the hub's HTTP client comes under changing names, and its own error classes lead to it
    request = sys.modules[hub_errors.Response.__module__.split(".")[0]].Request("GET", "https://huggingface.co")
    return hub_errors.HfHubHTTPError(f"status {status}", response=hub_errors.Response(status, request=request))


def after(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


ERRORS: list[tuple[Callable[[], Exception], str]] = [
    (partial(ConnectionError, "Couldn't reach 'x' on the Hub"), "cannot be reached.*Check the network"),
    (partial(hub_errors.HTTPError, "timed out"), "cannot be reached"),
    (partial(hub_errors.LocalEntryNotFoundError, "not in the cache"), "cannot be reached"),
    (partial(hub_errors.OfflineModeIsEnabled, "offline mode is enabled"), "HF_HUB_OFFLINE"),
    (partial(DatasetNotFoundError, "Dataset 'x' is a gated dataset on the Hub."), "accept its terms.*hf auth login"),
    (partial(hub_errors.HFValidationError, "Repo id must be"), "Check the spelling"),
    (partial(EmptyDatasetError, "doesn't contain any data files"), "cannot be read: doesn't contain any"),
    (partial(RuntimeError, "Dataset scripts are no longer supported, but found x.py"), "scripts are.*hf download"),
    (partial(OSError, "Not enough disk space. Needed: 9 GB"), "no space on the disk.*HF_HOME.*streaming"),
    (
        lambda: after(DatasetGenerationError("An error occurred"), OSError(errno.ENOSPC, "No space left on device")),
        "no space on the disk",
    ),
    (lambda: after(FileNotFoundError("Couldn't find any data file at x"), answer(429)), "has no time.*try again"),
    (lambda: after(FileNotFoundError("Couldn't find any data file at x"), answer(500)), "has no time.*try again"),
    (lambda: after(FileNotFoundError("Couldn't find any data file at x"), answer(403)), "hf auth login"),
    # datasets looks for a loading script first: that there is none comes before whatever fails then
    (lambda: after(ConnectionError("reset"), answer(404)), "cannot be reached.*reset"),
    (lambda: after(DatasetGenerationError("An error occurred"), answer(404)), "cannot be read: An error.*hf download"),
    (partial(ImportError, "To support encoding audio data, please install 'torchcodec'."), "cannot.*hf download"),
    (partial(hub_errors.XetDownloadError, "broken"), "cannot be read: broken"),
]


@pytest.mark.parametrize(("make", "words"), ERRORS)
def test_every_error_of_the_hub_says_what_to_do(
    make: Callable[[], Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise make()

    monkeypatch.setattr(hub, "load_dataset", load)
    with pytest.raises(CorpusError) as caught:
        list(read_corpus(CorpusSettings(source=NAME)))
    message = str(caught.value).replace("\n", " ")
    assert NAME in message
    assert re.search(words, message)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "GatedRepo", "accept its terms"),
        (404, "RepoNotFound", "Check the spelling"),
        (403, "", "accept its terms"),
    ],
)
def test_answers_of_a_hub_are_told_apart_by_the_libraries_that_are_installed(
    status: int, code: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr("datasets.config.HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(CorpusError, match=words):
            list(read_corpus(CorpusSettings(source=NAME)))
        server.shutdown()
