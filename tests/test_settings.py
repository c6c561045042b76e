"""Profiles differ in values only; impossible values are refused when they are built."""

import math
import re
from pathlib import Path

import pytest

from kurdtts_lib.core.errors import KurdTTSError
from kurdtts_lib.core.files import read_json
from kurdtts_lib.core.settings import REPOSITORY, CorpusSettings, load_profile
from kurdtts_lib.core.settings import home as home_folder
from kurdtts_lib.core.training_settings import PRESETS, TrainingSettings, with_preset
from kurdtts_lib.vits.state import FREE


@pytest.mark.parametrize("name", ["big", "", " ", "Sample"])
def test_an_unknown_profile_names_the_known_ones(name: str) -> None:
    with pytest.raises(KurdTTSError, match=f"no folder '{name}'. Choose 'sample' or 'full', in small letters"):
        load_profile(name)


def test_profiles_share_the_audio_front_end_of_the_base_voices() -> None:
    mms = read_json(REPOSITORY / "models" / "tiny-kmr" / "config.json")  # the small base voice has the form of MMS's
    for name in ("sample", "full"):
        audio = load_profile(name).audio
        assert (audio.sampling_rate, audio.n_fft // 2 + 1) == (mms["sampling_rate"], mms["spectrogram_bins"])
        assert audio.hop_length == math.prod(mms["upsample_rates"])


def test_a_folder_in_place_of_a_profile_is_the_full_profile_on_that_corpus(tmp_path: Path) -> None:
    profile = load_profile(str(tmp_path))
    assert profile.corpus.source == str(tmp_path)
    assert profile.base_voice == load_profile("full").base_voice and profile.training == load_profile("full").training


def test_each_corpus_folder_has_its_own_data_and_training(home: Path, tmp_path: Path) -> None:
    folders = [tmp_path / parent / name for parent in "ab" for name in ("Dengê min: 1", "كوردى")]
    for folder in folders:
        folder.mkdir(parents=True)
    profiles = [load_profile(str(folder)) for folder in folders]
    for places in ({profile.prepared_dir for profile in profiles}, {profile.training_dir for profile in profiles}):
        assert len(places) == 4 and all(re.fullmatch(r"[A-Za-z0-9-]+", place.name) for place in places)
    assert re.fullmatch(r"prepared-Denge-min-1-[0-9a-f]{8}", profiles[0].prepared_dir.name)
    assert load_profile(f"{folders[0]}/../{folders[0].name}/").prepared_dir == profiles[0].prepared_dir
    full = load_profile("full")
    assert (full.prepared_dir, full.training_dir) == (home / "data" / "prepared-full", home / "runs" / "training-full")


def test_home_is_the_repository_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KURDTTS_HOME")
    assert home_folder() == REPOSITORY


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"batch_size": 0}, {"keep_checkpoints": 0}, {"patience": 0}, {"mixed_precision": "fp8"}]
)
def test_impossible_training_settings_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        TrainingSettings(**change)
    with pytest.raises(ValueError, match="silence_db=nan must be a finite number"):
        CorpusSettings(silence_db=math.nan)


def test_a_preset_changes_nothing_that_is_learnt() -> None:
    full = load_profile("full").training
    assert with_preset(full, "gpu-8gb") == full
    for name in PRESETS:
        changed = {key for key, value in vars(with_preset(full, name)).items() if value != vars(full)[key]}
        assert changed <= {"accumulation", "mixed_precision", "gradient_checkpointing"} <= FREE
    with pytest.raises(ValueError, match="cpu, gpu-8gb"):
        with_preset(full, "tpu")
