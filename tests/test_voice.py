"""A saved voice is the same voice, for us and for plain transformers; a damaged one is an error."""

import dataclasses
import json
import random
import re

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import VitsModel, VitsTokenizer, pipeline

from kurdtts_lib.core.errors import TextError, VoiceError
from kurdtts_lib.speech.raw import speak
from kurdtts_lib.text import encode
from kurdtts_lib.vits.trainer import Trainer
from kurdtts_lib.vits.voice import Voice, apply_decoder_weight_norm, load_voice, save_voice

SENTENCE = "ez diçim malê"


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
    save_voice(voice, tmp_path / "voice", "# dengê biçûk\n")
    return tmp_path / "voice"


def test_plain_transformers_speaks_a_saved_voice_as_before(voice, saved):
    before = plain_speech(voice.model, voice.tokenizer)
    assert before.std() > 0.01
    model, tokenizer = VitsModel.from_pretrained(saved), VitsTokenizer.from_pretrained(saved)
    assert tokenizer.get_vocab() == voice.tokenizer.get_vocab()
    np.testing.assert_array_equal(plain_speech(model, tokenizer), before)


@pytest.mark.parametrize("stochastic", [False, True])
def test_transformers_pipeline_speaks_a_saved_voice_as_before(make_audible_voice, tmp_path, stochastic):
    voice = make_audible_voice(use_stochastic_duration_prediction=stochastic)
    voice.model.eval()
    expected = plain_speech(voice.model, voice.tokenizer)
    save_voice(voice, tmp_path / "voice", "")
    speaker = pipeline("text-to-speech", model=str(tmp_path / "voice"))
    torch.manual_seed(5)
    speech = speaker(SENTENCE)
    assert speech["sampling_rate"] == voice.model.config.sampling_rate
    np.testing.assert_array_equal(speech["audio"], expected)
    assert expected.std() > 0.01


@pytest.mark.parametrize("stochastic", [False, True])
def test_plain_transformers_speaks_a_trained_voice_as_before(
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
    save_voice(voice, tmp_path / "voice", "")
    model = VitsModel.from_pretrained(tmp_path / "voice").eval()
    after = plain_speech(model, VitsTokenizer.from_pretrained(tmp_path / "voice"))
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert before.std() > 0.01


def test_no_folder_of_this_computer_goes_with_a_voice(voice, tmp_path):
    save_voice(voice, tmp_path / "base", "")
    save_voice(load_voice(tmp_path / "base"), tmp_path / "voice", "")
    texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "voice").glob("*.json")]
    assert texts and not any(tmp_path.name in text for text in texts)


def test_saving_leaves_the_voice_in_memory_as_it_was(voice, tmp_path):
    apply_decoder_weight_norm(voice.model)
    before = {name: value.clone() for name, value in voice.model.state_dict().items()}
    save_voice(voice, tmp_path / "voice", "")
    after = voice.model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_weight_norm_is_applied_once_and_changes_no_sound(voice):
    before = plain_speech(voice.model, voice.tokenizer)
    apply_decoder_weight_norm(voice.model)
    names = list(voice.model.state_dict())
    apply_decoder_weight_norm(voice.model)
    assert list(voice.model.state_dict()) == names
    assert "decoder.upsampler.0.parametrizations.weight.original0" in names
    np.testing.assert_allclose(plain_speech(voice.model, voice.tokenizer), before, atol=1e-5)


def test_a_loaded_voice_is_the_saved_one(voice, saved):
    loaded = load_voice(saved)
    assert not loaded.model.training
    assert loaded.card == voice.card
    assert (saved / "README.md").read_text(encoding="utf-8") == "# dengê biçûk\n"
    np.testing.assert_array_equal(speak(loaded, SENTENCE), speak(voice, SENTENCE))
    assert loaded.discriminator.settings == voice.discriminator.settings
    found, expected = loaded.discriminator.state_dict(), voice.discriminator.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_voice_without_discriminator_and_card_loads_without_them(voice, tmp_path):
    save_voice(Voice(voice.model, voice.tokenizer), tmp_path / "voice", "")
    (tmp_path / "voice" / "voice.json").unlink()
    loaded = load_voice(str(tmp_path / "voice"))
    assert loaded.discriminator is None
    assert loaded.card == {}


