"""Data sets of the `datasets` library: Parquet files in a folder, and data sets on the hub.

The library never decodes the audio here: that needs torchcodec, which often breaks.
"""

import errno
import glob
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pyarrow
from datasets import Audio, Dataset, Features, IterableDataset, get_dataset_split_names, load_dataset
from datasets.exceptions import DatasetNotFoundError, DatasetsError
from huggingface_hub import errors as hub

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.sources.source import FILE_NAMES, Row, Source, find_column, find_columns, has_columns

# What `datasets` and `huggingface_hub` raise: these errors have no common base class.
_ERRORS = (
    OSError,  # no network, no space, and HfHubHTTPError
    ValueError,  # no such split, not a name
    RuntimeError,  # data sets with a loading script
    ImportError,  # plain audio files: only torchcodec would read them
    DatasetsError,
    pyarrow.ArrowException,
    hub.HTTPError,  # time-outs of the HTTP client
    hub.EntryNotFoundError,
    hub.CorruptedCacheException,
    hub.RevisionResolutionError,
    hub.XetDownloadError,
)
_DOWNLOAD = "download it with `hf download {name} --repo-type dataset --local-dir FOLDER` and give the folder instead."
_EXPLANATIONS = {
    "space": "There is no space on the disk for the data set {name}: {error}\nMake room, or move the cache to another "
    "disk (environment variable HF_HOME), or read it over the network each time (setting `streaming`).",
    "network": "The hub cannot be reached for the data set {name}, or has no time: {error}\nCheck the network (and "
    "that the environment variable HF_HUB_OFFLINE is not set), then try again in some minutes; what was fetched "
    "already is kept.",
    "access": "{name!r} is neither a folder here nor a data set that the hub gives: {error}\nCheck the spelling and "
    "the network. If it is given only to those who ask for it, accept its terms at "
    "https://huggingface.co/datasets/{name}, then run `hf auth login` here.",
    "local": "The Parquet files in {name} cannot be read: {error}\nGet the damaged file anew; if the disk is full, "
    "make room: their content is kept once more, in the cache of the `datasets` library.",
    "form": "The data set {name} cannot be read: {error}\nChoose one of Parquet files without a loading script, or "
    + _DOWNLOAD,
}


def open_parquet(folder: Path, files: Iterable[Path], settings: CorpusSettings) -> Source:
    """All `files` of the folder as one table, in their order. Raises CorpusError if they cannot be read."""
    had_bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()  # local files open in a moment
    try:
        with _explained(str(folder), local=True):
            # not `load_dataset`, which contacts the hub first: seconds of waiting without a network
            data = Dataset.from_parquet([glob.escape(str(path)) for path in files])
    finally:
        if had_bars:
            datasets.enable_progress_bars()
    return _open(data, settings, f"The table in {folder}", partial(_explained, str(folder), local=True), folder)


def open_hub(settings: CorpusSettings) -> Source:
    """The data set `settings.source`, from the hub's cache, or streamed with `streaming` or `max_samples`.

    Raises CorpusError with instructions; so does reading its clips, if the network fails later.
    """
    name = settings.source
    with _explained(name):
        data = _load(name, settings.streaming or settings.max_samples is not None)
    return _open(data, settings, f"The data set {name}", partial(_explained, name), None)


def _load(name: str, streaming: bool) -> Dataset | IterableDataset:
    """The split `train`, or the only split. Raises CorpusError if there are several without `train`."""
    try:
        return load_dataset(name, split="train", streaming=streaming)
    except ValueError as error:
        if not str(error).startswith(("Unknown split", "Bad split")):
            raise
    splits = get_dataset_split_names(name)
    if len(splits) != 1:
        raise CorpusError(
            f"The data set {name} has no part `train`, but {', '.join(splits)}. To read one of them "
            f"{_DOWNLOAD.format(name=name)} Keep only the Parquet files of the part you want."
        )
    return load_dataset(name, split=splits[0], streaming=streaming)


