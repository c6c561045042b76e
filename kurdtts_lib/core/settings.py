"""All settings, each with its reason; those of a training are in `training_settings`.

A profile only sets values; no code branches on its name.
"""

import hashlib
import os
import re
import sys
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.training_settings import LARGEST, FeedbackSettings, TrainingSettings, check_ranges, with_preset

# Not resolve(): on Windows it turns a mapped network drive into a UNC path, which some programs refuse.
REPOSITORY = Path(__file__).absolute().parent.parent.parent
"""The course's own folder; for an installed package `site-packages`, where nothing is written."""
IS_CHECKOUT = (REPOSITORY / "pyproject.toml").is_file() and (REPOSITORY / "notebooks").is_dir()
"""Whether the library is in the course's own folder, with the notebooks and the sample beside it."""


def home() -> Path:
    """Where data, trainings and voices are written: `KURDTTS_HOME`, else the course's folder, else a user folder."""
    if "KURDTTS_HOME" in os.environ:
        return Path(os.environ["KURDTTS_HOME"]).absolute()
    return REPOSITORY if IS_CHECKOUT else _user_folder()


def _user_folder() -> Path:
    """`kurdtts` in the operating system's folder for the application data of a user."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base, "kurdtts")


@dataclass(frozen=True)
class AudioSettings:
    """Spectrogram settings. The values are those of MMS; base voices were trained with exactly these."""

    sampling_rate: int = 16_000
    """Hertz."""
    n_fft: int = 1024
    """Samples: 64 ms at 16 kHz."""
    hop_length: int = 256
    """Samples: 16 ms at 16 kHz. The decoder generates this many samples from each frame."""
    win_length: int = 1024
    n_mels: int = 80
    mel_fmin: float = 0.0
    mel_fmax: float | None = None
    """Hertz; None: half the sampling rate."""


@dataclass(frozen=True)
class CorpusSettings:
    """What is taken from a corpus and what is left out. `None` switches a filter off."""

    source: str = str(REPOSITORY / "data" / "sample")
    """A folder, or the name of a data set on the hub; `data.sources` lists the forms."""
    audio_column: str = ""
    """The column with the audio; empty: the only one that contains audio."""
    text_column: str = ""
    """The column with what was read; empty: `sentence`, `text` or another usual name."""
    speaker_column: str = ""
    """The column that identifies the speaker; empty: `client_id`, `speaker` or another usual name."""
    max_samples: int | None = None
    """Read at most this many clips from the source; None: all."""
    licence: str = ""
    """Licence of the recordings, for the data set's card; empty: the one known for the source."""

    speaker: str = "one"
    """`one`: the speaker with the most usable minutes. `all`: every speaker. Or names of speakers from notebook 2,
    separated by commas."""

    min_up_votes: int | None = 2
    max_down_votes: int | None = 0
    leave_out_uncertain: bool = True
    """Leave out sentences that different people read differently, such as abbreviations and times."""
    one_clip_per_sentence: bool = True
    """Of several readings of one sentence by one speaker keep the best: otherwise its words would count double."""
    min_seconds: float | None = 1.0
    """A training segment is 0.5 s; a shorter clip than one second hardly contains a sentence."""
    max_seconds: float | None = 12.0
    """Memory grows with the longest clip of a batch; 12 s fits an 8 GB card."""
    pace_mads: float | None = 3.0
    """Largest distance of a clip's speaking rate (letters a second) from its speaker's median, in median absolute
    deviations scaled to standard deviations. Beyond it, words are missing in the audio or in the text."""
    silence_db: float | None = -50.0
    """A clip whose loudest 50 ms are below this (dB of full scale) contains no speech."""
    max_clipped_share: float | None = 0.001
    """A clip with a larger share of samples at full scale was recorded too loud."""
    min_level_range_db: float | None = 10.0
    """Speech alternates between loud and quiet; a clip with a smaller range than this is mostly noise."""
    remove_dc: bool = True
    """Remove a constant (DC) offset, which cheap sound cards add."""
    trim_db: float | None = 40.0
    """Edges this many dB below the clip's loudest 50 ms are trimmed as silence."""
    pad_seconds: float = 0.05
    """Silence kept at both edges after trimming."""
    loudness_lufs: float | None = -23.0
    """Every clip is scaled to this loudness (EBU R128), as far as its peak allows: one voice has one loudness."""
    held_out_share: float = 0.1
    """Share of sentences that the voice is never trained on, chosen by a hash of the sentence: one half validates the
    training, the other half tests the finished voice."""

    def __post_init__(self) -> None:
        check_ranges(self, {"max_samples": (1, LARGEST), "held_out_share": (0, 1), "pad_seconds": (0, LARGEST)})
        if self.min_seconds is not None and self.max_seconds is not None and self.min_seconds > self.max_seconds:
            raise ValueError(f"min_seconds={self.min_seconds} is more than max_seconds={self.max_seconds}")


