"""The published discriminators of MMS, which its voices on the hub come without.

`facebook/mms-tts-<code>` is a voice for inference. The discriminator of its training is in another repository, in the
layout of the published VITS code (Kim et al. 2021): `D_100000.pth` holds the weights under `model`, and an optimizer
state that is not needed.
"""

import re
import shutil
from pathlib import Path

from huggingface_hub import hf_hub_download
from safetensors.torch import load_file, save_file

from kurdtts_lib.core.files import atomic_path, locked
from kurdtts_lib.core.settings import home
from kurdtts_lib.vits.discriminator import DiscriminatorSettings, VitsDiscriminator
from kurdtts_lib.vits.voice import read_pickle, reading
from kurdtts_lib.vits.weight_norm import renamed_weight_norm

MMS = "facebook/mms-tts"
PUBLISHED_DISCRIMINATOR = DiscriminatorSettings()
"""The published code has these sizes only."""


def mms_code(base_voice: str) -> str | None:
    """The language code of an MMS voice, from its name on the hub; None for any other voice."""
    name = re.fullmatch(rf"{MMS}-([\w-]+)", base_voice)
    return name[1] if name else None


def mms_discriminator(code: str) -> VitsDiscriminator:
    """The discriminator that the MMS voice of the language `code` was trained against.

    The first call downloads it (561 MB, two thirds of it optimizer state) to `models/cache` in the home, converts it to
    `models/cache/mms-discriminator-<code>.safetensors` (187 MB) and deletes the download. An interrupted download is
    kept, so that the next call can resume it. Every later call reads the converted file.

    Raises VoiceError with the reason if it is unavailable: no network, not published, or published with the wrong
    content (MMS published one language's generator under this name).
    """
    cached = home() / "models" / "cache" / f"mms-discriminator-{code}.safetensors"
    discriminator = VitsDiscriminator(PUBLISHED_DISCRIMINATOR)
    with locked(cached):  # a concurrent training waits, then finds the file
        if not cached.is_file():
            _fetch(code, cached, discriminator)
    with reading(cached, "Delete it; it is then fetched again."):
        discriminator.load_state_dict(load_file(cached))
    return discriminator


def _fetch(code: str, cached: Path, discriminator: VitsDiscriminator) -> None:
    """Download, check by loading into `discriminator`, and convert; afterwards the download is deleted."""
    # Not into the hub's own cache, which would keep the optimizer state for good.
    folder = cached.with_name(f"download-{code}")
    with reading(f"MMS's discriminator for {code}"):
        download = Path(hf_hub_download(MMS, f"full_models/{code}/D_100000.pth", local_dir=folder))
    try:
        with reading(download, "It must be a discriminator of the published VITS code."):
            discriminator.load_state_dict(renamed_weight_norm(read_pickle(download)["model"]))
        with atomic_path(cached) as temporary:
            save_file(discriminator.state_dict(), temporary, {"format": "pt"})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
