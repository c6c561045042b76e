"""Data sets of the `datasets` library: Parquet files in a folder, and data sets on the hub.

The library never decodes the audio here: that needs torchcodec, which often breaks.
"""

import glob
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from datasets import Audio, Dataset, Features, IterableDataset, load_dataset

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.sources.source import FILE_NAMES, Row, Source, find_columns

DAMAGED = (
    "Get the damaged file anew; if the disk is full, make room: the content of Parquet files is kept once more, in the "
    "cache of the `datasets` library."
)
REFUSED = (
    "Check the spelling and the network (and that the environment variable HF_HUB_OFFLINE is not set), or try again in "
    "some minutes; what was fetched already is kept. If it is given only to those who ask for it, accept its terms at "
    "https://huggingface.co/datasets/{0}, then run `hf auth login`. If the disk is full, make room, or move the "
    "cache (environment variable HF_HOME). If it has another form than Parquet, or no part `train`, download it with "
    "`hf download {0} --repo-type dataset --local-dir FOLDER`, keep the files of one part, and give the folder."
)


def open_parquet(folder: Path, files: Iterable[Path], settings: CorpusSettings) -> Source:
    """All `files` of the folder as one table, in their order. Raises CorpusError if they cannot be read."""
    where = f"The table in {folder}"
    with _explained(where, DAMAGED):
        # not `load_dataset`, which contacts the hub first: seconds of waiting without a network
        data = Dataset.from_parquet([glob.escape(str(path)) for path in files])
    return _open(data, settings, where, DAMAGED, folder)


def open_hub(settings: CorpusSettings) -> Source:
    """The data set `settings.source`, from the hub's cache, or streamed with `max_samples`.

    Raises CorpusError, with instructions, if the hub refuses or the data set has no split `train`; so does reading its
    clips, if the network fails later.
    """
    where, advice = f"The data set {settings.source}", REFUSED.format(settings.source)
    with _explained(where, advice):
        data = load_dataset(settings.source, split="train", streaming=settings.max_samples is not None)
    return _open(data, settings, where, advice, None)


def _open(
    data: Dataset | IterableDataset, settings: CorpusSettings, where: str, advice: str, folder: Path | None
) -> Source:
    """folder: the base of paths in the table; None for a data set on the hub, whose paths are unusable."""
    features = data.features or Features()
    columns = find_columns(list(features), settings, where, [*_audio_columns(features), *FILE_NAMES])
    data = data.select_columns(list(dict.fromkeys(columns.values())))
    if isinstance(features[columns["audio"]], Audio):
        data = data.cast_column(columns["audio"], Audio(decode=False))

    def rows(chosen: Dataset | IterableDataset = data) -> Iterator[Row]:
        with _explained(where, advice):
            yield from ((row, "") for row in chosen)

    def take(numbers: list[int]) -> Iterator[Row]:
        return rows(data.select([number for number in numbers if number < len(data)]))

    return Source(rows, columns, folder, take=take if isinstance(data, Dataset) else None)


def _audio_columns(features: Features) -> list[list[str]]:
    """The columns that hold audio itself, the surest kind first: the feature `Audio`, {bytes, path}, bytes."""
    kinds = (
        lambda feature: isinstance(feature, Audio),
        lambda feature: isinstance(feature, dict) and "bytes" in feature,
        lambda feature: getattr(feature, "dtype", "") in ("binary", "large_binary"),
    )
    return [[name for name, feature in features.items() if kind(feature)] for kind in kinds]


@contextmanager
def _explained(where: str, advice: str) -> Iterator[None]:
    """Turn an error of the libraries, whatever its class, into CorpusError with its first cause."""
    try:
        yield
    except Exception as error:
        cause: BaseException = error
        while following := cause.__cause__ or cause.__context__:
            cause = following
        reason = f"{error} ({cause})" if cause is not error else str(error)
        raise CorpusError(f"{where} cannot be read: {reason}\n{advice}") from error
