"""MMS's discriminators are fetched once, kept converted, and missed with a reason."""

import dataclasses
import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY_DISCRIMINATOR
from torch import Tensor
from torch.nn import functional as F

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.settings import load_profile
from kurdtts_lib.vits import mms
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.mms import mms_code, mms_discriminator
from kurdtts_lib.voices import finetune

KURMANJI = "kmr-script_latin"
SIZES = tuple(dataclasses.asdict(TINY_DISCRIMINATOR).values())
PERIODS = (2, 3, 5, 7, 11)
SCALE_KERNELS, SCALE_STRIDES = (15, 41, 41, 41, 41, 5), (1, 4, 4, 4, 4, 1)
PUBLISHED = ((16, 64, 256, 1024, 1024, 1024), (1, 4, 16, 64, 256, 1), (32, 128, 512, 1024, 1024))


def published_shapes(
    scale: tuple[int, ...], groups: tuple[int, ...], period: tuple[int, ...], periods: tuple[int, ...] = PERIODS
) -> dict[str, tuple[int, ...]]:
    layers = {f"0.convs.{i}": (scale[i], (1, *scale)[i] // groups[i], SCALE_KERNELS[i]) for i in range(len(scale))}
    layers["0.conv_post"] = (1, scale[-1], 3)
    for number in range(1, len(periods) + 1):
        layers |= {f"{number}.convs.{i}": (period[i], (1, *period)[i], 5, 1) for i in range(len(period))}
        layers[f"{number}.conv_post"] = (1, period[-1], 3, 1)
    return {
        f"discriminators.{name}.{part}": size
        for name, (outputs, *rest) in layers.items()
        for part, size in (
            ("bias", (outputs,)),
            ("weight_g", (outputs, *[1] * len(rest))),
            ("weight_v", (outputs, *rest)),
        )
    }


def published_weights() -> dict[str, Tensor]:
    """Random weights of the tests' sizes, under the published names."""
    return {name: torch.randn(shape) / 4 + name.endswith("_g") for name, shape in published_shapes(*SIZES).items()}


def published_features(w: dict[str, Tensor], waveform: Tensor, groups: tuple[int, ...]) -> list[Tensor]:
    """waveform: (batch, 1, samples). What each layer of each discriminator in turn computes, scores last."""
    features = []
    for number, period in enumerate((1, *PERIODS)):
        x = F.pad(waveform, (0, -waveform.shape[-1] % period), mode="reflect").unflatten(-1, (-1, period))
        layers = sorted({name.rsplit(".", 1)[0] for name in w if name.startswith(f"discriminators.{number}.convs.")})
        for i, name in enumerate([*layers, f"discriminators.{number}.conv_post"]):
            direction, last = w[f"{name}.weight_v"], i == len(layers)
            length = direction.flatten(1).norm(dim=1).view(-1, *[1] * (direction.ndim - 1))
            kernel = (w[f"{name}.weight_g"] * direction / length).reshape(*direction.shape[:3], 1)
            stride = 1 if last else (SCALE_STRIDES[i] if number == 0 else (3 if i < len(layers) - 1 else 1))
            share = groups[i] if number == 0 and not last else 1
            x = F.conv2d(x, kernel, w[f"{name}.bias"], (stride, 1), (kernel.shape[2] // 2, 0), groups=share)
            x = x if last else F.leaky_relu(x, 0.1)
            features.append(x)
    return features


@pytest.fixture(autouse=True)
def tiny_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published discriminator has 46.7 M weights; here it has the tests' own sizes."""
    monkeypatch.setattr(mms, "PUBLISHED_DISCRIMINATOR", TINY_DISCRIMINATOR)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A hub that publishes `hub.weights` under every name, or raises `hub.error`; `hub.asked` is what was asked for."""
    state = SimpleNamespace(weights=published_weights(), error=None, asked=[])

    def download(repository: str, name: str, *, local_dir: Path) -> str:
        state.asked.append((repository, name))
        if state.error:
            raise state.error
        path = Path(local_dir) / name
        path.parent.mkdir(parents=True)
        moments = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(3))]).state_dict()
        torch.save({"model": state.weights, "iteration": 1, "optimizer": moments, "learning_rate": 2e-4}, path)
        return str(path)

    monkeypatch.setattr(mms, "hf_hub_download", download)
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
    published = mms.renamed_weight_norm(hub.weights)
    for discriminator in (first, second):
        found = discriminator.state_dict()
        assert found.keys() == published.keys() and all(torch.equal(found[name], published[name]) for name in found)

    kept.write_bytes(kept.read_bytes()[:500])
    with pytest.raises(VoiceError, match=r"mms-discriminator-kmr-script_latin\.safetensors cannot.*Delete it"):
        mms_discriminator(KURMANJI)


@torch.no_grad()
@pytest.mark.parametrize("samples", [1003, 2310])  # a multiple of no period, and of every one
def test_the_discriminator_computes_what_the_published_code_computes(hub, samples):
    waveform = torch.randn(2, 1, samples)
    scores, features = mms_discriminator(KURMANJI)(waveform)
    expected = published_features(hub.weights, waveform, TINY_DISCRIMINATOR.scale_groups)
    for found, values in zip(features, expected, strict=True):
        torch.testing.assert_close(found.flatten(), values.flatten(), atol=1e-5, rtol=1e-5)
    assert [score.data_ptr() for score in scores] == [features[i].data_ptr() for i in (6, 12, 18, 24, 30, 36)]


def test_the_published_size_has_the_published_names_and_shapes():
    new_names = {"g": "parametrizations.weight.original0", "v": "parametrizations.weight.original1"}
    shapes = published_shapes(*PUBLISHED).items()
    expected = {re.sub("weight_([gv])", lambda part: new_names[part[1]], name): shape for name, shape in shapes}
    with torch.device("meta"):
        state = VitsDiscriminator().state_dict()
    assert len(expected) == 111 and sum(value.numel() for value in state.values()) == pytest.approx(46.7e6, abs=5e4)
    assert {name: tuple(value.shape) for name, value in state.items()} == expected


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


class Stranger:
    """What a harmful file could hold."""


def test_a_wrong_file_or_a_full_disk_is_an_error_that_says_why_and_leaves_nothing_behind(hub, cache, monkeypatch):
    def write_half(weights: dict, path: Path, metadata: dict) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(mms, "save_file", write_half)
        with pytest.raises(OSError, match="disk full"):
            mms_discriminator(KURMANJI)
    # A generator, as MMS published one language's; a weight too few; what no file of weights holds.
    for weights in ({"enc_p.emb.weight": torch.zeros(2, 2)}, dict([*hub.weights.items()][1:]), Stranger()):
        hub.weights = weights
        with pytest.raises(VoiceError, match=r"D_100000\.pth") as caught:
            mms_discriminator("xyz")
        assert "weights_only" not in str(caught.value), "torch advises to trust the file"
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

    # Of several processes all have it or none.
    monkeypatch.setattr(finetune, "gather_object", lambda faults: [*faults, "the other one is offline"])
    with pytest.warns(UserWarning, match="without MMS's discriminator. the other one is offline"):
        assert begun("facebook/mms-tts-eng", discriminator=None) is None
