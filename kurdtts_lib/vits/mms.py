"""The discriminators that MMS published apart from its voices.

`facebook/mms-tts-<code>` on the hub is a voice to speak with. What it was trained against lies in another repository,
in the layout of the published VITS code, and is fetched from there once.
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
    """The language code of one of MMS's voices by its name on the hub; None for any other voice."""
    name = re.fullmatch(r"facebook/mms-tts-([\w-]+)", base_voice)
    return name[1] if name else None


def mms_discriminator(base_voice: str) -> VitsDiscriminator:
    """The discriminator that the MMS voice `base_voice` was trained against.

    At the first call it is downloaded (561 MB, of which two thirds are an optimizer's state) into `models/cache` under
    the home, converted to `models/cache/mms-discriminator-<code>.safetensors` (187 MB), and the download is deleted.
    An interrupted download stays, so that the next call can go on with it. Every later call reads the converted file.

    Raises VoiceError with the reason if `base_voice` is none of MMS's, or if its discriminator cannot be had: no
    network, not published, or published with the wrong content.
    """
    code = mms_code(base_voice)
    if code is None:
        raise VoiceError(f"{base_voice} is none of MMS's voices, whose discriminators are published.")
    cached = home() / "models" / "cache" / f"mms-discriminator-{code}.safetensors"
    with locked(cached):  # another training that comes meanwhile waits, and finds it
        if not cached.is_file():
            _fetch(code, cached)
    discriminator = VitsDiscriminator(conversion.PUBLISHED_DISCRIMINATOR)
    try:
        discriminator.load_state_dict(load_file(cached))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise VoiceError(f"{cached} is damaged: {error} Delete it; it is then fetched again.") from error
    return discriminator


def _fetch(code: str, cached: Path) -> None:
    """Download and convert; afterwards `cached` is there as a whole, and the download is not."""
    # Not in the hub's own cache: that would keep the optimizer's state for good.
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
