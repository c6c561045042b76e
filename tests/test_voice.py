"""A saved voice is the same voice, for us and for plain transformers; a damaged one is an error."""

import dataclasses
import functools
import json
import re

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import VitsModel, VitsTokenizer, pipeline
from transformers.utils import logging

from kurdtts_lib.core.errors import VoiceError
from kurdtts_lib.speech import synthesis
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice, load_voice, save_voice
from kurdtts_lib.vits.weight_norm import apply_decoder_weight_norm

SENTENCE = "ez diçim malê"
speak = functools.partial(synthesis.speak, level=False)
SAMPLE = np.full(800, 0.25, dtype=np.float32)


def plain_speech(model: VitsModel, tokenizer: VitsTokenizer) -> np.ndarray:
    """What transformers alone says, without any code of ours."""
    torch.manual_seed(5)
    with torch.no_grad():
        return model(**tokenizer(SENTENCE, return_tensors="pt")).waveform[0].numpy()


@pytest.fixture
def voice(audible_voice) -> Voice:
    audible_voice.card = {"name": "dengê biçûk", "licence": "CC0", "steps": 3}
    audible_voice.model.eval()
    return audible_voice


@pytest.fixture
def saved(voice, tmp_path):
    save_voice(voice, tmp_path / "voice", "# dengê biçûk\n", samples={"malê.wav": SAMPLE})
    return tmp_path / "voice"


@pytest.mark.parametrize("stochastic", [False, True])
def test_transformers_pipeline_and_we_say_what_a_trained_voice_said_before_it_was_saved(
    make_audible_voice, tone_clips, few_steps, audio, tmp_path, stochastic
):
    voice = make_audible_voice(use_stochastic_duration_prediction=stochastic)
    settings = dataclasses.replace(few_steps, steps=2, learning_rate=3e-3)
    Trainer(voice, tone_clips, None, settings, audio, tmp_path / "run").run()
    halves = voice.model.decoder.upsampler[0].parametrizations.weight
    norms = halves.original1.flatten(1).norm(dim=1)
    assert not torch.allclose(halves.original0.flatten(), norms, rtol=1e-3)  # the length is not the direction's norm
    voice.model.eval()
    before = plain_speech(voice.model, voice.tokenizer)
    assert before.std() > 0.01
    save_voice(voice, tmp_path / "voice", "")
    speaker = pipeline("text-to-speech", model=str(tmp_path / "voice"))
    torch.manual_seed(5)
    speech = speaker(SENTENCE)
    assert speech["sampling_rate"] == voice.model.config.sampling_rate
    for after in (speech["audio"], speak(load_voice(tmp_path / "voice"), SENTENCE, seed=5)):
        np.testing.assert_allclose(after, before, atol=1e-5)


def test_weight_norm_is_applied_once_and_neither_it_nor_saving_changes_the_voice_in_memory(voice, tmp_path):
    before = plain_speech(voice.model, voice.tokenizer)
    apply_decoder_weight_norm(voice.model)
    state = {name: value.clone() for name, value in voice.model.state_dict().items()}
    assert "decoder.upsampler.0.parametrizations.weight.original0" in state
    np.testing.assert_allclose(plain_speech(voice.model, voice.tokenizer), before, atol=1e-5)
    apply_decoder_weight_norm(voice.model)
    save_voice(voice, tmp_path / "voice", "")
    after = voice.model.state_dict()
    assert list(after) == list(state)
    assert all(torch.equal(after[name], state[name]) for name in state)


def test_a_loaded_voice_is_the_saved_one_and_takes_no_folder_of_this_computer_along(voice, saved, tmp_path):
    loaded = load_voice(saved)
    save_voice(loaded, tmp_path / "again", "")
    texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "again").glob("*.json")]
    assert texts and not any(tmp_path.name in text for text in texts)
    assert not loaded.model.training
    assert loaded.card == voice.card
    assert (saved / "README.md").read_text(encoding="utf-8") == "# dengê biçûk\n"
    samples, rate = soundfile.read(saved / "samples" / "malê.wav")
    np.testing.assert_allclose(samples, SAMPLE, atol=1e-4)
    assert rate == 16_000
    np.testing.assert_array_equal(speak(loaded, SENTENCE), speak(voice, SENTENCE))
    assert loaded.discriminator.settings == voice.discriminator.settings
    found, expected = loaded.discriminator.state_dict(), voice.discriminator.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    for path in [*saved.glob("discriminator.*"), saved / "voice.json"]:  # as MMS's voices come
        path.unlink()
    assert (load_voice(str(saved)).discriminator, load_voice(saved).card) == (None, {})


def test_half_precision_is_half_the_size_and_nearly_the_same_sound(voice, saved, tmp_path):
    before = speak(voice, SENTENCE)
    voice.model.half()
    voice.discriminator.half()
    save_voice(voice, tmp_path / "half", "")
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path / "half", saved)]
    assert 0.4 < sizes[0] / sizes[1] < 0.65
    loaded = load_voice(tmp_path / "half")
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in loaded.discriminator.parameters()} == {torch.float32}
    after = speak(loaded, SENTENCE)
    # 11 bits of mantissa in every weight: the difference stays 40 dB below the speech
    assert np.std(after - before) < 0.01 * np.std(before)
    assert not np.array_equal(after, before)


def with_old_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    part = "parametrizations.weight.original"
    return {name.replace(f"{part}0", "weight_g").replace(f"{part}1", "weight_v"): v for name, v in state.items()}


