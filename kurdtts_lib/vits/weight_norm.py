"""Weight norm of the voices: where training has it, where files have it, and under which names."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.utils import parametrize
from transformers import VitsModel

WEIGHT_NORM_NAMES = {
    "weight_g": "parametrizations.weight.original0",  # the magnitude
    "weight_v": "parametrizations.weight.original1",  # the direction
}
"""Names of a weight under torch's weight norm, the old ones and the new ones."""


def apply_decoder_weight_norm(model: VitsModel) -> None:
    """Split the decoder's weights into magnitude and direction for training, as in the published VITS."""
    if not parametrize.is_parametrized(model.decoder.upsampler[0]):
        model.decoder.apply_weight_norm()


def folded_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state that `VitsModel.from_pretrained` expects: weight norm folded into plain weights outside the WaveNets.

    transformers builds only the WaveNets of the flow and the posterior encoder with weight norm. A state with the
    decoder's weight norm unfolded would be loaded as a randomly initialised decoder.
    """
    folded = renamed_weight_norm(state)
    magnitude, direction = WEIGHT_NORM_NAMES.values()
    for name in [name for name in folded if name.endswith(magnitude) and ".wavenet." not in name]:
        layer = name.removesuffix(magnitude)
        folded[f"{layer}weight"] = torch._weight_norm(folded.pop(layer + direction), folded.pop(name), 0)
    return folded


def renamed_weight_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` with torch's new names of weight norm."""
    return {re.sub("weight_[gv]$", lambda old: WEIGHT_NORM_NAMES[old[0]], name): value for name, value in state.items()}
