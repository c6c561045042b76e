"""A checkpoint of the published VITS code becomes a transformers folder that computes the same, or a clear error."""

import copy
import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import original_vits as original
import pytest
import torch
from tiny import TINY_DISCRIMINATOR
from torch import Tensor
from transformers import VitsModel, VitsTokenizer

from kurdtts_lib.cli import app
from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.vits import conversion
from kurdtts_lib.vits.conversion import read_discriminator, read_generator
from kurdtts_lib.vits.discriminator import VitsDiscriminator
from kurdtts_lib.vits.voice import load_voice

TINY_SIZES = tuple(dataclasses.asdict(TINY_DISCRIMINATOR).values())


def save(weights: dict[str, Tensor], path: Path) -> Path:
    """A checkpoint as the published code writes it, optimizer and all."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(3))]).state_dict()
    torch.save({"model": weights, "iteration": 3, "optimizer": optimizer, "learning_rate": 2e-4}, path)
    return path


@pytest.fixture
def make_original(tmp_path: Path) -> Callable[..., Path]:
    """Write a generator with its two companions and return its path; `change` may spoil its weights."""

    def make(
        stochastic: bool = True, change: Callable[[dict], object] = lambda weights: None, **changes: object
    ) -> Path:
        weights = original.make_weights(stochastic)
        change(weights)
        config = copy.deepcopy(original.CONFIG)
        if not stochastic:
            config["model"]["use_sdp"] = False
        for section in config.values():
            section.update({name: value for name, value in changes.items() if name in section})
        folder = tmp_path / "published"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (folder / "vocab.txt").write_text("\n".join(original.SYMBOLS) + "\n", encoding="utf-8")
        return save(weights, folder / "G_100000.pth")

    return make


@pytest.fixture
def tiny_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published discriminator has 46.7 M weights; here it has the tests' own sizes."""
    monkeypatch.setattr(conversion, "PUBLISHED_DISCRIMINATOR", TINY_DISCRIMINATOR)


def weights_of(path: Path) -> dict[str, Tensor]:
    return torch.load(path, weights_only=True)["model"]


