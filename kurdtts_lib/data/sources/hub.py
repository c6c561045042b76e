"""Data sets of the hub, and what to do when it does not give them."""

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

# What `datasets` and `huggingface_hub` raise: their own errors have no common base.
_HUB_ERRORS = (
    OSError,  # no network, no space, and HfHubHTTPError
    ValueError,  # no such split, not a name
    RuntimeError,  # a loading script
    ImportError,  # loose sound files: only torchcodec would read them
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
    """The data set `settings.source`, kept in the hub's cache or, with `streaming` or `max_samples`, read as it comes.

    Raises CorpusError that says what to do; so does reading on, when the network breaks.
    """
    name = settings.source
    with _explained(name):
        data = _load(name, settings.streaming or settings.max_samples is not None)
    return Rows(data, settings, f"The data set {name}", lambda: _explained(name), None, with_audio)


def _load(name: str, streaming: bool) -> Dataset | IterableDataset:
    """Its split `train`, or the only one it has."""
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
        cause, said = _cause(error), error
        if cause in ("refused", "hub"):  # the hub's own words, not those of what they came wrapped in
            said = next(one for one in _chain(error) if isinstance(one, hub.HfHubHTTPError))
        raise CorpusError(_EXPLANATIONS[cause].format(name=name, error=said)) from error


def _cause(error: BaseException) -> str:
    """The key of its explanation: the hub's errors come wrapped in others, so the whole chain of causes decides."""
    chain = list(_chain(error))
    words = "\n".join(str(one) for one in chain)
    statuses = {one.response.status_code for one in chain if isinstance(one, hub.HfHubHTTPError)}

    def raised(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    full = any(isinstance(one, OSError) and one.errno == errno.ENOSPC for one in chain)
    gated = raised(hub.GatedRepoError, hub.LocalTokenNotFoundError) or "gated dataset" in words
    unknown = raised(DatasetNotFoundError, hub.RepositoryNotFoundError, hub.HFValidationError)
    # An HTTP error without an answer. With one it says little by itself: of a file that may be absent it is usual.
    unanswered = any(isinstance(one, hub.HTTPError) and not hasattr(one, "response") for one in chain)
    causes = {  # the first that holds
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
