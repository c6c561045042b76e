// A microphone in a web page: numbered 16-bit chunks, a level, errors as codes. No notebook and no interface in here,
// so that any page can use it. The codes have their sentences in labels.json.

const LOST_MS = 20; // browsers drop blocks of 10; the drift between two clocks is far below 1 in the two seconds compared
const CHUNK_SECONDS = 1; // a message of 96 kB at 48 kHz, far from the 10 MiB at which a notebook's socket drops
const PATIENCE_MS = 5000; // a microphone that has sent nothing for so long will send nothing
const WISHES = {
  audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
};
const CODES = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "no_device",
  OverconstrainedError: "no_device",
  NotReadableError: "in_use",
  AbortError: "in_use",
};

// Runs in the browser's sound thread: a busy page loses nothing. A computer so busy that the browser drops sound is
// found by the clock: of each half second the smallest delay of the samples behind the clock is kept. It wavers when the
// sound comes in bursts and falls back; where it rises and stays, sound is missing.
const WORKLET = `
class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.chunk = new Int16Array(sampleRate * ${CHUNK_SECONDS});
    this.filled = this.samples = this.chunks = 0;
    this.ended = false;
    this.delays = [];
    this.newLevel();
    this.port.onmessage = () => this.end();
  }
  newLevel() {
    this.peak = this.clipped = this.measured = 0;
  }
  process(inputs) {
    const input = inputs[0][0]; // the node mixes to mono
    if (!input || this.ended) return !this.ended;
    for (const value of input) this.add(value);
    this.watch();
    return true;
  }
  watch() {
    const now = Date.now();
    this.start ??= now;
    const delay = now - this.start - (1000 * this.samples) / sampleRate;
    const half = Math.floor((2 * this.samples) / sampleRate);
    const fresh = half >= this.delays.length;
    this.delays[half] = Math.min(this.delays[half] ?? Infinity, delay);
    if (fresh && this.lost(4)) this.port.postMessage({ lost: true });
  }
  lost(after) {
    const least = (from, to) => Math.min(...this.delays.slice(from, to));
    const place = this.delays.length - after;
    return place > 0 && least(place) - least(Math.max(0, place - 4), place) > ${LOST_MS};
  }
  add(value) {
    this.chunk[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
    this.samples++;
    const size = Math.abs(value);
    if (size > this.peak) this.peak = size;
    if (size >= 0.99) this.clipped++;
    if (++this.measured >= sampleRate / 20) {
      this.port.postMessage({ level: { peak: this.peak, clipped: this.clipped, samples: this.samples } });
      this.newLevel();
    }
    if (this.filled === this.chunk.length) this.flush();
  }
  flush() {
    const part = this.chunk.slice(0, this.filled);
    this.port.postMessage({ chunk: part }, [part.buffer]);
    this.filled = 0;
    this.chunks++;
  }
  end() {
    if (this.ended) return;
    this.ended = true;
    if (this.filled) this.flush();
    const lost = [1, 2, 3, 4].some((after) => this.lost(after));
    this.port.postMessage({ ended: { chunks: this.chunks, samples: this.samples, lost } });
  }
}
registerProcessor("kurdtts-capture", Capture);
`;

export class CaptureError extends Error {
  constructor(code, detail = "") {
    super(detail || code);
    this.code = code;
  }
}

/** Why this page can never record, as a code; null where it can. */
export function obstacle() {
  if (location.protocol === "vscode-webview:" || typeof globalThis.acquireVsCodeApi === "function") return "vscode";
  if (!globalThis.isSecureContext) return "insecure";
  if (!navigator.mediaDevices?.getUserMedia || !globalThis.AudioWorkletNode) return "no_worklet";
  return null;
}

/** Ask for the microphone. Gives a `Microphone` that is ready to start, or throws CaptureError. */
export async function openMicrophone() {
  const code = obstacle();
  if (code) throw new CaptureError(code);
  const stream = await navigator.mediaDevices.getUserMedia(WISHES).catch((error) => {
    const bySystem = error.name === "NotAllowedError" && /system/i.test(error.message);
    throw new CaptureError(bySystem ? "refused_system" : (CODES[error.name] ?? "no_sound"), error.message);
  });
  let context = null;
  try {
    context = contextFor(stream);
    const address = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
    await context.audioWorklet.addModule(address).finally(() => URL.revokeObjectURL(address));
    await context.resume();
  } catch (error) {
    stream.getTracks().forEach((track) => track.stop());
    context?.close();
    throw new CaptureError("no_sound", error.message);
  }
  return new Microphone(stream, context);
}

