"""Several speakers in one voice: conditioning, and folding one of them into a plain voice."""

import pytest
import torch
from transformers import VitsModel

from kurdtts_lib.core.errors import TrainingError, VoiceError
from kurdtts_lib.vits.batches import ClipReader, collate
from kurdtts_lib.vits.generator import TrainableVits
from kurdtts_lib.vits.speakers import add_speakers, fold_speakers, speaker_ids
from kurdtts_lib.vits.voice import Voice, load_unfolded, save_voice
from tests.tiny import AUDIO

NAMES = ["berfin", "azad", "evin"]


@pytest.fixture(params=[False, True], ids=["deterministic", "stochastic"])
def conditioned(request, make_voice) -> Voice:
    """A voice of three speakers whose projections are not zero."""
    torch.manual_seed(3)
    voice = make_voice(use_stochastic_duration_prediction=request.param)
    voice.model = add_speakers(voice.model, NAMES, 8).eval()
    for name, parameter in voice.model.named_parameters():
        if "cond" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    return voice


def spoken(model: VitsModel, **speaker) -> torch.Tensor:
    """By transformers' own forward, which knows of speakers."""
    torch.manual_seed(5)
    with torch.no_grad():
        return model(torch.arange(21).unsqueeze(0) % 30, **speaker).waveform


def test_new_speakers_sound_as_the_voice_did(make_voice):
    voice = make_voice()
    conditioned = add_speakers(voice.model, NAMES)
    assert speaker_ids(conditioned) == {"berfin": 0, "azad": 1, "evin": 2}
    for number in range(3):
        assert torch.equal(spoken(conditioned, speaker_id=number), spoken(voice.model))
    with pytest.raises(VoiceError, match="several speakers already: berfin, azad, evin"):
        add_speakers(conditioned, ["x"])


@pytest.mark.parametrize("number", range(3))
def test_a_folded_speaker_speaks_as_before(conditioned, number):
    folded = fold_speakers(conditioned.model, [NAMES[number]])
    expected = spoken(conditioned.model, speaker_id=number)
    assert folded.config.num_speakers == 1 and not speaker_ids(folded)
    assert torch.allclose(spoken(folded), expected, atol=1e-4 * expected.abs().max())
    others = [spoken(conditioned.model, speaker_id=other) for other in range(3) if other != number]
    assert all(other.shape != expected.shape or not torch.allclose(other, expected, rtol=0.1) for other in others)


def test_a_mix_is_the_mean_of_two_embeddings(conditioned):
    mixed = fold_speakers(conditioned.model, ["berfin", "evin"])
    with torch.no_grad():
        weight = conditioned.model.embed_speaker.weight
        weight[1] = (weight[0] + weight[2]) / 2
    assert torch.allclose(spoken(mixed), spoken(conditioned.model, speaker_id=1), atol=1e-5)


@pytest.mark.parametrize("names", [[], ["nobody"], ["berfin", "nobody"]])
def test_the_name_of_no_speaker_is_refused(conditioned, names):
    with pytest.raises(VoiceError, match="has the speakers berfin, azad, evin"):
        conditioned.speaking_as(*names)


def test_a_saved_voice_keeps_its_speakers(conditioned, tmp_path):
    save_voice(conditioned, tmp_path / "voice", "")
    loaded = load_unfolded(tmp_path / "voice")
    assert loaded.speakers == NAMES
    assert torch.equal(spoken(loaded.model, speaker_id=2), spoken(conditioned.model, speaker_id=2))
    plain = VitsModel.from_pretrained(tmp_path / "voice")
    assert torch.allclose(spoken(plain.eval(), speaker_id=2), spoken(conditioned.model, speaker_id=2), atol=1e-6)
    del conditioned.model.config.speaker_id_map  # as other programs save it
    assert conditioned.speakers == ["speaker-0", "speaker-1", "speaker-2"]


def test_each_clip_is_conditioned_on_its_speaker(conditioned, tone_clips):
    for number, clip in enumerate(tone_clips):
        clip.speaker = NAMES[number % 2]
    reader = ClipReader(tone_clips, conditioned.tokenizer, AUDIO, 4096, speaker_ids(conditioned.model))
    batch = collate([reader[0], reader[1], reader[2]])
    assert batch.speakers.tolist() == [0, 1, 0]
    outputs = TrainableVits(conditioned.model, AUDIO, 4096).train()(batch)
    (outputs.kl + outputs.duration + outputs.generated.square().mean()).backward()
    gradient = conditioned.model.embed_speaker.weight.grad
    assert gradient is not None and gradient[:2].abs().sum(1).min() > 0 and not gradient[2].any()
    tone_clips[1].speaker = "nobody"
    with pytest.raises(TrainingError, match="was read by 'nobody', and this voice has the speakers berfin"):
        ClipReader(tone_clips, conditioned.tokenizer, AUDIO, 4096, speaker_ids(conditioned.model))