def test_half_precision_is_half_the_size_and_nearly_the_same_sound(voice, saved, tmp_path):
    save_voice(voice, tmp_path / "half", "", half_precision=True)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path / "half", saved)]
    assert 0.4 < sizes[0] / sizes[1] < 0.65
    loaded = load_voice(tmp_path / "half")
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in loaded.discriminator.parameters()} == {torch.float32}
    before, after = speak(voice, SENTENCE), speak(loaded, SENTENCE)
    # 11 bits of mantissa in every weight: the difference stays 40 dB below the speech
    assert np.std(after - before) < 0.01 * np.std(before)
    assert not np.array_equal(after, before)


def test_samples_are_kept_beside_the_voice(voice, tmp_path):
    waveform = np.full(800, 0.25, dtype=np.float32)
    save_voice(voice, tmp_path / "voice", "", samples={"malê.wav": waveform})
    samples, rate = soundfile.read(tmp_path / "voice" / "samples" / "malê.wav")
    assert rate == 16_000
    np.testing.assert_allclose(samples, waveform, atol=1e-4)


OLD_NAMES = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


def with_old_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for new, old in OLD_NAMES.items():
        state = {name.replace(new, old): value for name, value in state.items()}
    return state


def with_split_decoder(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Length and direction in place of the decoder's weights, as in a model that was saved while it was trained."""
    for name in list(state):
        if re.fullmatch(r"decoder\.(upsampler|resblocks)\..*\.weight", name):
            weight = state.pop(name)
            length = weight.flatten(1).norm(dim=1).view(-1, 1, 1)
            state[name.replace("weight", "parametrizations.weight.original0")] = length
            state[name.replace("weight", "parametrizations.weight.original1")] = 3 * weight  # any length will do
    return state


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("old_names", [False, True])
@pytest.mark.parametrize("split_decoder", [False, True])
def test_old_and_new_names_of_weight_norm_load_from_both_files(voice, saved, file, old_names, split_decoder):
    state = load_file(saved / "model.safetensors")
    names = set(state)
    state = with_split_decoder(state) if split_decoder else state
    state = with_old_names(state) if old_names else state
    assert (set(state) != names) == (old_names or split_decoder)
    (saved / "model.safetensors").unlink()
    if file == "pytorch_model.bin":
        torch.save(state, saved / file)
    else:
        save_file(state, saved / file, {"format": "pt"})

    loaded = load_voice(saved)
    expected = speak(voice, SENTENCE)
    assert expected.std() > 0.01
    np.testing.assert_allclose(speak(loaded, SENTENCE), expected, atol=1e-5 if split_decoder else 0)
    assert type(loaded.model) is VitsModel
    assert set(loaded.model.state_dict()) == names  # a voice like any other: it can be trained and saved
    apply_decoder_weight_norm(loaded.model)
    save_voice(loaded, saved, "")
    np.testing.assert_allclose(plain_speech(VitsModel.from_pretrained(saved), voice.tokenizer),
                               plain_speech(voice.model, voice.tokenizer), atol=1e-5)  # fmt: skip


def test_a_flows_layer_that_was_saved_split_is_folded_too(voice, saved):
    """Others train with weight norm on layers where transformers has none, not on the decoder's only."""
    state = load_file(saved / "model.safetensors")
    weight = state.pop("flow.flows.1.conv_pre.weight")
    state["flow.flows.1.conv_pre.weight_g"] = weight.norm(dim=1, keepdim=True)
    state["flow.flows.1.conv_pre.weight_v"] = 0.5 * weight
    save_file(state, saved / "model.safetensors", {"format": "pt"})
    np.testing.assert_allclose(speak(load_voice(saved), SENTENCE), speak(voice, SENTENCE), atol=1e-5)


def test_loading_a_split_decoder_leaves_transformers_messages_as_they_were(saved, caplog):
    from transformers.utils import logging

    before = logging.get_verbosity()
    change_weights(saved / "model.safetensors", with_split_decoder)
    load_voice(saved)
    assert logging.get_verbosity() == before
    assert "UNEXPECTED" not in caplog.text


@pytest.mark.parametrize("damage", ["half", "noise", "empty", "foreign"])
def test_a_damaged_pytorch_file_is_a_voice_error(saved, damage):
    state = load_file(saved / "model.safetensors")
    (saved / "model.safetensors").unlink()
    path = saved / "pytorch_model.bin"
    torch.save({"model": print} if damage == "foreign" else state, path)
    whole = path.read_bytes()
    content = {"half": whole[: len(whole) // 2], "noise": np.random.default_rng(0).bytes(500), "empty": b""}
    path.write_bytes(content.get(damage, whole))
    with pytest.raises(VoiceError, match=re.escape(str(saved))):
        load_voice(saved)


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
        ("missing", "decoder.conv_pre.weight", lambda s: s.pop("decoder.conv_pre.weight")),
        ("missing", "flow.flows.0.conv_post.bias", lambda s: s.pop("flow.flows.0.conv_post.bias")),
        ("unexpected", "decoder.extra", lambda s: s.update({"decoder.extra": torch.zeros(2)})),
        ("missing|unexpected", "decoder.upsampler.0", lambda s: s.update(
            {"decoder.upsampler.0.parametrizations.weight.original1": s.pop("decoder.upsampler.0.weight")})),
        ("missing", "decoder.resblocks.1.convs2.0.weight", lambda s: [
            with_split_decoder(s), s.pop("decoder.resblocks.1.convs2.0.parametrizations.weight.original0")]),
        ("mismatched", "decoder.conv_pre.bias", lambda s: s.update({"decoder.conv_pre.bias": torch.zeros(3)})),
    ],
)  # fmt: skip
def test_a_weight_too_many_too_few_or_of_another_shape_is_an_error_that_names_it(saved, kind, key, change):
    change_weights(saved / "model.safetensors", change)
    with pytest.raises(VoiceError, match=f"({kind}).*{re.escape(key)}"):
        load_voice(saved)


def test_a_discriminator_that_does_not_fit_its_settings_is_an_error_that_names_its_file(saved):
    change_weights(saved / "discriminator.safetensors", lambda state: state.popitem())
    with pytest.raises(VoiceError, match=r"discriminator\.safetensors"):
        load_voice(saved)


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "config.json", "vocab.json", "discriminator.safetensors", "discriminator.json", "voice.json"],
)
@pytest.mark.parametrize("damage", ["half", "noise"])
def test_a_damaged_file_is_a_voice_error(saved, name, damage):
    whole = (saved / name).read_bytes()
    (saved / name).write_bytes(whole[: len(whole) // 2] if damage == "half" else np.random.default_rng(0).bytes(500))
    with pytest.raises(VoiceError, match=re.escape(str(saved))):
        load_voice(saved)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.json", "discriminator.json"])
def test_a_missing_file_is_a_voice_error(saved, name):
    (saved / name).unlink()
    with pytest.raises(VoiceError, match=re.escape(str(saved))):
        load_voice(saved)


def test_a_voice_that_does_not_exist_is_an_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(VoiceError, match="tune"):
        load_voice(tmp_path / "tune")


def test_several_speakers_are_an_error(make_voice, tmp_path):
    save_voice(make_voice(num_speakers=3, speaker_embedding_size=4), tmp_path / "voice", "")
    with pytest.raises(VoiceError, match="3 speakers"):
        load_voice(tmp_path / "voice")


def test_a_failure_in_the_middle_of_saving_leaves_the_old_voice(voice, saved, monkeypatch):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def disk_full(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr(voice.tokenizer, "save_pretrained", disk_full)
    with torch.no_grad():
        voice.model.decoder.conv_post.weight.zero_()
    with pytest.raises(OSError, match="disk full"):
        save_voice(voice, saved, "new")
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert sorted(path.name for path in saved.parent.iterdir() if path.name.startswith((".", "voice"))) == ["voice"]


def test_saving_again_replaces_the_whole_folder(voice, saved):
    (saved / "left-over.txt").write_text("of the old voice", encoding="utf-8")
    voice.card = {"name": "nû"}
    save_voice(voice, saved, "new")
    assert json.loads((saved / "voice.json").read_text(encoding="utf-8")) == {"name": "nû"}
    assert not (saved / "left-over.txt").exists()


@pytest.fixture(params=[False, True], ids=["deterministic", "stochastic"])
def speaker(request, make_audible_voice) -> Voice:
    return make_audible_voice(use_stochastic_duration_prediction=request.param)


def test_the_same_seed_says_the_same_samples_and_another_seed_others(speaker):
    first = speak(speaker, SENTENCE, seed=3)
    torch.rand(7)
    assert first.dtype == np.float32 and first.ndim == 1 and np.abs(first).max() <= 1
    assert len(first) % 256 == 0
    np.testing.assert_array_equal(speak(speaker, SENTENCE, seed=3), first)
    other = speak(speaker, SENTENCE, seed=4)
    assert len(other) != len(first) or not np.array_equal(other, first)


def test_speaking_says_what_the_model_says_of_our_ids(voice):
    torch.manual_seed(3)
    ids = torch.tensor([encode("jin û jiyan", voice.tokenizer)])
    with torch.no_grad():
        expected = voice.model(input_ids=ids, attention_mask=torch.ones_like(ids)).waveform[0].numpy()
    np.testing.assert_allclose(speak(voice, "Jin û jiyan!", seed=3), expected, atol=1e-6)


@pytest.mark.parametrize("generator", ["torch", "numpy", "python"])
def test_speaking_leaves_the_callers_random_numbers_alone(voice, generator):
    state = {"torch": torch.get_rng_state, "numpy": lambda: np.random.get_state()[1:3], "python": random.getstate}
    before = state[generator]()
    speak(voice, SENTENCE)
    assert str(state[generator]()) == str(before)


@pytest.mark.parametrize("training", [True, False])
def test_speaking_has_no_dropout_and_leaves_the_models_mode_alone(voice, training):
    expected = speak(voice, SENTENCE)
    voice.model.train(training)
    np.testing.assert_array_equal(speak(voice, SENTENCE), expected)
    assert voice.model.training is training
    assert voice.model.decoder.training is training


def test_speaking_does_not_touch_the_weights_gradients(voice):
    speak(voice, SENTENCE)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in voice.model.parameters())


@pytest.mark.parametrize(("text", "named"), [("ev ŵ e", "'ŵ'"), ("Мы", "'ы'"), ("☺", "'☺'"), ("Baş e. Ev س", "'س'")])
def test_text_that_the_voice_cannot_say_is_an_error_that_names_the_characters(voice, text, named):
    with pytest.raises(TextError, match=named):
        speak(voice, text)


def test_clauses_are_spoken_one_after_the_other_with_their_pauses(voice):
    rate = voice.model.config.sampling_rate
    spoken, first = speak(voice, "Roj baş, hevalno. Erê"), speak(voice, "Roj baş")
    silent = np.zeros(round(0.15 * rate), np.float32)
    assert np.array_equal(spoken[: len(first)], first)
    assert np.array_equal(spoken[len(first) : len(first) + len(silent)], silent)
    assert spoken[len(first) + len(silent)] != 0 and spoken[-1] != 0
    assert (spoken == 0).sum() >= round(0.45 * rate)


def test_text_without_a_word_is_an_error(voice):
    with pytest.raises(TextError, match="nothing to say"):
        speak(voice, " … ")


def test_an_error_while_speaking_leaves_the_models_mode_alone(voice, monkeypatch):
    voice.model.train()
    monkeypatch.setattr(voice.model.decoder, "forward", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        speak(voice, SENTENCE)
    assert voice.model.training
