// The recorder in a notebook: the panel, with the kernel at the other end. `takes.py` describes the messages.
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

  /** `onFailed(error)`: the kernel refuses the take while it is still under way. */
  begin({ source, samplingRate, onFailed, onLate }) {
    this.take = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    Object.assign(this, { onFailed, onLate });
    this.#send({ kind: "start", source, sampling_rate: samplingRate, round: this.model.get("_round") });
  }

  chunk(array, number) {
    this.#send({ kind: "chunk", number }, [array.buffer]);
  }

  /** Resolves to the take's seconds when the kernel has all of it, rejects with CaptureError when it has not. */
  end({ chunks, size }) {
    return new Promise((resolve, reject) => {
      this.onReceived = resolve;
      this.onFailed = reject;
      this.timer = setTimeout(this.onLate, ANSWER_MS);
      this.#send({ kind: "end", chunks, size });
    });
  }

  cancel() {
    const { take } = this;
    this.#done();
    if (take) this.#send({ kind: "cancel", take });
  }

  close() {
    this.cancel();
    this.model.off("msg:custom", this.listen);
  }

  #send(message, buffers = []) {
    try {
      this.model.send({ take: this.take, ...message }, undefined, buffers);
    } catch (error) {
      console.warn(error); // the kernel is gone, and with it the other end
      if (this.take) this.#hear({ kind: "failed", take: this.take, code: "no_answer", detail: error.message });
    }
  }

  #hear({ kind, take, seconds, code, detail }) {
    if (take !== this.take) return; // of another view of the same widget
    const { onReceived, onFailed } = this;
    this.#done();
    if (kind === "received") onReceived(seconds);
    else onFailed(new CaptureError(code, detail));
  }

  #done() {
    clearTimeout(this.timer);
    this.take = null;
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
  const tell = () => panel.tell(model.get("message"));
  const changes = { "change:_round": show, "change:message": tell };
  for (const [name, callback] of Object.entries(changes)) model.on(name, callback);
  show();
  tell();
  return () => {
    for (const [name, callback] of Object.entries(changes)) model.off(name, callback);
    panel.close();
    channel.close();
  };
}

export default { render };
