"""The layout of the published VITS code and what it computes, stated anew as plain functions on its state dict.

After Kim et al. 2021 (VITS), with Shaw et al. 2018 for the attention, van den Oord et al. 2016 for the WaveNet, Kong et
al. 2020 for the decoder and Durkan et al. 2019 for the splines. Nothing here knows transformers or the course.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

SYMBOLS = list("nabcçdeêfghiîjklmopqrsştuûvwxyz '")
HIDDEN, LATENT, FEED_FORWARD, HEADS, TEXT_LAYERS = 8, 6, 12, 2, 3
WINDOW, BINS, TAIL, FLOWS, DURATION_CHANNELS = 4, 10, 5.0, 4, 256
RATES, KERNELS, DECODER_CHANNELS = [8, 8, 4], [16, 16, 8], 16
RESBLOCKS = {3: [1, 3, 5], 7: [1, 2, 4]}
FILTER_LENGTH = 1024
CONFIG = {
    "data": {
        "training_files": "train.ltr",
        "sampling_rate": 16000,
        "filter_length": FILTER_LENGTH,
        "hop_length": 256,
        "add_blank": True,
        "n_speakers": 0,
    },
    "model": {
        "inter_channels": LATENT,
        "hidden_channels": HIDDEN,
        "filter_channels": FEED_FORWARD,
        "n_heads": HEADS,
        "n_layers": TEXT_LAYERS,
        "kernel_size": 3,
        "p_dropout": 0.1,
        "resblock": "1",
        "resblock_kernel_sizes": list(RESBLOCKS),
        "resblock_dilation_sizes": list(RESBLOCKS.values()),
        "upsample_rates": RATES,
        "upsample_initial_channel": DECODER_CHANNELS,
        "upsample_kernel_sizes": KERNELS,
    },
}


# --- the weights -----------------------------------------------------------------------------------------------


def make_weights(stochastic: bool) -> dict[str, Tensor]:
    """Random weights under all the names of a published generator, in its order of parts."""
    shapes: dict[str, tuple[int, ...]] = {}

    def add(name: str, **parts: tuple[int, ...]) -> None:
        shapes.update({f"{name}.{part}": shape for part, shape in parts.items()})

    def conv(name: str, outputs: int, inputs: int, kernel: int = 1) -> None:
        add(name, weight=(outputs, inputs, kernel), bias=(outputs,))

    def norm(name: str, channels: int) -> None:
        add(name, gamma=(channels,), beta=(channels,))

    def wavenet(name: str, layers: int) -> None:
        for i in range(layers):
            add(f"{name}.in_layers.{i}", **normed(2 * HIDDEN, HIDDEN, 5))
            add(f"{name}.res_skip_layers.{i}", **normed(HIDDEN if i == layers - 1 else 2 * HIDDEN, HIDDEN, 1))

    def separable(name: str) -> None:
        for i in range(3):
            conv(f"{name}.convs_sep.{i}", HIDDEN, 1, 3)
            conv(f"{name}.convs_1x1.{i}", HIDDEN, HIDDEN)
            norm(f"{name}.norms_1.{i}", HIDDEN)
            norm(f"{name}.norms_2.{i}", HIDDEN)

    add("enc_p.emb", weight=(len(SYMBOLS), HIDDEN))
    for i in range(TEXT_LAYERS):
        for letter in "qkvo":
            conv(f"enc_p.encoder.attn_layers.{i}.conv_{letter}", HIDDEN, HIDDEN)
        relative = (1, 2 * WINDOW + 1, HIDDEN // HEADS)
        add(f"enc_p.encoder.attn_layers.{i}", emb_rel_k=relative, emb_rel_v=relative)
        norm(f"enc_p.encoder.norm_layers_1.{i}", HIDDEN)
        conv(f"enc_p.encoder.ffn_layers.{i}.conv_1", FEED_FORWARD, HIDDEN, 3)
        conv(f"enc_p.encoder.ffn_layers.{i}.conv_2", HIDDEN, FEED_FORWARD, 3)
        norm(f"enc_p.encoder.norm_layers_2.{i}", HIDDEN)
    conv("enc_p.proj", 2 * LATENT, HIDDEN)

    conv("dec.conv_pre", DECODER_CHANNELS, LATENT, 7)
    for i, kernel in enumerate(KERNELS):
        channels = DECODER_CHANNELS >> (i + 1)
        add(f"dec.ups.{i}", **normed(2 * channels, channels, kernel) | {"bias": (channels,)})  # (inputs, outputs, size)
        for j, (size, dilations) in enumerate(RESBLOCKS.items()):
            for k in range(len(dilations)):
                for half in ("convs1", "convs2"):
                    add(f"dec.resblocks.{i * len(RESBLOCKS) + j}.{half}.{k}", **normed(channels, channels, size))
    add("dec.conv_post", weight=(1, channels, 7))

    conv("enc_q.pre", HIDDEN, FILTER_LENGTH // 2 + 1)
    wavenet("enc_q.enc", 16)
    conv("enc_q.proj", 2 * LATENT, HIDDEN)

    for i in range(0, 2 * FLOWS, 2):
        conv(f"flow.flows.{i}.pre", HIDDEN, LATENT // 2)
        wavenet(f"flow.flows.{i}.enc", 4)
        conv(f"flow.flows.{i}.post", LATENT // 2, HIDDEN)

    if not stochastic:
        conv("dp.conv_1", DURATION_CHANNELS, HIDDEN, 3)
        norm("dp.norm_1", DURATION_CHANNELS)
        conv("dp.conv_2", DURATION_CHANNELS, DURATION_CHANNELS, 3)
        norm("dp.norm_2", DURATION_CHANNELS)
        conv("dp.proj", 1, DURATION_CHANNELS)
        return filled(shapes)
    for flows in ("flows", "post_flows"):
        add(f"dp.{flows}.0", m=(2, 1), logs=(2, 1))
        for i in range(1, 2 * FLOWS, 2):
            conv(f"dp.{flows}.{i}.pre", HIDDEN, 1)
            separable(f"dp.{flows}.{i}.convs")
            conv(f"dp.{flows}.{i}.proj", 3 * BINS - 1, HIDDEN)
    for post, inputs in (("", HIDDEN), ("post_", 1)):
        conv(f"dp.{post}pre", HIDDEN, inputs)
        separable(f"dp.{post}convs")
        conv(f"dp.{post}proj", HIDDEN, HIDDEN)
    return filled(shapes)


def normed(outputs: int, *rest: int) -> dict[str, tuple[int, ...]]:
    """The parts of a weight with weight norm."""
    return {"bias": (outputs,), "weight_g": (outputs, *[1] * len(rest)), "weight_v": (outputs, *rest)}


def filled(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    middle = {"gamma": 1.0, "weight_g": 1.0}
    spread = {"gamma": 0.2, "weight_g": 0.15, "beta": 0.1, "bias": 0.1, "m": 0.3, "logs": 0.3}
    weights = {}
    for name, shape in shapes.items():
        part = name.rsplit(".", 1)[1]
        size = math.prod(shape[1:]) ** -0.5 if part == "weight" else spread.get(part, 1.0)
        weights[name] = middle.get(part, 0.0) + size * torch.randn(shape)
    return weights


# --- layers ----------------------------------------------------------------------------------------------------


def kernel_of(w: dict[str, Tensor], name: str) -> Tensor:
    if f"{name}.weight" in w:
        return w[f"{name}.weight"]
    direction = w[f"{name}.weight_v"]
    return w[f"{name}.weight_g"] * direction / direction.square().sum((1, 2), keepdim=True).sqrt()


def conv(w: dict[str, Tensor], name: str, x: Tensor, **options: int) -> Tensor:
    """A convolution that keeps the length of x: (batch, channels, time)."""
    kernel = kernel_of(w, name)
    padding = options.get("dilation", 1) * (kernel.shape[2] - 1) // 2
    return F.conv1d(x, kernel, w.get(f"{name}.bias"), padding=padding, **options)


def norm(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """Layer norm over the channels."""
    centred = x - x.mean(1, keepdim=True)
    scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
    return scaled * w[f"{name}.gamma"][:, None] + w[f"{name}.beta"][:, None]


def wavenet(w: dict[str, Tensor], name: str, x: Tensor, layers: int) -> Tensor:
    skipped = torch.zeros_like(x)
    for i in range(layers):
        signal, gate = conv(w, f"{name}.in_layers.{i}", x).chunk(2, 1)
        y = conv(w, f"{name}.res_skip_layers.{i}", signal.tanh() * gate.sigmoid())
        if i < layers - 1:
            x = x + y[:, :HIDDEN]
            y = y[:, HIDDEN:]
        skipped = skipped + y
    return skipped


def separable(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    for i in range(3):
        y = conv(w, f"{name}.convs_sep.{i}", x, dilation=3**i, groups=HIDDEN)
        y = F.gelu(norm(w, f"{name}.norms_1.{i}", y))
        x = x + F.gelu(norm(w, f"{name}.norms_2.{i}", conv(w, f"{name}.convs_1x1.{i}", y)))
    return x


def attention(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """Each pair of positions at most WINDOW apart has its own key and value, which all heads share."""
    q, k, v = (conv(w, f"{name}.conv_{letter}", x).unflatten(1, (HEADS, -1)) for letter in "qkv")
    positions = torch.arange(x.shape[2])
    distance = positions[None, :] - positions[:, None]
    near = (distance.abs() <= WINDOW)[:, :, None]
    index = distance.clamp(-WINDOW, WINDOW) + WINDOW
    relative_k, relative_v = (w[f"{name}.emb_rel_{letter}"][0][index] * near for letter in "kv")  # (time, time, width)
    scores = torch.einsum("bhdi,bhdj->bhij", q, k) + torch.einsum("bhdi,ijd->bhij", q, relative_k)
    shares = (scores / math.sqrt(HIDDEN // HEADS)).softmax(-1)
    mixed = torch.einsum("bhij,bhdj->bhdi", shares, v) + torch.einsum("bhij,ijd->bhdi", shares, relative_v)
    return conv(w, f"{name}.conv_o", mixed.flatten(1, 2))


# --- the parts -------------------------------------------------------------------------------------------------


def text_encoder(w: dict[str, Tensor], ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """ids: (batch, time), none padded. Returns hidden states, means and log standard deviations."""
    x = (w["enc_p.emb.weight"][ids] * math.sqrt(HIDDEN)).transpose(1, 2)
    for i in range(TEXT_LAYERS):
        x = norm(w, f"enc_p.encoder.norm_layers_1.{i}", x + attention(w, f"enc_p.encoder.attn_layers.{i}", x))
        y = conv(w, f"enc_p.encoder.ffn_layers.{i}.conv_1", x).relu()
        y = conv(w, f"enc_p.encoder.ffn_layers.{i}.conv_2", y)
        x = norm(w, f"enc_p.encoder.norm_layers_2.{i}", x + y)
    return x, *conv(w, "enc_p.proj", x).chunk(2, 1)


def posterior_encoder(w: dict[str, Tensor], spectrogram: Tensor) -> tuple[Tensor, Tensor]:
    """Means and log standard deviations of the latents of a recording."""
    x = wavenet(w, "enc_q.enc", conv(w, "enc_q.pre", spectrogram), 16)
    return conv(w, "enc_q.proj", x).chunk(2, 1)


def flow_reverse(w: dict[str, Tensor], x: Tensor) -> Tensor:
    for i in reversed(range(0, 2 * FLOWS, 2)):
        first, second = x.flip(1).chunk(2, 1)
        y = wavenet(w, f"flow.flows.{i}.enc", conv(w, f"flow.flows.{i}.pre", first), 4)
        x = torch.cat([first, second - conv(w, f"flow.flows.{i}.post", y)], 1)
    return x


def deterministic_log_durations(w: dict[str, Tensor], hidden: Tensor) -> Tensor:
    x = hidden
    for i in (1, 2):
        x = norm(w, f"dp.norm_{i}", conv(w, f"dp.conv_{i}", x).relu())
    return conv(w, "dp.proj", x)


def stochastic_log_durations(w: dict[str, Tensor], hidden: Tensor, noise: Tensor) -> Tensor:
    """noise: (batch, 2, time), scaled already. Even layers are flips; layer 1 changes only what is thrown away."""
    condition = conv(w, "dp.proj", separable(w, "dp.convs", conv(w, "dp.pre", hidden)))
    x = noise
    for i in (7, 5, 3):
        x = spline_flow_reverse(w, f"dp.flows.{i}", x.flip(1), condition)
    return affine_reverse(w, "dp.flows.0", x.flip(1))[:, :1]


def affine_reverse(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return (x - w[f"{name}.m"]) / torch.exp(w[f"{name}.logs"])


def spline_flow_reverse(w: dict[str, Tensor], name: str, x: Tensor, condition: Tensor) -> Tensor:
    """x: (batch, 2, time): the first channel shapes the spline that the second one passes."""
    first, second = x.chunk(2, 1)
    y = separable(w, f"{name}.convs", conv(w, f"{name}.pre", first) + condition)
    shape = conv(w, f"{name}.proj", y).transpose(1, 2)
    return torch.cat([first, spline_inverse(shape, second[:, 0])[:, None]], 1)


def spline_inverse(shape: Tensor, y: Tensor) -> Tensor:
    """x with spline(x) = y, found by halving the bin 60 times. shape: (batch, time, 3 * BINS - 1), y: (batch, time)."""
    dtype, shape, y = y.dtype, shape.double(), y.double()
    widths, heights, slopes = shape.split([BINS, BINS, BINS - 1], -1)
    edges_x, edges_y = (edges(part / math.sqrt(HIDDEN)) for part in (widths, heights))
    slopes = F.pad(1e-3 + F.softplus(slopes), (1, 1), value=1.0)  # slope 1 at both tails, where it is the identity
    inside = y.abs() <= TAIL
    bin_ = (torch.searchsorted(edges_y, y.clamp(-TAIL, TAIL)[..., None], right=True) - 1).clamp(0, BINS - 1)
    x0, x1, y0, y1, d0, d1 = (
        table.gather(-1, bin_ + step)[..., 0] for table in (edges_x, edges_y, slopes) for step in (0, 1)
    )
    low, high = torch.zeros_like(y), torch.ones_like(y)
    for _ in range(60):
        t = (low + high) / 2
        s = (y1 - y0) / (x1 - x0)
        value = y0 + (y1 - y0) * (s * t**2 + d0 * t * (1 - t)) / (s + (d0 + d1 - 2 * s) * t * (1 - t))
        low, high = torch.where(value < y, t, low), torch.where(value < y, high, t)
    return torch.where(inside, x0 + (x1 - x0) * (low + high) / 2, y).to(dtype)


def edges(shares: Tensor) -> Tensor:
    """The borders of BINS bins between both tails, none narrower than a thousandth of all."""
    sizes = 1e-3 + (1 - 1e-3 * BINS) * shares.softmax(-1)
    return F.pad(2 * TAIL * sizes.cumsum(-1) - TAIL, (1, 0), value=-TAIL)


def decoder(w: dict[str, Tensor], latents: Tensor) -> Tensor:
    x = conv(w, "dec.conv_pre", latents)
    for i, (rate, size) in enumerate(zip(RATES, KERNELS, strict=True)):
        kernel, bias = kernel_of(w, f"dec.ups.{i}"), w[f"dec.ups.{i}.bias"]
        x = F.conv_transpose1d(F.leaky_relu(x, 0.1), kernel, bias, stride=rate, padding=(size - rate) // 2)
        blocks = [residual(w, i * len(RESBLOCKS) + j, x, d) for j, d in enumerate(RESBLOCKS.values())]
        x = torch.stack(blocks).mean(0)
    return conv(w, "dec.conv_post", F.leaky_relu(x, 0.01)).tanh()


def residual(w: dict[str, Tensor], block: int, x: Tensor, dilations: list[int]) -> Tensor:
    for k, dilation in enumerate(dilations):
        y = conv(w, f"dec.resblocks.{block}.convs1.{k}", F.leaky_relu(x, 0.1), dilation=dilation)
        x = x + conv(w, f"dec.resblocks.{block}.convs2.{k}", F.leaky_relu(y, 0.1))
    return x


def speak(w: dict[str, Tensor], ids: Tensor, duration_noise: Tensor | None, noise: Tensor) -> Tensor:
    """The waveform (samples,) of one sentence, ids: (1, time), at the published scales: noise 0.667, durations 0.8.

    noise: (LATENT, frames or more), standard normal.
    """
    hidden, means, log_stddevs = text_encoder(w, ids)
    if duration_noise is None:
        log_durations = deterministic_log_durations(w, hidden)
    else:
        log_durations = stochastic_log_durations(w, hidden, 0.8 * duration_noise)
    frames = log_durations.exp().ceil().long()[0, 0]
    mean, log_stddev = (table.repeat_interleave(frames, 2) for table in (means, log_stddevs))
    x = mean + 0.667 * noise[None, :, : mean.shape[2]] * log_stddev.exp()
    return decoder(w, flow_reverse(w, x))[0, 0]


# --- the discriminator -----------------------------------------------------------------------------------------

PERIODS = (2, 3, 5, 7, 11)
SCALE_KERNELS, SCALE_STRIDES = (15, 41, 41, 41, 41, 5), (1, 4, 4, 4, 4, 1)
PUBLISHED = ((16, 64, 256, 1024, 1024, 1024), (1, 4, 16, 64, 256, 1), (32, 128, 512, 1024, 1024))


def discriminator_shapes(
    scale: tuple[int, ...], groups: tuple[int, ...], period: tuple[int, ...], periods: tuple[int, ...] = PERIODS
) -> dict[str, tuple[int, ...]]:
    layers = {f"0.convs.{i}": (scale[i], (1, *scale)[i] // groups[i], SCALE_KERNELS[i]) for i in range(len(scale))}
    layers["0.conv_post"] = (1, scale[-1], 3)
    for number in range(1, len(periods) + 1):
        layers |= {f"{number}.convs.{i}": (period[i], (1, *period)[i], 5, 1) for i in range(len(period))}
        layers[f"{number}.conv_post"] = (1, period[-1], 3, 1)
    return {f"discriminators.{name}.{part}": s for name, shape in layers.items() for part, s in normed(*shape).items()}


def make_discriminator_weights(*sizes: tuple[int, ...]) -> dict[str, Tensor]:
    return filled(discriminator_shapes(*sizes))


def discriminator_features(w: dict[str, Tensor], waveform: Tensor, groups: tuple[int, ...]) -> list[Tensor]:
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
