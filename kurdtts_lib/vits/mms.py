"""The discriminators that MMS publishes separately from its voices.

`facebook/mms-tts-<code>` on the hub is a voice for inference. The discriminator of its training is in another
repository, in the layout of the published VITS code, and is downloaded from there once.
"""

import re
import shutil
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HTTPError, XetDownloadError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.core.files import atomic_path, locked
from kurdtts_lib.core.settings import home
from kurdtts_lib.vits import conversion
from kurdtts_lib.vits.discriminator import VitsDiscriminator

REPOSITORY = "facebook/mms-tts"


def mms_code(base_voice: str) -> str | None:
    """The language code of an MMS voice, from its name on the hub; None for any other voice."""
    name = re.fullmatch(r"facebook/mms-tts-([\w-]+)", base_voice)
    return name[1] if name else None


def mms_discriminator(base_voice: str) -> VitsDiscriminator:
    """The discriminator that the MMS voice `base_voice` was trained against.

    The first call downloads it (561 MB, two thirds of it optimizer state) to `models/cache` in the home, converts it to
    `models/cache/mms-discriminator-<code>.safetensors` (187 MB) and deletes the download. An interrupted download is
    kept, so that the next call can resume it. Every later call reads the converted file.

    Raises VoiceError with the reason if `base_voice` is not an MMS voice, or if its discriminator is unavailable: no
    network, not published, or published with the wrong content.
    """
    code = mms_code(base_voice)
    if code is None:
        raise VoiceError(f"{base_voice} is none of MMS's voices, whose discriminators are published.")
    cached = home() / "models" / "cache" / f"mms-discriminator-{code}.safetensors"
    with locked(cached):  # a concurrent training waits, then finds the file
        if not cached.is_file():
            _fetch(code, cached)
    discriminator = VitsDiscriminator(conversion.PUBLISHED_DISCRIMINATOR)
    try:
        discriminator.load_state_dict(load_file(cached))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise VoiceError(f"{cached} is damaged: {error} Delete it; it is then fetched again.") from error
    return discriminator


def _fetch(code: str, cached: Path) -> None:
    """Download and convert; afterwards `cached` is complete and the download deleted."""
    # Not into the hub's own cache, which would keep the optimizer state for good.
    folder = cached.with_name(f"download-{code}")
    try:
        download = hf_hub_download(REPOSITORY, f"full_models/{code}/D_100000.pth", local_dir=folder)
    except (OSError, HTTPError, XetDownloadError) as error:
        reason = str(error).strip().split("\n")[0]
        raise VoiceError(f"MMS's discriminator for {code} cannot be downloaded: {reason}") from error
    try:
        weights = conversion.read_discriminator(Path(download)).state_dict()
        with atomic_path(cached) as temporary:
            save_file(weights, temporary, {"format": "pt"})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
