// The recorder in a notebook: the panel, with the kernel at the other end. `recorder.py` describes the messages.
import { CaptureError } from "./capture.js";
import { Kernel } from "./kernel.js";
import { mountPanel } from "./panel.js";

/** What the kernel refused has a code; without one the kernel is gone, and with it the other end. */
function failed({ code = "no_answer", message }) {
  throw new CaptureError(code, message);
}

function render({ model, el }) {
  const kernel = new Kernel(model);
  let round;
  const channel = {
    begin() {
      kernel.forget();
      round = model.get("_round");
      try {
        kernel.tell({ kind: "begin", round });
      } catch (error) {
        failed(error);
      }
    },
    send({ source, samplingRate, data }, onLate) {
      const message = { kind: "take", round, source, sampling_rate: samplingRate, size: data.length };
      return kernel.ask(message, [data.buffer], onLate).catch(failed);
    },
    cancel: () => kernel.forget(),
  };
  const panel = mountPanel(el, {
    channel,
    labels: model.get("_labels"),
    language: model.get("_language"),
    longestSeconds: model.get("_longest_seconds"),
    maxUploadBytes: model.get("_max_upload_bytes"),
  });
  const show = () => panel.show({ text: model.get("_sentence"), keptSeconds: model.get("_kept_seconds") });
  model.on("change:_round", show);
  show();
  return () => {
    model.off("change:_round", show);
    panel.close();
    kernel.close();
  };
}

export default { render };