def with_split_weights(state: dict[str, Tensor], layers: str = r"decoder\.(upsampler|resblocks)") -> dict[str, Tensor]:
    """Length and direction in place of these layers' weights, as in a model that was saved while it was trained."""
    for name in list(state):
        if re.fullmatch(rf"{layers}\..*weight", name):
            weight = state.pop(name)
            length = weight.flatten(1).norm(dim=1).view(-1, 1, 1)
            state[name.replace("weight", "parametrizations.weight.original0")] = length
            state[name.replace("weight", "parametrizations.weight.original1")] = 3 * weight  # any length will do
    return state


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("old_names", [False, True])
# Others train with weight norm on layers where transformers has none, too.
@pytest.mark.parametrize("split", ["", r"decoder\.(upsampler|resblocks)", r"flow\.flows\.1\.conv_pre"])
def test_old_and_new_names_of_weight_norm_load_from_both_files(voice, saved, caplog, file, old_names, split):
    state = load_file(saved / "model.safetensors")
    names = set(state)
    state = with_split_weights(state, split) if split else state
    state = with_old_names(state) if old_names else state
    assert (set(state) != names) == (old_names or split != "")
    (saved / "model.safetensors").unlink()
    if file == "pytorch_model.bin":
        torch.save(state, saved / file)
    else:
        save_file(state, saved / file, {"format": "pt"})

    verbosity = logging.get_verbosity()
    loaded = load_voice(saved)
    assert logging.get_verbosity() == verbosity and "UNEXPECTED" not in caplog.text
    expected = speak(voice, SENTENCE)
    assert expected.std() > 0.01
    np.testing.assert_allclose(speak(loaded, SENTENCE), expected, atol=1e-5 if split else 0)
    assert type(loaded.model) is VitsModel
    assert set(loaded.model.state_dict()) == names  # a voice like any other: it can be trained and saved
    apply_decoder_weight_norm(loaded.model)
    save_voice(loaded, saved, "")
    found, expected = (
        plain_speech(model, voice.tokenizer) for model in (VitsModel.from_pretrained(saved), voice.model)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("name", "value"), [("hidden_size", "many"), ("upsample_rates", [8, 8]), ("vocab_size", None)])
def test_a_wrong_value_in_the_config_is_a_voice_error_that_names_it(saved, name, value):
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    (saved / "config.json").write_text(json.dumps({**config, name: value}), encoding="utf-8")
    with pytest.raises(VoiceError, match=name):
        load_voice(saved)


def change_weights(path, change) -> None:
    state = load_file(path)
    change(state)
    save_file(state, path, {"format": "pt"})


@pytest.mark.parametrize(
    ("kind", "key", "change"),
    [
        ("Missing", "decoder.conv_pre.weight", lambda s: s.pop("decoder.conv_pre.weight")),
        ("Unexpected", "decoder.extra", lambda s: s.update({"decoder.extra": torch.zeros(2)})),
        ("Missing", "decoder.upsampler.0.weight", lambda s: s.update(
            {"decoder.upsampler.0.parametrizations.weight.original1": s.pop("decoder.upsampler.0.weight")})),
        ("Missing", "decoder.resblocks.1.convs2.0.weight", lambda s: [
            with_split_weights(s), s.pop("decoder.resblocks.1.convs2.0.parametrizations.weight.original0")]),
        ("size mismatch", "decoder.conv_pre.bias", lambda s: s.update({"decoder.conv_pre.bias": torch.zeros(3)})),
    ],
)  # fmt: skip
def test_a_weight_too_many_too_few_or_of_another_shape_is_an_error_that_names_it(saved, kind, key, change):
    change_weights(saved / "model.safetensors", change)
    with pytest.raises(VoiceError, match=f"{kind}.*{re.escape(key)}"):
        load_voice(saved)


@pytest.mark.parametrize(
    "name",
    [
        *("model.safetensors", "pytorch_model.bin", "config.json", "vocab.json"),
        *("discriminator.safetensors", "discriminator.json", "voice.json"),
    ],
)
@pytest.mark.parametrize("damage", ["half", "noise", "empty", "foreign", "gone"])
def test_a_damaged_or_missing_file_is_a_voice_error(saved, name, damage):
    path = saved / name
    if name == "pytorch_model.bin":
        torch.save(load_file(saved / "model.safetensors"), path)
        (saved / "model.safetensors").unlink()
    whole = path.read_bytes()
    content = {"half": whole[: len(whole) // 2], "noise": np.random.default_rng(0).bytes(500), "empty": b""}
    path.write_bytes(content.get(damage, whole))
    if damage == "foreign":
        torch.save({"model": print}, path)
    if damage == "gone":
        path.unlink()
        if name in ("voice.json", "discriminator.safetensors"):
            return  # a voice may come without them
    with pytest.raises(VoiceError, match=re.escape(str(saved))):
        load_voice(saved)


def test_a_voice_that_does_not_exist_is_an_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(VoiceError, match="tune"):
        load_voice(tmp_path / "tune")


def test_a_failure_in_the_middle_of_saving_leaves_the_old_voice(voice, saved, monkeypatch):
    before = {path: path.read_bytes() for path in saved.rglob("*.*")}

    def disk_full(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr(voice.tokenizer, "save_pretrained", disk_full)
    with torch.no_grad():
        voice.model.decoder.conv_post.weight.zero_()
    with pytest.raises(OSError, match="disk full"):
        save_voice(voice, saved, "new")
    assert {path: path.read_bytes() for path in saved.rglob("*.*")} == before
    assert sorted(path.name for path in saved.parent.iterdir() if path.name.startswith((".", "voice"))) == ["voice"]
