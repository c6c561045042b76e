"""Settings of a training and of a training on corrections."""

import dataclasses
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

LARGEST = sys.float_info.max
BELOW_ONE = math.nextafter(1.0, 0.0)
COUNTS = {"steps", "batch_size", "accumulation", "segment_samples", "validate_every", "validation_clips"}
COUNTS |= {"patience", "checkpoint_every", "keep_checkpoints"}
"""Settings that are at least 1; all other numbers are at least 0."""


def check_ranges(settings: object, ranges: Mapping[str, tuple[float, float]], lowest: float = -LARGEST) -> None:
    """Raise ValueError for a number outside its range, both ends included; without one it is finite and >= lowest."""
    for name, value in vars(settings).items():
        low, high = ranges.get(name, (lowest, LARGEST))
        if isinstance(value, int | float) and not low <= value <= high:
            wanted = f"be a number from {low:g} up" if high > 1 else f"lie between {low:g} and {high:g}"
            raise ValueError(f"{name}={value} must {wanted if low > -LARGEST else 'be a finite number'}")


@dataclass(frozen=True)
class LossWeights:
    """Weights of the losses, those of finetune-hf-vits for MMS; `discriminator` is used in the D step."""

    mel: float = 35.0
    kl: float = 1.5
    duration: float = 1.0
    generator: float = 1.0
    feature_matching: float = 1.0
    discriminator: float = 3.0
    stft: float = 0.0
    """Only for training from scratch: the harmonics of a low voice are finer than the mel bands."""


@dataclass(frozen=True)
class TrainingSettings:
    """One training. The defaults are known to work for fine-tuning MMS voices."""

    steps: int = 1500
    batch_size: int = 16
    """Clips per update, over all processes and micro-batches together."""
    accumulation: int = 1
    """Micro-batches per update: more of them need less memory and give the same update."""
    learning_rate: float = 2e-5
    discriminator_learning_rate: float | None = None
    """None: the generator's. For training from scratch use half of it, or the discriminator wins."""
    betas: tuple[float, float] = (0.8, 0.99)
    eps: float = 1e-9
    weight_decay: float = 0.01
    lr_decay: float = 0.999875
    """Factor on both learning rates after each epoch."""
    segment_samples: int = 8192
    """Length of the segment that is decoded for the losses: 0.5 s at 16 kHz. A multiple of hop_length."""
    gradient_clip: float = 1000.0
    """Largest gradient norm: a guard against rare exploding steps; ordinary VITS gradients stay below it."""
    adversarial_from: int = 0
    """First step at which the discriminator takes part. Above 0 only for training from scratch."""
    discriminator_warmup: int = 200
    """Steps in which only the discriminator is trained, if the base voice came without one: the gradients from a new
    one are noise. The sample after 60 steps of the generator: 7.5 dB too quiet without warm-up, 4.2 dB with 20 steps,
    2.3 dB with 100. The published discriminator is larger and has a lower learning rate, so it gets more steps."""
    validate_every: int = 100
    validation_clips: int = 32
    """Validation sentences spoken and measured each time, chosen by their hash; the mean of a few is noisy, and each
    takes up to a second."""
    patience: int | None = None
    """Validations without a better voice after which the training stops; None: never."""
    checkpoint_every: int = 200
    keep_checkpoints: int = 2
    """How many of the newest stay, 1.0 GB each for the full voice. Two, in case the newest one is damaged."""
    gradient_checkpointing: bool = False
    """Recompute the decoder's activations instead of storing them: less memory, more time, the same update."""
    mixed_precision: str = "no"
    """`no`, `fp16` or `bf16`."""
    frozen: tuple[str, ...] = ()
    """Parameters of the voice that do not learn, by the beginning of their names in `VitsModel`."""
    seed: int = 1
    weights: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        check_ranges(self, dict.fromkeys(COUNTS, (1, LARGEST)), lowest=0)
        check_ranges(self.weights, {}, lowest=0)
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas={self.betas} must be at least 0 and below 1")
        if self.mixed_precision not in ("no", "fp16", "bf16"):
            raise ValueError(f"mixed_precision={self.mixed_precision!r} must be 'no', 'fp16' or 'bf16'")


@dataclass(frozen=True)
class FeedbackSettings:
    """A training on corrections: only the reading learns, with ordinary recordings among them (replay)."""

    steps: int = 300
    learning_rate: float = 2e-5
    frozen: tuple[str, ...] = ("posterior_encoder", "flow", "decoder", "embed_speaker")
    """Parts that do not learn, so text encoder and durations do: corrections change how text is read, not how the voice
    sounds. There is no adversarial part then, and a step takes a fifth of the time."""
    base_share: float = 0.5
    """Share of ordinary recordings (replay) among the training clips, against forgetting. 0: corrections alone. Six
    corrections of one word, the sample's voice: with 0.75 the word is right after 80 steps, with 0.5 after 40, and the
    other words move by 1 dB in both."""
    held_out_share: float = 0.2
    """Share of corrections, by a hash of the sentence, that the voice is not trained on: they choose the best step."""
    validate_every: int = 50
    patience: int = 4
    """Validations without a better voice after which the training stops."""
    tolerance: float = 0.05
    """Largest relative rise of the mel distance of ordinary sentences; beyond it the voice does not become current."""

    def __post_init__(self) -> None:
        check_ranges(self, dict.fromkeys(("base_share", "held_out_share"), (0, BELOW_ONE)))


PRESETS: dict[str, dict] = {
    # Half a batch at a time fits into 16 GB of memory.
    "cpu": {"accumulation": 2, "mixed_precision": "no", "gradient_checkpointing": False},
    # An RTX 2070 (Turing) has no bf16.
    "gpu-8gb": {"accumulation": 2, "mixed_precision": "fp16", "gradient_checkpointing": True},
}
"""How a machine computes. The voice is the same up to rounding, so a stopped training may change its preset."""


def with_preset(training: TrainingSettings, name: str) -> TrainingSettings:
    """`training` with the preset called `name`. Raises ValueError for an unknown name."""
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}. Choose one of: {', '.join(PRESETS)}.")
    return dataclasses.replace(training, **PRESETS[name])