@dataclass(frozen=True)
class Profile:
    """All settings of one run of the course."""

    name: str
    corpus: CorpusSettings
    base_voice: str
    """A folder, or a model's name on the hub."""
    training: TrainingSettings
    audio: AudioSettings = field(default_factory=AudioSettings)
    feedback: FeedbackSettings = field(default_factory=FeedbackSettings)
    data_dir: Path | None = None
    """Another folder with prepared data; None: `data/prepared-<name>` under the home."""
    key: str = ""
    """Which profile this is: `sample`, `full`, or a name derived from a corpus folder. Only `name` may be changed."""

    @property
    def prepared_dir(self) -> Path:
        return self.data_dir or home() / "data" / f"prepared-{self.name}"

    @property
    def training_dir(self) -> Path:
        return home() / "runs" / f"training-{self.name}"


def load_profile(name: str) -> Profile:
    """Return the profile called `name`, or the full profile on the corpus in the folder `name`.

    `sample`: the bundled corpus and the small base voice; minutes on a CPU, no network.
    `full`: Common Voice from the hub and the MMS base voice; hours, an NVIDIA card.
    Raises KurdTTSError if it is neither of these nor a folder.
    """
    if name == "sample":
        return _sample()
    if name == "full" or (name.strip() and Path(name).is_dir()):
        key = "full" if name == "full" else _folder_key(Path(name))
        return Profile(
            name=key,
            key=key,
            corpus=CorpusSettings(source="amedcj/kurmanji-commonvoice" if name == "full" else name),
            base_voice="facebook/mms-tts-kmr-script_latin",
            # Ten validations are 1,000 steps: the score may stall for some hundred steps before it falls again.
            training=with_preset(TrainingSettings(patience=10), "gpu-8gb"),
        )
    raise KurdTTSError(
        f"There is no profile and no folder {name!r}. Choose 'sample' or 'full', in small letters, or the folder of "
        "your recordings."
    )


def _sample() -> Profile:
    if not IS_CHECKOUT:
        raise KurdTTSError(
            "The profile 'sample' needs the course's own folder, which has the sample and its small base voice: "
            "use it there, or choose `--profile full` or a corpus of your own."
        )
    return Profile(
        name="sample",
        key="sample",
        corpus=CorpusSettings(),
        base_voice=str(REPOSITORY / "models" / "tiny-kmr"),
        # The small voice has a tenth of MMS's parameters and tolerates forty times its learning rate. Its reading of
        # letters stays as it is, or its words are less and less understood (benchmarks/README.md); the embeddings
        # learn, because the marks among them are new.
        training=TrainingSettings(
            steps=60,
            batch_size=4,
            learning_rate=8e-4,
            frozen=("text_encoder.encoder", "text_encoder.project"),
            discriminator_warmup=20,
            validate_every=20,
            checkpoint_every=20,
        ),
        feedback=FeedbackSettings(steps=60, learning_rate=8e-4, validate_every=20),
    )


def _folder_key(folder: Path) -> str:
    """A name for the corpus in `folder`, valid on every file system and different for every folder."""
    path = os.path.normpath(folder.absolute())
    plain = unicodedata.normalize("NFKD", Path(path).name).encode("ascii", "ignore").decode("ascii")
    readable = re.sub(r"[^A-Za-z0-9]+", "-", plain)[:40].strip("-") or "corpus"
    return f"{readable}-{hashlib.sha256(os.path.normcase(path).encode('utf-8')).hexdigest()[:8]}"
