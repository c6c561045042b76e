// The kernel at the other end of a widget: each question has a name, and its answer comes back with it. Sounds travel as
// buffers: what is in a widget's state would be saved in the notebook's file.
const ANSWER_MS = 20000; // a kernel at work answers late

export class Kernel {
  constructor(model) {
    this.model = model;
    this.waiting = new Map();
    this.hear = (message, buffers) => this.#hear(message, buffers);
    model.on("msg:custom", this.hear);
  }

  tell(message, buffers = []) {
    this.model.send(message, undefined, buffers);
  }

  /** A promise of the answer: a value, or a buffer. `onLate(reject)` is called where none came in time. */
  ask(message, buffers, onLate) {
    const request = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => onLate(reject), ANSWER_MS);
      this.waiting.set(request, { resolve, reject, timer });
      this.tell({ ...message, request }, buffers);
    });
  }

  /** Take no answer any more to what was asked. */
  forget() {
    for (const { timer } of this.waiting.values()) clearTimeout(timer);
    this.waiting.clear();
  }

  close() {
    this.forget();
    this.model.off("msg:custom", this.hear);
  }

  #hear({ request, result, error, code }, buffers) {
    const waiting = this.waiting.get(request);
    if (!waiting) return; // of another view of the same widget
    this.waiting.delete(request);
    clearTimeout(waiting.timer);
    if (error) waiting.reject(Object.assign(new Error(error), { code }));
    else waiting.resolve(buffers.length ? buffers[0] : result);
  }
}
