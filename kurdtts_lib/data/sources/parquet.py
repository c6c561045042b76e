"""Parquet files as one table: those of a folder, or of a data set on the hub, which are downloaded first."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
import pyarrow.dataset

from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.settings import CorpusSettings
from kurdtts_lib.data.sources.source import FILE_NAMES, Row, Source, find_columns

PART = "*train*.parquet"
ROWS = 64
"""Rows that are in memory at a time, with their sound."""
DAMAGED = "Get the damaged file again."
REFUSED = (
    "Check the spelling and the network (and that the environment variable HF_HUB_OFFLINE is not set), or try again in "
    "some minutes; what was fetched already is kept. If it is given only to those who ask for it, accept its terms at "
    "https://huggingface.co/datasets/{0}, then run `hf auth login`. If the disk is full, make room, or move the "
    "cache (environment variable HF_HOME)."
)
OTHER_FORM = (
    "The data set {0} has no Parquet files of a part `train`. Download it with `hf download {0} --repo-type dataset "
    "--local-dir FOLDER`, keep the files of one part, and give the folder."
)


def open_hub(settings: CorpusSettings) -> Source:
    """The part `train` of the data set `settings.source`, from the hub's cache or downloaded into it.

    Raises CorpusError, with instructions, if the hub refuses or the data set has another form.
    """
    name = settings.source
    where = f"The data set {name}"
    with _explained(where, REFUSED.format(name)):
        folder = Path(huggingface_hub.snapshot_download(name, repo_type="dataset", allow_patterns=PART))
    files = sorted(folder.rglob(PART), key=Path.as_posix)
    if not files:
        raise CorpusError(OTHER_FORM.format(name))
    return open_parquet(files, settings, where, None)


def open_parquet(files: list[Path], settings: CorpusSettings, where: str, folder: Path | None) -> Source:
    """All `files` as one table, in their order. Raises CorpusError, which names it `where`, if they cannot be read.

    folder: the base of paths in the table; None for a data set on the hub, whose paths are unusable.
    """
    with _explained(where, DAMAGED):
        data = pyarrow.dataset.dataset([str(path) for path in files], format="parquet")
    columns = find_columns(data.schema.names, settings, where, [*_audio_columns(data.schema), *FILE_NAMES])
    names = list(dict.fromkeys(columns.values()))

    def rows() -> Iterator[Row]:
        with _explained(where, DAMAGED):
            for batch in data.to_batches(columns=names, batch_size=ROWS, batch_readahead=1, fragment_readahead=1):
                yield from ((row, "") for row in batch.to_pylist())

    def take(numbers: list[int]) -> Iterable[Row]:
        with _explained(where, DAMAGED):
            count = data.count_rows()  # reads each file's footer
            there = [number for number in numbers if number < count]
            return [(row, "") for row in data.take(there, columns=names, batch_size=ROWS).to_pylist()]

    return Source(rows, columns, folder, take=take)


def _audio_columns(schema: "pyarrow.Schema") -> list[list[str]]:
    """The columns that hold audio itself, the surest kind first: {bytes, path}, bytes."""
    kinds = (
        lambda type: pyarrow.types.is_struct(type) and type.get_field_index("bytes") >= 0,
        lambda type: pyarrow.types.is_binary(type) or pyarrow.types.is_large_binary(type),
    )
    return [[field.name for field in schema if kind(field.type)] for kind in kinds]


@contextmanager
def _explained(where: str, advice: str) -> Iterator[None]:
    """Turn an error of the libraries, whatever its class, into CorpusError."""
    try:
        yield
    except Exception as error:
        raise CorpusError(f"{where} cannot be read: {error}\n{advice}") from error
