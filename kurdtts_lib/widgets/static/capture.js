// A microphone in a web page: one take of 16-bit samples, a level, errors as codes. No notebook and no interface in
// here, so that any page can use it. The codes have their sentences in labels.json.

const SAMPLING_RATE = 48000; // a minute has 5.8 MB: less than the 10 MiB at which a notebook's socket drops
const PATIENCE_MS = 5000; // a microphone that has sent nothing for so long will send nothing
const BEHIND_MS = 20; // sound that stays so far behind the clock is lost
const DRIFT = 0.0005; // how much two clocks of one computer may differ
const EDGE = 100; // -50 dB of full scale: a pause is quieter, and holds what it likes
const FADED = 0.2; // a program that silences pauses fades the sound: its last moment is far below the one before
const HELD = 64; // equal samples in a row: 1.3 ms. No voice does this, and what a browser puts in place of sound is longer
const REPEATED = 96; // equal to what was there shortly before; the least that a browser repeats is 128
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

// Runs in the browser's sound thread, and keeps the whole take there: a busy page loses nothing. A browser stumbles
// when a microphone opens, so the first quarter of a second is no part of the take. `missing` counts samples between
// the frame numbers; `delays` holds, of each half second, the least by which the sound is behind the clock, in ms.
export const WORKLET = `
class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.sound = new Int16Array(processorOptions.longest);
    this.filled = this.missing = 0;
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
    if (this.ended || !input) return !this.ended;
    this.first ??= currentFrame + sampleRate / 4;
    if (currentFrame < this.first) return true;
    if (this.filled) this.missing += Math.abs(currentFrame - this.next);
    this.next = currentFrame + input.length;
    this.watch();
    for (const value of input) this.add(value);
    return true;
  }
  watch() {
    const now = Date.now();
    this.start ??= now;
    const half = Math.floor((2 * this.filled) / sampleRate);
    const delay = now - this.start - (1000 * this.filled) / sampleRate;
    this.delays[half] = Math.min(this.delays[half] ?? Infinity, delay);
  }
  add(value) {
    if (this.ended) return;
    this.sound[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
    const size = Math.abs(value);
    if (size > this.peak) this.peak = size;
    if (size >= 0.99) this.clipped++;
    if (++this.measured >= sampleRate / 20) {
      this.port.postMessage({ level: { peak: this.peak, clipped: this.clipped, samples: this.filled } });
      this.newLevel();
    }
    if (this.filled === this.sound.length) this.end(true);
  }
  end(full = false) {
    if (this.ended) return;
    this.ended = true;
    const { missing, delays } = this;
    const sound = this.sound.slice(0, this.filled);
    this.port.postMessage({ ended: { sound, full, missing, delays } }, [sound.buffer]);
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
  let source = null;
  try {
    source = sourceOf(stream);
    const address = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
    await source.context.audioWorklet.addModule(address).finally(() => URL.revokeObjectURL(address));
    await source.context.resume();
  } catch (error) {
    stream.getTracks().forEach((track) => track.stop());
    source?.context.close();
    throw new CaptureError("no_sound", error.message);
  }
  return new Microphone(stream, source);
}

function sourceOf(stream) {
  const context = new AudioContext({ sampleRate: SAMPLING_RATE });
  try {
    return context.createMediaStreamSource(stream);
  } catch (error) {
    context.close();
    if (error.name !== "NotSupportedError") throw error;
    return new AudioContext().createMediaStreamSource(stream); // a browser that does not resample: the device's rate
  }
}

class Microphone {
  constructor(stream, source) {
    this.stream = stream;
    this.source = source;
    this.context = source.context;
    this.samplingRate = source.context.sampleRate;
    this.closed = false;
  }

  /**
   * Start recording, for `longest` samples at most. `onStart()` is called at the first sound: only now should anybody
   * speak. Then `onLevel({peak, clipped, samples})` twenty times a second, peak in 0..1, clipped samples of this level,
   * samples so far. `onFull()`: the longest take is there. `onFailure(code)` ends it; the device is free then.
   */
  start(listener, longest) {
    this.listener = listener;
    this.started = false;
    this.whole = new Promise((resolve) => (this.ended = resolve));
    const options = { channelCount: 1, channelCountMode: "explicit", processorOptions: { longest } };
    this.node = new AudioWorkletNode(this.context, "kurdtts-capture", options);
    this.node.port.onmessage = ({ data }) => this.#hear(data);
    this.node.onprocessorerror = () => this.#fail("no_sound");
    this.stream.getAudioTracks()[0].onended = () => this.#fail("unplugged");
    this.context.onstatechange = () => this.context.state === "running" || this.#fail("unplugged");
    this.timer = setTimeout(() => this.#fail("no_sound"), PATIENCE_MS);
    // Connected to the loudspeaker, because a node that leads nowhere may sleep; it gives out silence.
    this.source.connect(this.node).connect(this.context.destination);
  }

  /** Stop, and free the device. Gives the take as Int16Array, or throws CaptureError where it is not whole. */
  async stop() {
    const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, null));
    this.node.port.postMessage("end");
    const take = await Promise.race([this.whole, late]);
    this.close();
    if (!take) throw new CaptureError("incomplete");
    if (hasGap(take)) throw new CaptureError("gap");
    return take.sound;
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

  #hear({ level, ended }) {
    if (this.closed) return;
    clearTimeout(this.timer);
    if (!this.started) {
      this.started = true;
      this.listener.onStart();
    }
    if (level) this.listener.onLevel(level);
    if (ended) this.ended(ended);
    if (ended?.full) this.listener.onFull();
  }

  #fail(code) {
    if (this.closed) return;
    this.close();
    this.listener.onFailure(code);
  }
}

/**
 * Whether sound was lost: in the worklet, behind the clock, or where a browser or a driver put something in its place:
 * samples that are held or repeated in the middle of sound.
 */
export function hasGap({ sound, missing, delays }) {
  return missing > 0 || fellBehind(delays) || isHeld(sound) || isRepeated(sound);
}

/** Whether the sound fell behind the clock and stayed there. It falls back where it came late and nothing is lost. */
function fellBehind(delays) {
  const least = (from, to) => Math.min(...delays.slice(from, to));
  const allowed = BEHIND_MS + DRIFT * 500 * delays.length;
  return delays.slice(0, -2).some((_, i) => least(i + 1) - least(0, i + 1) > allowed); // the last may be a moment only
}

/** A run of one value, where sound ends from one sample to the next. */
function isHeld(sound) {
  let begin = 0;
  for (let i = 1; i <= sound.length; i++) {
    if (sound[i] === sound[begin]) continue;
    const clipped = Math.abs(sound[begin]) > 32000;
    if (i - begin >= HELD && !clipped && isCut(sound, begin)) return true;
    begin = i;
  }
  return false;
}

function isCut(sound, end) {
  const peak = (part) => part.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const start = Math.max(0, end - HELD);
  const last = peak(sound.subarray(start, end));
  return last > EDGE && last > FADED * peak(sound.subarray(Math.max(0, start - 8 * HELD), start));
}

/** A piece that stands there twice, exactly: in noise, and a microphone's sound holds noise, this does not happen. */
function isRepeated(sound) {
  const places = new Int32Array(2 ** 16).fill(-1); // where four such samples stood last
  for (let i = 0; i + REPEATED <= sound.length; i++) {
    const mixed = Math.imul(sound[i], 31) + Math.imul(sound[i + 1], 1009) + Math.imul(sound[i + 2], 40503) + sound[i + 3];
    const key = mixed & 0xffff;
    if (places[key] >= 0 && isSame(sound, places[key], i)) return true;
    places[key] = i;
  }
  return false;
}

function isSame(sound, first, second) {
  let changes = 0;
  for (let i = 0; i < REPEATED; i++) {
    const value = sound[second + i];
    if (value !== sound[first + i]) return false;
    if (Math.abs(value) > EDGE && value !== sound[second + i - 1]) changes++;
  }
  return changes > REPEATED / 2; // silence and cut peaks are the same everywhere
}

/** A file that the browser reads, as a take such as the microphone's; null where it does not read it. */
export async function decodeFile(content) {
  const reader = new OfflineAudioContext(1, 1, SAMPLING_RATE);
  const decoded = await reader.decodeAudioData(content.slice(0)).catch(() => null); // it takes its content away
  if (!decoded) return null;
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, i) => decoded.getChannelData(i));
  const data = Int16Array.from(channels[0], (_, i) => {
    const mean = channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length;
    return Math.round(32767 * Math.max(-1, Math.min(1, mean)));
  });
  return { source: "microphone", samplingRate: SAMPLING_RATE, data, sound: wavBlob(data, SAMPLING_RATE) };
}

/** An Int16Array as WAV, to hear it in the page. */
export function wavBlob(sound, samplingRate) {
  const view = new DataView(new ArrayBuffer(44));
  const text = (offset, word) => [...word].forEach((letter, i) => view.setUint8(offset + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + sound.byteLength, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // integers
  view.setUint16(22, 1, true); // mono
  view.setUint32(24, samplingRate, true);
  view.setUint32(28, 2 * samplingRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, sound.byteLength, true);
  return new Blob([view, sound], { type: "audio/wav" });
}
