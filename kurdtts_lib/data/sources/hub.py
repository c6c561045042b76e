"""Data sets on the hub, and explanations of its errors."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow
from datasets import Dataset, IterableDataset, get_dataset_split_names, load_dataset
from datasets.data_files import EmptyDatasetError
from datasets.exceptions import DataFilesNotFoundError, DatasetNotFoundError, DatasetsError
from huggingface_hub import errors as hub

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.sources.base import Source
from kurdtts_lib.data.sources.parquet import Rows

# What `datasets` and `huggingface_hub` raise: these errors have no common base class.
_HUB_ERRORS = (
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

_DOWNLOAD = "Download it with `hf download {name} --repo-type dataset --local-dir FOLDER` and give the folder instead."
_EXPLANATIONS = {
    "space": "There is no space on the disk for the data set {name}: {error}\nMake room, or move the cache to another "
    "disk (environment variable HF_HOME), or read it over the network each time (setting `streaming`).",
    "gated": "The data set {name} is given only to those who ask for it. Log in at "
    "https://huggingface.co/datasets/{name}, accept its terms, then run `hf auth login` here.",
    "busy": "The hub gets too many requests from here (status 429). Wait some minutes; with `hf auth login` more are "
    "allowed.",
    "script": "The data set {name} comes with a loading script, which the `datasets` library runs no more. Choose one "
    "of Parquet files, or download its sound and texts and give their folder.",
    "offline": "The data set {name} is not in the cache, and the environment variable HF_HUB_OFFLINE switches the "
    "network off. Unset it. Check the spelling and the network.",
    "empty": "The data set {name} holds no data files that can be read. Choose another one.",
    "name": "{name!r} is neither a folder here nor a data set that the hub gives. Check the spelling and the network; "
    "if it is a private data set, run `hf auth login`.",
    "nowhere": "{name!r} is neither a folder here nor the name of a data set. Check the spelling.",
    "refused": "The hub refuses to give {name}: {error}\nRun `hf auth login` with an account that may read it.",
    "hub": "The hub itself has trouble just now: {error}\nTry again in some minutes.",
    "network": "The hub cannot be reached for the data set {name}: {error}\nCheck the network and try again; what was "
    "fetched already is kept.",
    "loose": "The data set {name} is made of loose sound files. " + _DOWNLOAD,
    "parts": "The data set {name} has several parts, and which one is meant is not known: {error}\n" + _DOWNLOAD,
    "other": "The data set {name} cannot be read: {error}\n" + _DOWNLOAD,
}


def open_hub(settings: CorpusSettings, with_audio: bool) -> Source:
    """The data set `settings.source`, from the hub's cache, or streamed with `streaming` or `max_samples`.

    Raises CorpusError with instructions; so does reading its clips, if the network fails later.
    """
    name = settings.source
    with _explained(name):
        data = _load(name, settings.streaming or settings.max_samples is not None)
    return Rows(data, settings, f"The data set {name}", lambda: _explained(name), None, with_audio)


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
            f"The data set {name} has no part `train`, but {', '.join(splits)}. {_DOWNLOAD.format(name=name)} Keep "
            "only the Parquet files of the part you want."
        )
    return load_dataset(name, split=splits[0], streaming=streaming)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except _HUB_ERRORS as error:
        cause, shown = _cause(error), error
        if cause in ("refused", "hub"):  # the hub's own message, not that of the wrapping exception
            shown = next(link for link in _chain(error) if isinstance(link, hub.HfHubHTTPError))
        raise CorpusError(_EXPLANATIONS[cause].format(name=name, error=shown)) from error


def _cause(error: BaseException) -> str:
    """The key in `_EXPLANATIONS`. Hub errors come wrapped in others, so the whole exception chain is examined."""
    chain = list(_chain(error))
    words = "\n".join(str(link) for link in chain)
    statuses = {link.response.status_code for link in chain if isinstance(link, hub.HfHubHTTPError)}

    def raised(*kinds: type[BaseException]) -> bool:
        return any(isinstance(link, kinds) for link in chain)

    full = any(isinstance(link, OSError) and link.errno == errno.ENOSPC for link in chain)
    gated = raised(hub.GatedRepoError, hub.LocalTokenNotFoundError) or "gated dataset" in words
    unknown = raised(DatasetNotFoundError, hub.RepositoryNotFoundError, hub.HFValidationError)
    # HTTP errors without a response. One with a response says little by itself: optional files often give 404.
    unanswered = any(isinstance(link, hub.HTTPError) and not hasattr(link, "response") for link in chain)
    causes = {  # in order: the first that applies
        "space": full or "Not enough disk space" in words or "No space left on device" in words,
        "gated": gated,
        "busy": 429 in statuses,
        "script": "Dataset scripts are no longer supported" in words,
        "offline": raised(hub.OfflineModeIsEnabled) or "OfflineModeIsEnabled" in words,
        "empty": raised(EmptyDatasetError, DataFilesNotFoundError),
        "name": unknown,
        "refused": bool(statuses & {401, 403}),
        "hub": any(status >= 500 for status in statuses),
        "network": unanswered or raised(ConnectionError, TimeoutError, hub.LocalEntryNotFoundError),
        "nowhere": "Couldn't find any data file" in words,
        "loose": "torchcodec" in words,
        "parts": "Config name is missing" in words,
    }
    return next((cause for cause, holds in causes.items() if holds), "other")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
