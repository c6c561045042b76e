"""The files of a training set, written together, with its report and its card."""

import csv
import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import pandas

from kurdtts_lib.core.cards import public_name, render
from kurdtts_lib.core.errors import CorpusError, TrainingError
from kurdtts_lib.core.files import read_json, rename, write_json, write_text
from kurdtts_lib.core.settings import AudioSettings, CorpusSettings, Profile
from kurdtts_lib.data import plots
from kurdtts_lib.data.audio_cache import TABLE
from kurdtts_lib.data.dataset import COLUMNS, KEPT, Clip, Parts, read_parts, write_metadata
from kurdtts_lib.data.filtering import reasons_table
from kurdtts_lib.data.sources import licence_of

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
    - `report.html`, `README.md` (the data set's card), `preparation.json` (settings and counts)
    - `local.json`: the source's path on this computer

    New files are written to a temporary folder and then replace the old ones; `preparation.json` comes last, and a
    folder without it counts as unfinished.
    """
    stage = folder / STAGE
    shutil.rmtree(stage, ignore_errors=True)  # left by a killed run
    stage.mkdir()
    named = settings.speaker not in ("one", "all")  # perhaps by the source's ids, which are not published
    shown = dataclasses.replace(settings, speaker=",".join(speakers)) if named else settings
    kept = clips[clips["reason"] == KEPT]
    write_metadata(stage / "metadata.csv", zip(kept["file"], kept["text"], strict=True))
    for part in Parts._fields:
        rows = kept[kept["part"] == part]
        write_metadata(stage / f"{part}.csv", zip(rows["file"], rows["text"], strict=True))
    kept.to_parquet(stage / "metadata.parquet", index=False)
    write_text(stage / "clips.csv", clips.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC))
    for name, text in zip(("report.html", "README.md"), _described(clips, shown, audio), strict=True):
        write_text(stage / name, text)
    source = str(Path(settings.source).absolute()) if Path(settings.source).exists() else settings.source
    write_json(stage / LOCAL, {"source": source})
    corpus = dataclasses.asdict(shown) | {"source": public_name(settings.source)}
    reasons = clips["reason"].value_counts().to_dict()
    record = {"corpus": corpus, "audio": dataclasses.asdict(audio), "speakers": speakers, "reasons": reasons}
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
    values, known = read_json(record)["corpus"] | local, {field.name for field in dataclasses.fields(CorpusSettings)}
    return CorpusSettings(**{name: values[name] for name in values.keys() & known})  # earlier versions had others


def clips_of(profile: Profile) -> Parts:
    """The prepared clips, in the parts that preparation wrote.

    Raises TrainingError if a split is empty: there would be nothing to train on, to choose the step by, or to test on.
    """
    corpus_settings(profile.prepared_dir)  # raises if the preparation did not finish
    parts = read_parts(profile.prepared_dir)
    if not all(parts):
        raise TrainingError(
            f"{profile.prepared_dir} has {len(parts.train)} clips to learn from, {len(parts.validation)} to "
            f"validate and {len(parts.test)} to test; each part needs one at least. Prepare more clips, or with "
            "another held_out_share."
        )
    return parts


def speakers_of(folder: Path, clips: Iterable[Clip]) -> list[str]:
    """Names of those who speak in these clips of prepared data, in the order in which they were chosen.

    A voice of several speakers is evaluated as the first one.
    """
    present = {clip.speaker for clip in clips}
    return [name for name in read_json(folder / RECORD)["speakers"] if name in present]


def is_sample(source: str) -> bool:
    """Whether prepared data comes from the bundled sample, whose recordings are synthetic speech.

    A prepared folder that was shared names its source without the path.
    """
    sample = Path(CorpusSettings().source)
    return source == public_name(str(sample)) or Path(source).resolve() == sample.resolve()


@matplotlib.rc_context(rc=matplotlib.rcParamsDefault)  # not the user's style: same input, same bytes
def _described(clips: pandas.DataFrame, settings: CorpusSettings, audio: AudioSettings) -> tuple[str, str]:
    """The report with pictures, HTML, and the card for the hub, Markdown with front matter."""
    kept, reasons, source = clips[clips["reason"] == KEPT], reasons_table(clips), public_name(settings.source)
    pictures = [
        plots.bars(reasons["clips"], f"What became of {len(clips)} clips", "clips"),
        plots.bars(kept.groupby("speaker")["seconds"].sum().nlargest(20) / 60, "Minutes of each speaker", "minutes"),
        plots.bars(kept["part"].value_counts(), "Parts", "clips"),
        plots.histogram(kept["seconds"], "Length of the clips that stay", "seconds"),
        plots.histogram(kept["letters_per_second"], "Pace of the clips that stay", "letters a second"),
        plots.histogram(kept["source_lufs"], "Loudness of the clips that stay, as they came", "LUFS"),
        plots.histogram(kept["level_range_db"], "From quiet to loud moments in the clips that stay", "dB"),
    ]
    values = {
        "title": f"{source}, prepared",
        "source": source,
        "licence": licence_of(settings),
        "clips": clips,
        "kept": kept,
        "minutes": kept.groupby("part")["seconds"].agg(["size", "sum"]).reindex(Parts._fields, fill_value=0),
        "reasons": reasons.reset_index(),
        "settings": {name: value for name, value in dataclasses.asdict(settings).items() if name != "source"},
        "columns": COLUMNS,
        "rate": audio.sampling_rate,
        "pictures": map(plots.image, pictures),
    }
    return render("data/report.html", **values), render("data/card.md", **values)
