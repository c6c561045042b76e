// The recorder in a notebook: the panel, with the kernel at the other end. `recorder.py` describes the messages.
import { CaptureError } from "./capture.js";
import { mountPanel } from "./panel.js";

const ANSWER_MS = 20000; // a kernel at work answers late; say so, and go on waiting

/** Sends one take at a time to the kernel, and hears whether it came whole. */
class KernelChannel {
  constructor(model) {
    this.model = model;
    this.listen = (message) => this.#hear(message);
    model.on("msg:custom", this.listen);
  }

  begin() {
    this.cancel();
    this.round = this.model.get("_round");
    this.#post({ kind: "begin", round: this.round });
  }

  send({ source, samplingRate, data }, onLate) {
    this.take = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    const { take, round } = this;
    const message = { kind: "take", take, round, source, sampling_rate: samplingRate, size: data.length };
    return new Promise((resolve, reject) => {
      this.onReceived = resolve;
      this.onFailed = reject;
      this.timer = setTimeout(onLate, ANSWER_MS);
      this.#post(message, [data.buffer]);
    });
  }

  cancel() {
    clearTimeout(this.timer);
    this.take = null;
  }

  close() {
    this.cancel();
    this.model.off("msg:custom", this.listen);
  }

  #post(message, buffers = []) {
    try {
      this.model.send(message, undefined, buffers);
    } catch (error) {
      throw new CaptureError("no_answer", error.message); // the kernel is gone, and with it the other end
    }
  }

  #hear({ kind, take, seconds, code, detail }) {
    if (take !== this.take) return; // of another view of the same widget
    this.cancel();
    if (kind === "received") this.onReceived(seconds);
    else this.onFailed(new CaptureError(code, detail));
  }
}

function render({ model, el }) {
  const channel = new KernelChannel(model);
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
    channel.close();
  };
}

export default { render };