def _open(
    data: Dataset | IterableDataset,
    settings: CorpusSettings,
    where: str,
    explained: Callable[[], AbstractContextManager[None]],
    folder: Path | None,
) -> Source:
    """folder: the base of paths in the table; None for a data set on the hub, whose paths are unusable."""
    features = data.features or Features()
    columns = find_columns(list(features), settings, where, _audio_column(features, settings.audio_column, where))
    data = data.select_columns(list(dict.fromkeys(columns.values())))
    if isinstance(features[columns["audio"]], Audio):
        data = data.cast_column(columns["audio"], Audio(decode=False))

    def rows(chosen: Dataset | IterableDataset = data) -> Iterator[Row]:
        with explained():
            yield from ((row, "") for row in chosen)

    def take(numbers: list[int]) -> Iterator[Row]:
        return rows(data.select([number for number in numbers if number < len(data)]))

    return Source(rows, columns, folder, take=take if isinstance(data, Dataset) else None)


def _audio_column(features: Features, wanted: str, where: str) -> str:
    """The column with audio: of the feature `Audio`, else {bytes, path}, else bytes, else the name of a file."""
    kinds = {name: _kind(feature) for name, feature in features.items()}
    if wanted and not kinds.get(wanted):
        raise CorpusError(
            f"{where} has no sound in the column {wanted!r}, which `audio_column` names. {has_columns(features)}"
        )
    if wanted:
        return wanted
    for kind in ("audio", "struct", "bytes"):
        found = [name for name in features if kinds[name] == kind]
        if found:
            return find_column(found, "", [["audio"] if "audio" in found else found], "audio_column", where)
    names = [name for name in features if kinds[name] == "path"]
    return find_column(names, "", FILE_NAMES, "audio_column", where)


def _kind(feature: Any) -> str:
    """How a column can hold audio: `audio`, `struct`, `bytes` or `path`; empty if it cannot."""
    if isinstance(feature, Audio):
        return "audio"
    if isinstance(feature, dict) and "bytes" in feature:
        return "struct"
    kinds = {"binary": "bytes", "large_binary": "bytes", "string": "path", "large_string": "path"}
    return kinds.get(getattr(feature, "dtype", ""), "")


@contextmanager
def _explained(name: str, local: bool = False) -> Iterator[None]:
    """Turn an error of the libraries into CorpusError. name: of the data set, or of the folder if it is `local`."""
    try:
        yield
    except _ERRORS as error:
        causes = f"{error} ({error.__cause__})" if local and error.__cause__ else error
        explanation = _EXPLANATIONS["local" if local else _cause(error)]
        raise CorpusError(explanation.format(name=name, error=causes)) from error


def _cause(error: BaseException) -> str:
    """The key in `_EXPLANATIONS`. Hub errors come wrapped in others, so the whole exception chain is examined."""
    chain = list(_chain(error))
    statuses = {link.response.status_code for link in chain if isinstance(link, hub.HfHubHTTPError)}

    def raised(*kinds: type[BaseException]) -> bool:
        return any(isinstance(link, kinds) for link in chain)

    # HTTP errors without a response. One with a response says little by itself: optional files often give 404.
    unanswered = any(isinstance(link, hub.HTTPError) and not hasattr(link, "response") for link in chain)
    busy = any(status == 429 or status >= 500 for status in statuses)
    full = any(isinstance(link, OSError) and link.errno == errno.ENOSPC for link in chain)
    if full or "Not enough disk space" in str(error):
        return "space"
    if busy or raised(hub.OfflineModeIsEnabled):
        return "network"
    if statuses & {401, 403} or raised(DatasetNotFoundError, hub.RepositoryNotFoundError, hub.HFValidationError):
        return "access"
    if unanswered or raised(ConnectionError, TimeoutError, hub.LocalEntryNotFoundError):
        return "network"
    return "form"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