function contextFor(stream) {
  const sampleRate = stream.getAudioTracks()[0].getSettings().sampleRate;
  try {
    return new AudioContext(sampleRate ? { sampleRate } : {}); // the device's own rate: nothing is resampled here
  } catch (error) {
    if (error.name !== "NotSupportedError") throw error;
    return new AudioContext(); // a rate this browser cannot work at: its own choice
  }
}

class Microphone {
  constructor(stream, context) {
    this.stream = stream;
    this.context = context;
    this.samplingRate = context.sampleRate;
    this.chunks = 0;
    this.closed = false;
  }

  /**
   * Start recording. `onStart()` is called at the first sound: only now should anybody speak. Then `onChunk(int16,
   * number)` about once a second and `onLevel({peak, clipped, samples})` twenty times a second, peak in 0..1, clipped
   * samples of this level, samples so far. `onFailure(code)` ends it; the device is free then.
   */
  start(listener) {
    this.listener = listener;
    this.started = false;
    this.node = new AudioWorkletNode(this.context, "kurdtts-capture", { channelCount: 1, channelCountMode: "explicit" });
    this.node.port.onmessage = ({ data }) => this.#hear(data);
    this.node.onprocessorerror = () => this.#fail("no_sound");
    this.stream.getAudioTracks()[0].onended = () => this.#fail("unplugged");
    this.context.onstatechange = () => this.context.state === "running" || this.#fail("unplugged");
    this.timer = setTimeout(() => this.#fail("no_sound"), PATIENCE_MS);
    // Connected to the loudspeaker, because a node that leads nowhere may sleep; it gives out silence.
    this.context.createMediaStreamSource(this.stream).connect(this.node).connect(this.context.destination);
  }

  /** Stop, and free the device. Gives {chunks, samples} of the whole take; every chunk was handed over before. */
  async stop() {
    const whole = new Promise((resolve, reject) => {
      this.ended = resolve;
      setTimeout(() => reject(new CaptureError("incomplete")), PATIENCE_MS);
    });
    this.node.port.postMessage("end");
    try {
      const { chunks, samples, lost } = await whole;
      if (lost) throw new CaptureError("gap");
      if (chunks !== this.chunks) throw new CaptureError("incomplete");
      return { chunks, samples };
    } finally {
      this.close();
    }
  }

  /** Free the device; safe to call twice. */
  close() {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    this.context.onstatechange = null;
    this.node?.disconnect();
    this.stream.getTracks().forEach((track) => {
      track.onended = null;
      track.stop();
    });
    this.context.close();
  }

  #hear({ chunk, level, ended, lost }) {
    if (this.closed) return;
    clearTimeout(this.timer);
    if (!this.started) {
      this.started = true;
      this.listener.onStart();
    }
    if (chunk) this.listener.onChunk(chunk, this.chunks++);
    if (level) this.listener.onLevel(level);
    if (ended) this.ended(ended);
    if (lost) this.#fail("gap");
  }

  #fail(code) {
    if (this.closed) return;
    this.close();
    this.listener.onFailure(code);
  }
}

/** Int16Arrays as one WAV, to hear them in the page. */
export function wavBlob(parts, samplingRate) {
  const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const view = new DataView(new ArrayBuffer(44));
  const text = (offset, word) => [...word].forEach((letter, i) => view.setUint8(offset + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // integers
  view.setUint16(22, 1, true); // mono
  view.setUint32(24, samplingRate, true);
  view.setUint32(28, 2 * samplingRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  return new Blob([view, ...parts], { type: "audio/wav" });
}

/** Hand a file over in numbered chunks of a megabyte. Gives {chunks, size}, or throws CaptureError. */
export async function readInChunks(file, onChunk, chunkSize = 2 ** 20) {
  let chunks = 0;
  for (let start = 0; start < file.size; start += chunkSize) {
    const piece = await file.slice(start, start + chunkSize).arrayBuffer().catch((error) => {
      throw new CaptureError("unreadable", error.message); // changed or gone since it was chosen
    });
    onChunk(new Uint8Array(piece), chunks++);
  }
  return { chunks, size: file.size };
}
