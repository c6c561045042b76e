"""MMS's discriminators are fetched once, kept converted, and missed with a reason."""

import dataclasses
import warnings
from pathlib import Path
from types import SimpleNamespace

import original_vits as original
import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY_DISCRIMINATOR

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.settings import load_profile
from kurdtts_lib.vits import conversion
from kurdtts_lib.vits.conversion import mms_code, mms_discriminator
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.voices import finetune

KURMANJI = "kmr-script_latin"
SIZES = tuple(dataclasses.asdict(TINY_DISCRIMINATOR).values())


@pytest.fixture(autouse=True)
def tiny_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published discriminator has 46.7 M weights; here it has the tests' own sizes."""
    monkeypatch.setattr(conversion, "PUBLISHED_DISCRIMINATOR", TINY_DISCRIMINATOR)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
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

    monkeypatch.setattr(conversion, "hf_hub_download", download)
    return state


@pytest.fixture
def cache(home: Path) -> Path:
    return home / "models" / "cache"


def test_the_discriminator_is_fetched_once_and_kept_without_the_optimizer(hub, cache):
    first = mms_discriminator(KURMANJI)
    assert hub.asked == [("facebook/mms-tts", "full_models/kmr-script_latin/D_100000.pth")]
    (kept,) = cache.iterdir()  # the download is gone
    assert kept.name == "mms-discriminator-kmr-script_latin.safetensors"
    assert len(load_file(kept)) == len(hub.weights)

    second = mms_discriminator(KURMANJI)
    assert len(hub.asked) == 1
    published = conversion.renamed_weight_norm(hub.weights)
    for discriminator in (first, second):
        found = discriminator.state_dict()
        assert found.keys() == published.keys() and all(torch.equal(found[name], published[name]) for name in found)

    kept.write_bytes(kept.read_bytes()[:500])
    with pytest.raises(VoiceError, match=r"mms-discriminator-kmr-script_latin\.safetensors cannot.*Delete it"):
        mms_discriminator(KURMANJI)


def test_without_a_network_the_reason_is_given_and_what_was_begun_is_left_to_the_hubs_library(hub, cache):
    hub.error = OSError("no network")
    part = cache / "download-kmr-script_latin" / ".cache" / "part.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")  # half a gigabyte should not be fetched twice
    with pytest.raises(VoiceError, match=r"kmr-script_latin cannot be loaded \(OSError: no network\)\.$"):
        mms_discriminator(KURMANJI)
    assert part.read_bytes() == b"half" and len(list(cache.iterdir())) == 1
    hub.error = None
    assert isinstance(mms_discriminator(KURMANJI), VitsDiscriminator)


def test_a_generator_in_the_discriminators_file_or_a_full_disk_leaves_nothing_behind(hub, cache, monkeypatch):
    def write_half(weights: dict, path: Path, metadata: dict) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(conversion, "save_file", write_half)
        with pytest.raises(OSError, match="disk full"):
            mms_discriminator(KURMANJI)
    hub.weights = original.make_weights(stochastic=True)
    with pytest.raises(VoiceError, match=r"D_100000\.pth cannot be loaded.*must be a discriminator"):
        mms_discriminator("xyz")  # MMS published one language's this way
    assert list(cache.iterdir()) == []


def test_only_mmss_own_voices_have_a_published_discriminator():
    assert (mms_code(f"facebook/mms-tts-{KURMANJI}"), mms_code("facebook/mms-tts-eng")) == (KURMANJI, "eng")
    for name in ("facebook/mms-tts", "somebody/mms-tts-eng", "facebook/mms-tts-eng/../../secret", "models/tiny-kmr"):
        assert mms_code(name) is None


def test_a_training_of_an_mms_voice_begins_with_its_discriminator(hub, monkeypatch, make_voice):
    monkeypatch.setattr(finetune, "clips_of", lambda profile: SimpleNamespace(train=[], validation=[]))
    monkeypatch.setattr(finetune, "speakers_of", lambda folder, clips: ["azad"])
    monkeypatch.setattr(finetune, "Trainer", lambda voice, *rest: voice)

    def begun(name: str, **changes: None) -> VitsDiscriminator | None:
        """What the trainer is given for a base voice of this name."""
        for load in ("load_unfolded", "load_voice"):
            monkeypatch.setattr(finetune, load, lambda source: dataclasses.replace(make_voice(), **changes))
        return finetune.prepare_training(dataclasses.replace(load_profile("sample"), base_voice=name)).discriminator

    name = f"facebook/mms-tts-{KURMANJI}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert begun(name) and begun("somebody/voice", discriminator=None) is None
        assert hub.asked == []
        found = begun(name, discriminator=None).discriminators[0].convs[0].bias
    torch.testing.assert_close(found.detach(), hub.weights["discriminators.0.convs.0.bias"], atol=0, rtol=0)

    # Of several processes the main one fetches, and all have it or none.
    for is_main in (True, False):
        monkeypatch.setattr(
            finetune, "this_process", lambda is_main=is_main: SimpleNamespace(is_main_process=is_main, device="cpu")
        )
        monkeypatch.setattr(finetune, "gather_object", lambda faults: [*faults, "the other one is offline"])
        hub.asked.clear()
        with pytest.warns(UserWarning, match="without MMS's discriminator. the other one is offline"):
            assert begun("facebook/mms-tts-eng", discriminator=None) is None
        assert len(hub.asked) == is_main
