"""MMS's discriminators are fetched once, kept converted, and missed with a reason."""

import dataclasses
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mms_process
import original_vits as original
import pytest
import torch
from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError
from safetensors.torch import load_file
from tiny import TINY_DISCRIMINATOR
from two_processes import launch

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.settings import load_profile
from kurdtts_lib.vits import conversion, mms
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.mms import mms_code, mms_discriminator
from kurdtts_lib.voices import finetune

KURMANJI = "facebook/mms-tts-kmr-script_latin"
SIZES = tuple(dataclasses.asdict(TINY_DISCRIMINATOR).values())


@pytest.fixture(autouse=True)
def tiny_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published discriminator has 46.7 M weights; here it has the tests' own sizes."""
    monkeypatch.setattr(conversion, "PUBLISHED_DISCRIMINATOR", TINY_DISCRIMINATOR)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A hub that publishes `hub.weights` under every name, or raises `hub.error`; `hub.asked` is what was asked for."""
    state = SimpleNamespace(weights=original.make_discriminator_weights(*SIZES), error=None, asked=[])

    def download(repository: str, name: str, *, local_dir: Path) -> str:
        state.asked.append((repository, name))
        if state.error:
            raise state.error
        path = Path(local_dir) / name
        path.parent.mkdir(parents=True)
        moments = {i: {"exp_avg": value} for i, value in enumerate(state.weights.values())}
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
    waveform = torch.randn(1, 1, 1003)
    expected = original.discriminator_features(hub.weights, waveform, TINY_DISCRIMINATOR.scale_groups)
    for discriminator in (first, second):
        for found, values in zip(discriminator(waveform)[1], expected, strict=True):
            torch.testing.assert_close(found.flatten(), values.flatten(), atol=1e-5, rtol=1e-5)

    kept.write_bytes(kept.read_bytes()[:500])
    with pytest.raises(VoiceError, match=r"mms-discriminator-kmr-script_latin\.safetensors is damaged.*Delete it"):
        mms_discriminator(KURMANJI)


@pytest.mark.parametrize(
    "error", [LocalEntryNotFoundError("no network\nmuch more"), HTTPError("no network"), OSError("no network")]
)
def test_without_a_network_the_reason_is_given_in_one_line(hub, cache, error):
    hub.error = error
    with pytest.raises(VoiceError, match=r"kmr-script_latin cannot be downloaded: no network$"):
        mms_discriminator(KURMANJI)
    assert list(cache.iterdir()) == []
    # What the hub's library has begun is left to it: half a gigabyte should not be fetched twice.
    part = cache / "download-kmr-script_latin" / ".cache" / "part.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    with pytest.raises(VoiceError):
        mms_discriminator(KURMANJI)
    assert part.read_bytes() == b"half"
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


@pytest.mark.parametrize(
    "name", ["facebook/mms-tts", "somebody/mms-tts-eng", "facebook/mms-tts-eng/../../secret", "models/tiny-kmr"]
)
def test_only_mmss_own_voices_have_a_published_discriminator(hub, name):
    assert (mms_code(KURMANJI), mms_code("facebook/mms-tts-eng")) == ("kmr-script_latin", "eng")
    assert mms_code(name) is None
    with pytest.raises(VoiceError, match="none of MMS's voices"):
        mms_discriminator(name)
    assert hub.asked == []


def test_a_training_of_an_mms_voice_begins_with_its_discriminator(hub, monkeypatch, make_voice):
    monkeypatch.setattr(finetune, "clips_of", lambda profile: SimpleNamespace(train=[], validation=[]))
    monkeypatch.setattr(finetune, "Trainer", lambda voice, *rest: voice)

    def begun(name: str, **changes: None) -> VitsDiscriminator | None:
        """What the trainer is given for a base voice of this name."""
        monkeypatch.setattr(finetune, "load_voice", lambda source: dataclasses.replace(make_voice(), **changes))
        return finetune.prepare_training(dataclasses.replace(load_profile("sample"), base_voice=name)).discriminator

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert begun(KURMANJI) and begun("somebody/voice", discriminator=None) is None
        assert hub.asked == []
        found = begun(KURMANJI, discriminator=None).discriminators[0].convs[0].bias
    torch.testing.assert_close(found.detach(), hub.weights["discriminators.0.convs.0.bias"], atol=0, rtol=0)


@pytest.mark.slow
def test_of_several_processes_one_fetches_and_all_have_it_or_none(tmp_path):
    done = launch(mms_process.__file__, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    main, other = (json.loads((tmp_path / f"{number}.json").read_text(encoding="utf-8")) for number in (0, 1))
    assert (main["asked"], other["asked"]) == (["there", "offline", "unreadable"], [])
    assert main["found"] == other["found"]
    assert isinstance(main["found"]["there"][0], float)
    for code, reason in (("offline", "no network"), ("unreadable", "is damaged")):
        discriminator, warning = main["found"][code]
        assert discriminator is None and reason in warning
