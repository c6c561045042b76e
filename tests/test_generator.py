"""The training pass: which loss teaches which weights, and that padding teaches nothing."""

import pytest
import torch
from torch import Tensor

from kurdtts_lib.core.errors import TrainingError
from kurdtts_lib.vits import losses
from kurdtts_lib.vits.batches import Batch, ClipReader, collate
from kurdtts_lib.vits.generator import TrainableVits, mel_term
from kurdtts_lib.vits.voice import Voice

SEGMENT = 4096


@pytest.fixture(params=["deterministic", "stochastic"])
def voice(request, make_voice):
    """Both kinds of duration predictor; the flow is pushed off its identity, or its inside would learn nothing."""
    voice = make_voice(use_stochastic_duration_prediction=request.param == "stochastic")
    with torch.no_grad():
        for flow in voice.model.flow.flows:
            flow.conv_post.weight.normal_(0, 0.1)
    return voice


@pytest.fixture
def generator(voice, audio) -> TrainableVits:
    return TrainableVits(voice.model, audio, SEGMENT)


@pytest.fixture
def reader(voice, tone_clips, audio) -> ClipReader:
    return ClipReader(tone_clips, voice.tokenizer, audio, SEGMENT)


@pytest.fixture
def batch(reader) -> Batch:
    """Three clips of different lengths."""
    return collate([reader[i] for i in (0, 3, 5)])


def taught(loss: Tensor, module: torch.nn.Module) -> tuple[set[str], set[str]]:
    """Names of the parameters that the loss depends on, and of the parts with a gradient that is not zero."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    reached = {name: gradient for name, gradient in zip(names, gradients, strict=True) if gradient is not None}
    return set(reached), {name.split(".")[0] for name, gradient in reached.items() if gradient.any()}


def all_losses(generator: TrainableVits, voice: Voice, batch: Batch) -> dict[str, Tensor]:
    outputs = generator(batch)
    with torch.no_grad():
        _, real_features = voice.discriminator(outputs.real)
    scores, features = voice.discriminator(outputs.generated)
    return {
        "mel": mel_term(outputs, generator.audio),
        "generator": sum(map(losses.generator_loss, scores)),
        "feature_matching": losses.feature_matching_loss(real_features, features),
        "kl": outputs.kl,
        "duration": outputs.duration,
    }


# Kim et al. 2021, figure 1a and section 2.2: the waveform is decoded from the posterior's sample, the KL term joins
# posterior, flow and text, and the duration predictor hears the text without teaching it.
@pytest.mark.parametrize(
    ("loss", "parts"),
    [
        ("mel", ("posterior_encoder", "decoder")),
        ("generator", ("posterior_encoder", "decoder")),
        ("feature_matching", ("posterior_encoder", "decoder")),
        ("kl", ("text_encoder", "posterior_encoder", "flow")),
        ("duration", ("duration_predictor",)),
    ],
)
def test_each_loss_teaches_exactly_its_own_parts(generator, voice, batch, loss, parts):
    value = all_losses(generator, voice, batch)[loss]
    assert value.shape == () and value.isfinite()
    reached = {name for name, _ in voice.model.named_parameters() if name.split(".")[0] in parts}
    assert taught(value, voice.model) == (reached, set(parts))


def test_what_transformers_would_do_otherwise_is_put_right(voice, audio):
    TrainableVits(voice.model, audio, SEGMENT)
    # transformers' default would skip one text layer in ten, which the published VITS never does.
    assert voice.model.config.layerdrop > 0 == voice.model.text_encoder.encoder.layerdrop
    with pytest.raises(TrainingError, match="segment_samples=4100 must be a multiple of hop_length=256"):
        TrainableVits(voice.model, audio, 4100)


@pytest.mark.parametrize("draw", [0.0, 0.5, 1 - 2**-24])  # the largest number that torch.rand can give
def test_slices_lie_inside_their_clips_and_durations_fill_them(generator, reader, batch, monkeypatch, draw):
    monkeypatch.setattr(torch, "rand", lambda count: torch.full((count,), draw))
    # Each sample holds its own place, and the padding -1.
    samples = batch.frame_lengths * 256
    places = torch.arange(batch.waveforms.shape[1]).float().expand(3, -1)
    outputs = generator(batch._replace(waveforms=torch.where(places < samples[:, None], places, -1.0)))
    assert outputs.durations.sum(1).tolist() == batch.frame_lengths.tolist()
    inside = torch.arange(outputs.durations.shape[1]) < batch.text_lengths[:, None]
    assert (outputs.durations[inside] >= 1).all() and (outputs.durations[~inside] == 0).all()
    assert outputs.real.shape == outputs.generated.shape == (3, 1, SEGMENT)
    first = outputs.real[:, 0, 0]
    assert (first % 256 == 0).all() and (first >= 0).all()
    assert torch.equal(outputs.real[:, 0], first[:, None] + torch.arange(SEGMENT))
    ends = {0.0: torch.full((3,), SEGMENT), 1 - 2**-24: samples}
    if draw in ends:
        assert (outputs.real[:, 0, -1] + 1).tolist() == ends[draw].tolist()


def test_decoded_slices_are_those_of_the_recording(generator, voice, batch, monkeypatch):
    """The decoder gets the latents of the very frames whose samples are `real`."""
    decoded = []
    voice.model.decoder.register_forward_pre_hook(lambda module, inputs: decoded.append(inputs[0]))
    latents = torch.arange(batch.spectrograms.shape[2]).float().expand(3, 16, -1).clone()
    monkeypatch.setattr(
        voice.model.posterior_encoder,
        "forward",
        lambda spectrograms, mask, condition: (latents, latents, torch.zeros_like(latents)),
    )
    places = torch.arange(batch.waveforms.shape[1]).float().expand(3, -1)
    real = generator(batch._replace(waveforms=places)).real
    assert torch.equal(decoded[0][:, 0] * 256, real[:, 0, ::256])
    assert len(set(real[:, 0, 0].tolist())) > 1


def test_gradient_checkpointing_changes_memory_and_nothing_else(voice, reader, audio):
    batch = collate([reader[i] for i in (0, 3, 5)])
    gradients, kept = [], []
    for checkpointing in (False, True):
        generator = TrainableVits(voice.model, audio, SEGMENT, gradient_checkpointing=checkpointing).train()
        torch.manual_seed(1)
        sizes: dict[int, int] = {}

        def note(tensor, sizes=sizes):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            outputs = generator(batch)
        kept.append(sum(sizes.values()))
        voice.model.zero_grad()
        (mel_term(outputs, audio) + outputs.kl + outputs.duration).backward()
        gradients.append([parameter.grad.clone() for parameter in voice.model.parameters()])
        assert not any("forward" in vars(block) for block in voice.model.decoder.resblocks)
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert kept[1] < kept[0]


def test_the_blank_and_n_learn_even_if_the_base_voice_calls_them_padding(make_voice, tone_clips, audio):
    voice = make_voice(pad_token_id=0)
    embedding = voice.model.text_encoder.embed_tokens
    assert embedding.padding_idx == 0  # or nothing would be tried
    reader = ClipReader(tone_clips, voice.tokenizer, audio, SEGMENT)
    optimizer = torch.optim.SGD([embedding.weight], 0.1)
    before = embedding.weight[0].clone()
    TrainableVits(voice.model, audio, SEGMENT)(collate([reader[0], reader[3]])).kl.backward()
    assert embedding.weight.grad[0].any()
    optimizer.step()
    assert not torch.equal(embedding.weight[0], before)
