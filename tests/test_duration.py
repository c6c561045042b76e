"""What the stochastic duration predictor is trained as must be what it speaks with."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from kurdtts_lib.vits.duration import stochastic_duration_nll

CHANNELS, POSITIONS = 16, 7  # 16: the tiny voices' hidden size


@pytest.fixture
def predictor(make_voice) -> nn.Module:
    """In double precision, without dropout, and with every weight random: no flow is the identity."""
    predictor = make_voice(use_stochastic_duration_prediction=True).model.duration_predictor.double().eval()
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.normal_(0, 0.3)
        predictor.flows[0].translate[0] = -1.0  # durations about e
    return predictor


def own_direction(predictor: nn.Module, hidden: Tensor, mask: Tensor, durations: Tensor) -> Tensor:
    """transformers' training direction."""
    return predictor(hidden, mask, durations=durations)


def trained_map(predictor: nn.Module, nll: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, Tensor]:
    """What training hands to the first flow, log(d - u) above v, and the latents that it makes of them."""
    seen = []
    hooks = [
        predictor.flows[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0])),
        predictor.flows[-1].register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[0].flip(1))),
    ]
    nll(predictor, *inputs)
    for hook in hooks:
        hook.remove()
    values, latents = seen
    return values, latents


def spoken(predictor: nn.Module, hidden: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
    """Both channels that speaking ends with; the first is the log-durations."""
    ends = []
    hook = predictor.flows[0].register_forward_hook(lambda module, inputs, outputs: ends.append(outputs[0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda *shape: noise)
        log_durations = predictor(hidden, mask, reverse=True, noise_scale=1.0)
    hook.remove()
    assert torch.equal(log_durations, ends[0][:, :1])
    return ends[0]


@pytest.fixture
def untrained(make_voice) -> nn.Module:
    return make_voice(use_stochastic_duration_prediction=True).model.duration_predictor.eval()


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states, mask and durations of two texts."""
    hidden, mask = torch.randn(2, CHANNELS, POSITIONS).double(), torch.ones(2, 1, POSITIONS).double()
    return hidden, mask, torch.randint(1, 12, (2, 1, POSITIONS)).double()


# --- the trained map and the spoken one ---------------------------------------------------------------------------


@torch.no_grad()
def test_speaking_turns_the_latents_of_training_back_into_the_durations(predictor, inputs):
    hidden, mask, durations = inputs
    values, latents = trained_map(predictor, stochastic_duration_nll, *inputs)
    rest = values[:, :1].exp()
    assert ((durations - 1 < rest) & (rest < durations)).all()
    said = spoken(predictor, hidden, mask, latents)
    torch.testing.assert_close(said[:, :1], values[:, :1], atol=1e-5, rtol=0)
    assert (latents - values).abs().mean() > 0.3

    # The flow that speaking leaves out acts on the other channel only.
    condition = predictor.conv_proj(predictor.conv_dds(predictor.conv_pre(hidden), mask))

    def put_back(affine: nn.Module, inputs: tuple) -> tuple:
        carried, _ = predictor.flows[1](inputs[0], mask, global_conditioning=condition, reverse=True)
        return carried, *inputs[1:]

    predictor.flows[0].register_forward_pre_hook(put_back)
    whole = spoken(predictor, hidden, mask, latents)
    torch.testing.assert_close(whole, values, atol=1e-5, rtol=0)
    assert torch.equal(whole[:, 0], said[:, 0]) and (whole[:, 1] - said[:, 1]).abs().max() > 0.1


@torch.no_grad()
def test_transformers_still_trains_another_channel_than_it_speaks(predictor, inputs):
    values, latents = trained_map(predictor, own_direction, *inputs)
    assert (spoken(predictor, *inputs[:2], latents)[:, :1] - values[:, :1]).abs().max() > 0.1, (
        "This transformers speaks the durations that it trains: "
        "kurdtts_lib/vits/duration.py can go, and the predictor's own forward can be called instead"
    )


# --- the bound ----------------------------------------------------------------------------------------------------


def by_jacobian(flows: nn.ModuleList, values: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
    """values: (1, 2, positions) carried in the original's order, and log |det| of that map, by its Jacobian."""

    def carry(flat: Tensor) -> Tensor:
        carried, mask = flat.view_as(values), torch.ones_like(values[:, :1])
        carried = flows[0](carried, mask)[0]
        for flow in flows[1:]:
            carried = flow(carried, mask, global_conditioning=condition)[0][:, [1, 0]]
        return carried.flatten()

    jacobian = torch.autograd.functional.jacobian(carry, values.flatten())
    return carry(values.flatten()).view_as(values), torch.linalg.slogdet(jacobian).logabsdet


def variational_bound(predictor: nn.Module, hidden: Tensor, durations: Tensor, noise: Tensor) -> float:
    """-log of the bound on p(durations | text), of one text without padding.

    Kim et al. 2021, section 2.2.2: durations d are whole numbers, so a u in [0, 1) is taken off (variational
    dequantization, Ho et al. 2019), and v gives d - u a second channel. With u, v drawn from q,
    log p(d) >= E[log p(d - u, v) - log q(u, v)], each density by the change of variables.
    """
    mask, normal = torch.ones_like(durations), Normal(torch.zeros((), dtype=torch.float64), 1.0)
    text = predictor.conv_proj(predictor.conv_dds(predictor.conv_pre(hidden), mask))
    heard = predictor.post_conv_proj(predictor.post_conv_dds(predictor.post_conv_pre(durations), mask))
    latents, log_determinant = by_jacobian(predictor.post_flows, noise, text + heard)
    u, v = torch.sigmoid(latents[:, :1]), latents[:, 1:]
    log_q = normal.log_prob(noise).sum() - log_determinant - torch.log(u * (1 - u)).sum()
    continuous = durations - u
    carried, log_determinant = by_jacobian(predictor.flows, torch.cat([torch.log(continuous), v], dim=1), text)
    log_p = normal.log_prob(carried).sum() + log_determinant - torch.log(continuous).sum()
    return (log_q - log_p).item()


@torch.no_grad()
@pytest.mark.parametrize("lengths", [(1, 1), (7, 4)])
def test_the_loss_is_the_papers_variational_bound_whatever_the_padding(predictor, inputs, monkeypatch, lengths):
    hidden, _, durations = inputs
    noise = torch.randn(2, 2, POSITIONS, dtype=torch.float64)
    noise[:, 0, 2] = 7.0  # the splines end at 5, where the identity begins
    monkeypatch.setattr(torch, "randn", lambda *shape: noise)
    mask = (torch.arange(POSITIONS) < torch.tensor(lengths)[:, None])[:, None].double()
    found = stochastic_duration_nll(predictor, hidden * mask, mask, durations * mask)
    expected = [
        variational_bound(predictor, *(values[item : item + 1, :, :length] for values in (hidden, durations, noise)))
        for item, length in enumerate(lengths)
    ]
    assert found.tolist() == pytest.approx(expected, rel=1e-9)
    assert torch.equal(stochastic_duration_nll(predictor, hidden + 5 * (1 - mask), mask, durations), found)


# --- learning -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [1, 12])
def test_it_teaches_every_weight_of_the_predictor_and_not_the_text(predictor, inputs, longest):
    hidden, mask, durations = inputs
    stochastic_duration_nll(predictor, hidden.requires_grad_(), mask, durations.clamp_max(longest)).sum().backward()
    assert hidden.grad is None
    for name, parameter in predictor.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_nothing_left_of_a_frame_is_finite(untrained, monkeypatch):
    hidden, noise = torch.randn(1, CHANNELS, 3), torch.zeros(1, 2, 3)
    noise[:, :, 0] = 200.0  # u rounds to 1, and d - u to 0
    monkeypatch.setattr(torch, "randn", lambda *shape: noise)
    nll = stochastic_duration_nll(untrained, hidden, torch.ones(1, 1, 3), torch.ones(1, 1, 3))
    nll.sum().backward()
    assert nll.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in untrained.parameters())


def test_a_trained_duration_is_the_spoken_one(untrained):
    hidden, mask = torch.randn(2, CHANNELS, 20), torch.ones(2, 1, 20)
    optimizer = torch.optim.Adam(untrained.parameters(), lr=2e-2)
    for _ in range(60):
        optimizer.zero_grad()
        (stochastic_duration_nll(untrained, hidden, mask, 5 * mask).sum() / mask.sum()).backward()
        optimizer.step()
    with torch.no_grad():
        durations = untrained(hidden, mask, reverse=True, noise_scale=0.8).exp()
    # Speaking rounds up.
    assert 4 < durations.median() < 5
    assert ((durations > 3.5) & (durations < 5.5)).float().mean() > 0.8
