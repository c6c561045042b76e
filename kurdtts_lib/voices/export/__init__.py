"""A voice as files that speak without torch: ONNX, ONNX in 8 bits, and the form that sherpa-onnx reads."""
