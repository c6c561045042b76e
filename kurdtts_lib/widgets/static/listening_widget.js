// The listening test in a notebook, with the kernel at the other end. `listening_test.py` describes the messages.
import { Kernel } from "./kernel.js";

function render({ model, el }) {
  const kernel = new Kernel(model);
  const labels = model.get("_labels");
  const language = model.get("_language");
  const ask = (message) => kernel.ask(message, [], (reject) => reject(new Error(labels[language].late)));
  const urls = new Map();
  const shell = {
    open: (code) => ask({ kind: "open", code }),
    answer: (code, given) => ask({ kind: "answer", code, given }),
    end() {},
    async url(sound) {
      if (!urls.has(sound)) {
        const bytes = await ask({ kind: "sound", sound });
        urls.set(sound, URL.createObjectURL(new Blob([bytes], { type: "audio/wav" })));
      }
      return urls.get(sound);
    },
  };
  const view = mountListening(el, { labels, language, code: model.get("_code"), shell });
  return () => {
    view.close();
    kernel.close();
    for (const url of urls.values()) URL.revokeObjectURL(url);
  };
}

export default { render };