@pytest.mark.parametrize("stochastic", [True, False])
def test_plain_transformers_says_with_a_converted_voice_what_the_original_says(
    make_original, tiny_discriminator, tmp_path, monkeypatch, stochastic
):
    path = make_original(stochastic)
    discriminator = save(original.make_discriminator_weights(*TINY_SIZES), path.with_name("D_100000.pth"))
    assert app.main(["convert", str(path), str(tmp_path / "voice"), "--discriminator", str(discriminator)]) == 0
    assert load_voice(tmp_path / "voice").discriminator.settings == TINY_DISCRIMINATOR
    model, tokenizer = VitsModel.from_pretrained(tmp_path / "voice"), VitsTokenizer.from_pretrained(tmp_path / "voice")
    ids = tokenizer("jin û jiyan", return_tensors="pt").input_ids
    duration_noise, noise = torch.randn(1, 2, ids.shape[1]), torch.randn(original.LATENT, 2000)
    duration_noise[0, :, 4] = torch.tensor([9.0, -9.0])  # outside the splines, where they are the identity
    expected = original.speak(weights_of(path), ids, duration_noise if stochastic else None, noise)

    monkeypatch.setattr(torch, "randn", lambda *size: duration_noise)
    monkeypatch.setattr(torch, "randn_like", lambda like: noise[None, :, : like.shape[2]])
    with torch.no_grad():
        spoken = model(input_ids=ids).waveform[0]
    assert expected.std() > 0.05 and expected.abs().max() < 0.99
    torch.testing.assert_close(spoken, expected, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("flows", ["flows", "post_flows"])
def test_what_only_training_needs_is_the_originals_too(make_original, flows):
    """Speaking leaves out the posterior encoder, and the duration predictor's first spline flow and its posterior."""
    path = make_original()
    # In double precision: the slope of a spline enlarges what float32 rounds.
    w = {name: value.double() for name, value in weights_of(path).items()}
    model, mask = read_generator(path).model.double(), torch.ones(1, 1, 9).double()
    spectrogram = torch.rand(1, original.FILTER_LENGTH // 2 + 1, 9).double()
    for found, expected in zip(
        model.posterior_encoder(spectrogram, mask)[1:], original.posterior_encoder(w, spectrogram), strict=True
    ):
        torch.testing.assert_close(found, expected, atol=1e-8, rtol=0)

    predictor, durations = model.duration_predictor, torch.randint(1, 8, (1, 1, 9)).double()
    expected = original.separable(w, "dp.post_convs", original.conv(w, "dp.post_pre", durations))
    found = predictor.post_conv_proj(predictor.post_conv_dds(predictor.post_conv_pre(durations), mask))
    torch.testing.assert_close(found, original.conv(w, "dp.post_proj", expected), atol=1e-8, rtol=0)

    layers, condition = getattr(predictor, flows), torch.randn(1, original.HIDDEN, 9).double()
    x = 2 * torch.randn(1, 2, 9).double()
    found = layers[0](x, mask, reverse=True)[0]
    torch.testing.assert_close(found, original.affine_reverse(w, f"dp.{flows}.0", x), atol=1e-8, rtol=0)
    for number, layer in enumerate(layers[1:]):
        expected = original.spline_flow_reverse(w, f"dp.{flows}.{2 * number + 1}", x, condition)
        found = layer(x, mask, global_conditioning=condition, reverse=True)[0]
        torch.testing.assert_close(found, expected, atol=1e-8, rtol=0)
        assert (found - x).abs().max() > 0.01


@pytest.mark.parametrize("files", ["train.ltr", "train.uroman"])
def test_a_converted_voice_reads_its_text_as_the_original(make_original, files):
    tokenizer = read_generator(make_original(training_files=files)).tokenizer
    assert [tokenizer.get_vocab()[symbol] for symbol in original.SYMBOLS] == list(range(len(original.SYMBOLS)))
    assert (tokenizer.pad_token_id, tokenizer.add_blank, tokenizer.phonemize) == (0, True, False)
    assert tokenizer.is_uroman == (files == "train.uroman")
    number = original.SYMBOLS.index
    assert files == "train.uroman" or tokenizer("Ez").input_ids == [0, number("e"), 0, number("z"), 0]


@torch.no_grad()
@pytest.mark.parametrize("samples", [1003, 2310])  # a multiple of no period, and of every one
def test_a_converted_discriminator_computes_what_the_original_computes(tiny_discriminator, tmp_path, samples):
    weights = original.make_discriminator_weights(*TINY_SIZES)
    discriminator = read_discriminator(save(weights, tmp_path / "D_100000.pth"))
    waveform = torch.randn(2, 1, samples)
    scores, features = discriminator(waveform)
    expected = original.discriminator_features(weights, waveform, TINY_DISCRIMINATOR.scale_groups)
    for found, values in zip(features, expected, strict=True):
        torch.testing.assert_close(found.flatten(), values.flatten(), atol=1e-5, rtol=1e-5)
    assert [score.data_ptr() for score in scores] == [features[i].data_ptr() for i in (6, 12, 18, 24, 30, 36)]


def test_a_discriminator_of_the_published_size_has_the_published_names_and_shapes():
    new_names = {"g": "parametrizations.weight.original0", "v": "parametrizations.weight.original1"}
    shapes = original.discriminator_shapes(*original.PUBLISHED).items()
    expected = {re.sub("weight_([gv])", lambda part: new_names[part[1]], name): shape for name, shape in shapes}
    with torch.device("meta"):
        state = VitsDiscriminator(conversion.PUBLISHED_DISCRIMINATOR).state_dict()
    assert len(expected) == 111 and sum(value.numel() for value in state.values()) == pytest.approx(46.7e6, abs=5e4)
    assert {name: tuple(value.shape) for name, value in state.items()} == expected


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda w: w.pop("dec.ups.1.weight_v"), r"Missing.*decoder\.upsampler\.1\.parametrizations.*original1"),
        (lambda w: w.update({"emb_g.weight": torch.zeros(2)}), r"Unexpected.*emb_g\.weight.*one speaker"),
        (lambda w: w.update({"dec.ups.0.extra": torch.zeros(2)}), r"Unexpected.*decoder\.upsampler\.0\.extra"),
        (lambda w: w.update({"enc_q.pre.bias": torch.zeros(3)}), r"posterior_encoder\.conv_pre\.bias.*\[3\].*\[8\]"),
    ],
)
def test_a_weight_too_many_too_few_or_of_another_shape_is_an_error_that_names_it(make_original, change, named):
    with pytest.raises(VoiceError, match=rf"G_100000\.pth.*{named}"):
        read_generator(make_original(change=change))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"n_speakers": 4}, r"config\.json.*4 speakers"),
        ({"add_blank": False}, r"config\.json.*without blanks"),
        ({"hidden_channels": "many"}, r"config\.json.*hidden_size"),
        ({"upsample_rates": [8, 8]}, r"config\.json.*upsample_rates"),
    ],
)
def test_a_voice_of_a_kind_that_cannot_be_trained_is_an_error_that_says_why(make_original, changes, named):
    with pytest.raises(VoiceError, match=named):
        read_generator(make_original(**changes))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", None, r"config\.json .*(No such file|cannot find)"),
        ("config.json", "{", r"config\.json cannot be loaded"),
        ("config.json", '{"data": {}, "model": {}}', r"config\.json cannot be loaded \(KeyError: 'add_blank'\)"),
        ("config.json", json.dumps(original.CONFIG), r"Missing.*duration_predictor\.conv_"),  # the other predictor
        ("vocab.txt", None, r"vocab\.txt .*(No such file|cannot find)"),
        ("vocab.txt", "a\nb\na\n", r"vocab\.txt names 'a' twice"),
        ("vocab.txt", "a\nb\n", "embed_tokens"),
    ],
)
def test_a_missing_or_damaged_companion_is_an_error_that_names_it(make_original, name, content, said):
    path = make_original(stochastic=False)
    companion = path.with_name(name)
    companion.unlink()
    if content is not None:
        companion.write_text(content, encoding="utf-8")
    with pytest.raises(VoiceError, match=said):
        read_generator(path)


class Stranger:
    """What a harmful checkpoint could hold."""


@pytest.mark.parametrize("content", ["half", b"", b"noise" * 100, Stranger(), {"weight": {}}, {"model": {"a": 1}}, [1]])
def test_a_damaged_or_foreign_checkpoint_is_an_error_that_names_it(make_original, content):
    path = make_original()
    if content == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(VoiceError, match=r"G_100000\.pth") as caught:
        read_generator(path)
    assert "weights_only" not in str(caught.value)  # torch advises to trust the file


def test_a_wrong_discriminator_or_none_is_an_error_that_says_why(tiny_discriminator, tmp_path):
    weights = original.make_discriminator_weights(*TINY_SIZES)
    del weights["discriminators.3.conv_post.bias"]
    path = save(weights, tmp_path / "D_100000.pth")
    with pytest.raises(VoiceError, match=r"D_100000\.pth.*discriminators\.3\.conv_post\.bias.*must be a discrim"):
        read_discriminator(path)
    path.unlink()
    with pytest.raises(VoiceError, match=r"D_100000\.pth .*(No such file|cannot find)"):
        read_discriminator(path)
