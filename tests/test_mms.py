"""MMS's discriminators are fetched once, kept converted, and missed with a reason."""

import dataclasses
import json
import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import mms_process
import original_vits as original
import pytest
import torch
from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError
from safetensors.torch import load_file
from test_distributed import LAUNCH
from tiny import TINY_DISCRIMINATOR

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.settings import load_profile
from kurdtts_lib.vits import conversion, mms
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.mms import mms_code, mms_discriminator
from kurdtts_lib.vits.voice import Voice
from kurdtts_lib.voices import finetune

KURMANJI = "facebook/mms-tts-kmr-script_latin"
SHAPES = original.discriminator_shapes(
    TINY_DISCRIMINATOR.scale_channels, TINY_DISCRIMINATOR.scale_groups, TINY_DISCRIMINATOR.period_channels
)


@pytest.fixture(autouse=True)
def tiny_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published discriminator has 46.7 M weights; here it has the tests' own sizes."""
    monkeypatch.setattr(conversion, "PUBLISHED_DISCRIMINATOR", TINY_DISCRIMINATOR)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A hub that publishes `hub.weights` under every name, or raises `hub.error`; `hub.asked` is what was asked for."""
    state = SimpleNamespace(weights=original.make_discriminator_weights(SHAPES), error=None, asked=[])

    def download(repository: str, name: str, *, local_dir: Path) -> str:
        state.asked.append((repository, name))
        if state.error:
            raise state.error
        path = Path(local_dir) / name
        path.parent.mkdir(parents=True)
        moments = {i: {"exp_avg": value, "exp_avg_sq": value} for i, value in enumerate(state.weights.values())}
        torch.save({"model": state.weights, "iteration": 1, "optimizer": moments, "learning_rate": 2e-4}, path)
        return str(path)

    monkeypatch.setattr(mms, "hf_hub_download", download)
    yield state


@pytest.fixture
def cache(home: Path) -> Path:
    return home / "models" / "cache"


@torch.no_grad()
def test_the_discriminator_is_fetched_once_and_kept_without_the_optimizer(hub, cache):
    first = mms_discriminator(KURMANJI)
    assert hub.asked == [("facebook/mms-tts", "full_models/kmr-script_latin/D_100000.pth")]
    (kept,) = cache.iterdir()  # the download is gone
    assert kept.name == "mms-discriminator-kmr-script_latin.safetensors"
    assert sum(value.numel() for value in load_file(kept).values()) == sum(v.numel() for v in hub.weights.values())

    second = mms_discriminator(KURMANJI)
    assert len(hub.asked) == 1
    waveform = torch.randn(1, 1, 2310)
    expected = original.discriminator_scores(hub.weights, waveform, TINY_DISCRIMINATOR.scale_groups)
    for discriminator in (first, second):
        for found, values in zip(discriminator(waveform)[0], expected, strict=True):
            torch.testing.assert_close(found.flatten(), values.flatten(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "error", [LocalEntryNotFoundError("no network\nmuch more"), HTTPError("no network"), OSError("no network")]
)
def test_without_a_network_the_reason_is_given_in_one_line(hub, cache, error):
    hub.error = error
    with pytest.raises(VoiceError, match=r"kmr-script_latin cannot be downloaded: no network$"):
        mms_discriminator(KURMANJI)
    assert list(cache.iterdir()) == []
    hub.error = None
    assert isinstance(mms_discriminator(KURMANJI), VitsDiscriminator)


def test_a_language_with_a_generator_in_its_discriminators_file_is_refused_and_nothing_is_kept(hub, cache):
    hub.weights = original.make_weights(stochastic=True)
    with pytest.raises(VoiceError, match=r"holds a generator's weights.*published with the wrong content"):
        mms_discriminator("facebook/mms-tts-xyz")
    assert list(cache.iterdir()) == []


def test_an_interruption_while_writing_leaves_no_half_file(hub, cache, monkeypatch):
    def write_half(weights: dict, path: Path, metadata: dict) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(mms, "save_file", write_half)
        with pytest.raises(OSError, match="disk full"):
            mms_discriminator(KURMANJI)
    assert list(cache.iterdir()) == []
    assert isinstance(mms_discriminator(KURMANJI), VitsDiscriminator)


def test_a_damaged_file_of_ours_is_named(hub, cache):
    mms_discriminator(KURMANJI)
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:500])
    with pytest.raises(VoiceError, match=r"mms-discriminator-kmr-script_latin\.safetensors is damaged.*Delete it"):
        mms_discriminator(KURMANJI)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (KURMANJI, "kmr-script_latin"),
        ("facebook/mms-tts-eng", "eng"),
        ("facebook/mms-tts", None),
        ("somebody/mms-tts-eng", None),
        ("facebook/mms-tts-eng/../../secret", None),
        ("models/tiny-kmr", None),
    ],
)
def test_the_language_code_is_read_from_the_voices_name(name, code):
    assert mms_code(name) == code


def test_a_voice_that_is_not_mmss_has_no_published_discriminator(hub):
    with pytest.raises(VoiceError, match="none of MMS's voices"):
        mms_discriminator("somebody/voice")
    assert hub.asked == []


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch, make_voice: Callable[..., Voice]) -> Callable[[str, bool], Voice]:
    """What `prepare_training` gives to the trainer for a base voice of this name."""

    def prepare(name: str, with_discriminator: bool) -> Voice:
        base = make_voice()
        if not with_discriminator:
            base.discriminator = None
        monkeypatch.setattr(finetune, "load_voice", lambda source: base)
        monkeypatch.setattr(finetune, "clips_of", lambda profile: SimpleNamespace(train=[], validation=[]))
        monkeypatch.setattr(finetune, "Trainer", lambda voice, *rest: voice)
        return finetune.prepare_training(dataclasses.replace(load_profile("sample"), base_voice=name))

    return prepare


def test_a_training_of_an_mms_voice_begins_with_its_discriminator(hub, prepared):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        discriminator = prepared(KURMANJI, False).discriminator
    found, expected = discriminator.discriminators[0].convs[0].bias, hub.weights["discriminators.0.convs.0.bias"]
    torch.testing.assert_close(found.detach(), expected, atol=0, rtol=0)


def test_without_it_a_training_begins_with_a_warning_that_says_why(hub, prepared):
    hub.error = LocalEntryNotFoundError("no network")
    with pytest.warns(UserWarning, match="without MMS's discriminator.*no network"):
        assert prepared(KURMANJI, False).discriminator is None


@pytest.mark.parametrize(("name", "with_discriminator"), [("somebody/voice", False), (KURMANJI, True)])
def test_nothing_is_fetched_for_other_voices_and_for_one_that_has_its_own(hub, prepared, name, with_discriminator):
    assert (prepared(name, with_discriminator).discriminator is not None) == with_discriminator
    assert hub.asked == []


def test_of_several_processes_one_fetches_and_all_have_it_or_none(tmp_path):
    script = str(Path(mms_process.__file__))
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*LAUNCH, script, str(tmp_path)], env=environment, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-3000:]
    main, other = (json.loads((tmp_path / f"{number}.json").read_text(encoding="utf-8")) for number in (0, 1))
    assert (main["asked"], other["asked"]) == (["there", "offline", "unreadable"], [])
    assert main["found"] == other["found"]
    assert isinstance(main["found"]["there"][0], float)
    for code, reason in (("offline", "no network"), ("unreadable", "is damaged")):
        discriminator, warning = main["found"][code]
        assert discriminator is None and reason in warning


def test_an_unfinished_download_is_left_for_the_next_try(hub, cache):
    """The hub's library goes on with what lies there; half a gigabyte should not be fetched twice."""
    part = cache / "download-kmr-script_latin" / ".cache" / "part.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    hub.error = OSError("connection lost")
    with pytest.raises(VoiceError, match="connection lost"):
        mms_discriminator(KURMANJI)
    assert part.read_bytes() == b"half"
