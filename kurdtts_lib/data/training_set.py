"""The files of a training set, written together."""

import csv
import dataclasses
import shutil
from pathlib import Path

import pandas

from kurdtts_lib.core.cards import public_name
from kurdtts_lib.core.errors import CorpusError
from kurdtts_lib.core.files import read_json, rename, write_json, write_text
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings, describe
from kurdtts_lib.data.audio_cache import TABLE
from kurdtts_lib.data.dataset import KEPT, Parts, write_metadata
from kurdtts_lib.data.report import card, report

RECORD = "preparation.json"
LOCAL = "local.json"
"""Path of the source on this computer, private; everything else in the folder may be shared."""
STAGE = ".new"


def write_training_set(
    folder: Path, clips: pandas.DataFrame, speakers: list[str], settings: CorpusSettings, audio: AudioSettings
) -> None:
    """Write everything but the WAV files, which are there already. clips: from `table_of`.

    - `metadata.csv`, and the same split into `train.csv`, `validation.csv`, `test.csv`: `file|text`
    - `metadata.parquet`: the kept clips with every column of `COLUMNS`
    - `clips.csv`: every clip of the source, with its reason
    - `speakers.csv`: the voice's speakers
    - `report.html`, `README.md` (the data set's card), `preparation.json` (settings and counts)
    - `local.json`: the source's path on this computer

    New files are written to a temporary folder and then replace the old ones; `preparation.json` comes last, and a
    folder without it counts as unfinished.
    """
    stage = folder / STAGE
    shutil.rmtree(stage, ignore_errors=True)  # left by a killed run
    stage.mkdir()
    named = settings.speaker not in ("one", "group", "all")  # perhaps by the source's ids, which are not published
    shown = dataclasses.replace(settings, speaker=",".join(speakers)) if named else settings
    kept = clips[clips["reason"] == KEPT]
    write_metadata(stage / "metadata.csv", zip(kept["file"], kept["text"], strict=True))
    for part in Parts._fields:
        rows = kept[kept["part"] == part]
        write_metadata(stage / f"{part}.csv", zip(rows["file"], rows["text"], strict=True))
    kept.to_parquet(stage / "metadata.parquet", index=False)
    write_text(stage / "clips.csv", clips.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC))
    write_text(stage / "speakers.csv", _speakers(kept, speakers).to_csv(lineterminator="\n"))
    write_text(stage / "report.html", report(clips, shown, audio))
    write_text(stage / "README.md", card(clips, shown, audio))
    source = str(Path(settings.source).absolute()) if Path(settings.source).exists() else settings.source
    write_json(stage / LOCAL, {"source": source})
    corpus, reasons = describe(shown) | {"source": public_name(settings.source)}, clips["reason"].value_counts()
    record = {"corpus": corpus, "audio": describe(audio), "speakers": speakers, "reasons": reasons.to_dict()}
    write_json(stage / RECORD, record)
    _publish(stage, folder)


def _publish(stage: Path, folder: Path) -> None:
    """Replace the old files by the new ones. Raises KurdTTSError if another program has one open (Windows)."""
    files = sorted(stage.iterdir(), key=lambda path: path.name == RECORD)
    for target in (folder / path.name for path in files):
        if target.is_file():
            rename(target, target)  # changes nothing, but fails now rather than half-way if the file is open
    (folder / RECORD).unlink(missing_ok=True)
    for path in files:
        rename(path, folder / path.name)
    stage.rmdir()


def _speakers(kept: pandas.DataFrame, speakers: list[str]) -> pandas.DataFrame:
    groups = kept.groupby("speaker")
    table = pandas.DataFrame({"clips": groups.size(), "minutes": (groups["seconds"].sum() / 60).round(3)})
    return table.reindex(speakers, fill_value=0)


def corpus_settings(folder: Path) -> CorpusSettings:
    """The settings of a prepared folder. Raises CorpusError if `folder` is not prepared, or is unfinished."""
    record = folder / RECORD
    if not record.is_file():
        if (folder / TABLE).is_file():
            raise CorpusError(
                f"The preparation of {folder} did not finish. Run notebook 3 or `kurdtts prepare` again: it goes on "
                "where it stopped."
            )
        raise CorpusError(f"{record} does not exist. Prepare the data first: notebook 3, or `kurdtts prepare`.")
    local = read_json(folder / LOCAL) if (folder / LOCAL).is_file() else {}
    try:
        return CorpusSettings(**read_json(record)["corpus"] | local)
    except TypeError as error:  # a setting unknown to this version
        raise CorpusError(f"{record} was written by another version of the course. Prepare the data again.") from error


def is_sample(source: str) -> bool:
    """Whether prepared data comes from the bundled sample, whose recordings are synthetic speech.

    A prepared folder that was shared names its source without the path.
    """
    sample = Path(CorpusSettings().source)
    return source == public_name(str(sample)) or Path(source).resolve() == sample.resolve()
