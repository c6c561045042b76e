"""Export of a voice to files that run without torch: ONNX, 8-bit ONNX, and the format of sherpa-onnx."""
