"""A recogniser in the form of sherpa-onnx hears what its frames say."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import sherpa_onnx
from onnx import TensorProto, helper, numpy_helper

from kurdtts_lib.core.errors import EvaluationError
from kurdtts_lib.evaluation.optional_metrics import load_recogniser
from kurdtts_lib.evaluation.sherpa_recogniser import CONSTRUCTORS

FRAME = 400
"""Samples, 25 ms."""


def save(folder: Path, model_type: str) -> str:
    """Omnilingual ASR in miniature: sound that swings up says ş, down says û, and silence says nothing."""
    folder.mkdir()
    weight = np.array([0, 1, -1])[:, None, None] * np.full((1, 1, FRAME), 1 / FRAME)
    constants = {"axis": np.array([1]), "weight": weight.astype(np.float32), "bias": np.float32([0.3, 0, 0])}
    graph = helper.make_graph(
        [
            helper.make_node("Unsqueeze", ["x", "axis"], ["channel"]),
            helper.make_node("Conv", ["channel", "weight", "bias"], ["frames"], strides=[FRAME]),
            helper.make_node("Transpose", ["frames"], ["logits"], perm=[0, 2, 1]),
        ],
        "ctc",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "samples"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", "frames", 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    helper.set_model_props(model, {"model_type": model_type})
    onnx.save(model, folder / "model.onnx")
    (folder / "tokens.txt").write_text("<s> 0\nş 1\nû 2\n", encoding="utf-8")
    return str(folder)


def test_a_ctc_model_hears_one_sound_after_the_other(tmp_path: Path) -> None:
    hear = load_recogniser(save(tmp_path / "recogniser ş", "omnilingual-asr"))
    sound = np.repeat(np.float32([0, 0.5, 0, -0.5, 0, 0.5, 0, -0.5]), 4000)
    assert [hear(sound, 16_000), hear(sound[8000:], 16_000), hear(sound[::2], 8000)] == ["şûşû", "ûşû", "şûşû"]
    assert hear(sound[:100], 16_000) == "", "too short"
    assert all(hasattr(sherpa_onnx.OfflineRecognizer, constructor) for constructor in CONSTRUCTORS.values())


def test_what_is_no_ctc_model_is_told(tmp_path: Path) -> None:
    folder = save(tmp_path / "other", "vits")
    with pytest.raises(EvaluationError, match=r"is of the type 'vits'\. What can be used: omnilingual-asr"):
        load_recogniser(folder)
    with pytest.raises(EvaluationError, match=r"sherpa-onnx cannot recognise with .*: .*vocab_size"):
        load_recogniser(save(tmp_path / "incomplete", "EncDecCTCModel"))  # sherpa-onnx ends the process
    (tmp_path / "other" / "model.onnx").write_text("no", encoding="utf-8")
    with pytest.raises(EvaluationError, match="cannot be read as ONNX"):
        load_recogniser(folder)
    (tmp_path / "other" / "model.int8.onnx").touch()
    with pytest.raises(EvaluationError, match=r"holds 2 \*\.onnx files"):
        load_recogniser(folder)
