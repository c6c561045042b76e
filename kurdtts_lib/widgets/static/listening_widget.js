// The listening test in a notebook: questions go to the kernel as messages with a number, answers come back with it.
// Sounds come as messages too: what is in a widget's state would be saved in the notebook's file.
const LISTENING_ANSWER_MS = 20000; // a kernel at work answers late

class KernelListening {
  constructor(model) {
    this.model = model;
    this.late = model.get("_labels")[model.get("_language")].late;
    this.view = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    this.number = 0;
    this.waiting = new Map();
    this.urls = new Map();
    this.hear = (message, buffers) => this.#hear(message, buffers);
    model.on("msg:custom", this.hear);
  }

  open(code) {
    return this.#ask({ kind: "open", code });
  }

  answer(code, given) {
    return this.#ask({ kind: "answer", code, given });
  }

  end() {}

  async url(sound) {
    if (!this.urls.has(sound)) {
      const bytes = await this.#ask({ kind: "sound", sound });
      this.urls.set(sound, URL.createObjectURL(new Blob([bytes], { type: "audio/wav" })));
    }
    return this.urls.get(sound);
  }

  close() {
    this.model.off("msg:custom", this.hear);
    for (const url of this.urls.values()) URL.revokeObjectURL(url);
  }

  #ask(message) {
    const request = `${this.view}-${this.number++}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#hear({ request, error: this.late }, []), LISTENING_ANSWER_MS);
      this.waiting.set(request, { resolve, reject, timer });
      this.model.send({ ...message, request });
    });
  }

  #hear({ request, result, error }, buffers) {
    const waiting = this.waiting.get(request);
    if (!waiting) return; // of another view of the same widget
    this.waiting.delete(request);
    clearTimeout(waiting.timer);
    if (error) waiting.reject(new Error(error));
    else waiting.resolve(buffers.length ? buffers[0] : result);
  }
}

function render({ model, el }) {
  const shell = new KernelListening(model);
  const labels = model.get("_labels");
  const view = mountListening(el, { labels, language: model.get("_language"), code: model.get("_code"), shell });
  return () => {
    view.close();
    shell.close();
  };
}

export default { render };
