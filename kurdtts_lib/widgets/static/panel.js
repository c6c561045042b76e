// What a reader sees and presses: a sentence, a level, a few buttons. Works in any page; `channel` brings the take away:
// begin(): the take before no longer counts; send({source, samplingRate, data}, onLate): a promise of its seconds;
// cancel().
import { CaptureError, decodeFile, obstacle, openMicrophone, wavBlob } from "./capture.js";

const QUIET_PEAK = 0.03; // -30 dB of full scale: a voice at arm's length reaches -20
const QUIET_AFTER_SECONDS = 3; // somebody who takes a breath first is not too quiet
const LOUD_SAMPLES = 3; // one or two samples at full scale are a click, three are a voice that is cut off
const FLOOR_DB = -60; // the meter's left end
const READ_BY_ALL = /^(RIFF|fLaC|OggS|ID3|\xff[\xe0-\xff])/; // how files of WAV, FLAC, OGG and MP3 begin
const STARTABLE = ["idle", "kept", "late"]; // late: the take is sent, but no answer came
const NO_SHORTCUTS = { "data-lm-suppress-shortcuts": "true" }; // in Jupyter the key R would make the cell raw

function build(labels, language) {
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const button = (name) => make("button", { type: "button", class: name });
  const parts = {
    read: make("p", { class: "kurdtts-read" }, labels.read),
    sentence: make("p", { class: "kurdtts-sentence", lang: "kmr" }),
    record: button("kurdtts-record kurdtts-main"),
    play: button("kurdtts-play"),
    file: make("input", { type: "file", accept: ".wav,.flac,.mp3,.ogg,.m4a,.webm,audio/*" }),
    bar: make("div", { class: "kurdtts-bar" }),
    levelText: make("span", { class: "kurdtts-level-text", "aria-hidden": "true" }),
    time: make("span", { class: "kurdtts-time", role: "timer", "aria-label": labels.time }),
    status: make("p", { class: "kurdtts-status", role: "status", "aria-live": "polite" }),
    warning: make("p", { class: "kurdtts-box kurdtts-warning", role: "status", "aria-live": "polite" }),
    error: make("p", { class: "kurdtts-box kurdtts-error", role: "alert" }),
  };
  const range = { "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0, "aria-valuetext": labels.level_silent };
  parts.meter = make("div", { class: "kurdtts-meter", role: "meter", "aria-label": labels.level, ...range }, parts.bar);
  // the browser's own words ("no file chosen") are hidden: they come in its language, and after an upload they are wrong
  parts.upload = make("label", { class: "kurdtts-upload kurdtts-button" }, parts.file, labels.upload);
  parts.root = make(
    "section",
    { class: "kurdtts kurdtts-recorder", lang: language, tabindex: 0, "aria-label": labels.recorder, ...NO_SHORTCUTS },
    parts.read,
    parts.sentence,
    make("div", { class: "kurdtts-row" }, parts.record, parts.play, parts.time),
    make("div", { class: "kurdtts-row" }, parts.meter, parts.levelText),
    parts.status,
    parts.error,
    parts.warning,
    parts.upload,
    make("p", { class: "kurdtts-keys" }, labels.keys),
  );
  return parts;
}

/** Seconds as minutes and seconds, 1:05. */
function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

/** Put a recorder into `el`. Gives {show({text, keptSeconds}), translate(labels, language), close()}. */
export function mountPanel(el, options) {
  const panel = new Panel(options);
  el.append(panel.parts.root);
  return panel;
}

class Panel {
  constructor({ channel, labels, language, longestSeconds, maxUploadBytes }) {
    Object.assign(this, { channel, labels, longestSeconds, maxUploadBytes });
    this.values = { longest: clock(longestSeconds), megabytes: Math.round(maxUploadBytes / 2 ** 20) };
    this.player = new Audio();
    this.player.onplay = this.player.onpause = this.player.onended = () => this.#draw();
    this.attempt = 0; // grows whenever what is under way is dropped: whoever waited looks whether it is still wanted
    this.state = "idle";
    this.keptSeconds = 0;
    this.said = [""]; // what the error says: its code, and words for one that has none
    this.#build(language);
  }

  #build(language) {
    this.parts = build(this.labels, language);
    this.parts.record.onclick = () => this.#toggle();
    this.parts.play.onclick = () => this.#play();
    this.parts.file.onclick = (event) => STARTABLE.includes(this.state) || event.preventDefault();
    this.parts.file.onchange = () => this.#upload();
    this.parts.root.onkeydown = (event) => this.#key(event);
  }

  /** The same in another language; a take stays, and a recording goes on. */
  translate(labels, language) {
    const { root, sentence, warning } = this.parts;
    this.labels = labels;
    this.#build(language);
    root.replaceWith(this.parts.root);
    this.#sentence(sentence.textContent);
    this.#time(this.keptSeconds);
    this.#error(...this.said);
    if (warning.textContent) this.#warn(true);
    this.#draw();
  }

  #sentence(text) {
    this.parts.sentence.textContent = text;
    this.parts.sentence.hidden = this.parts.read.hidden = !text;
  }

  /** Another sentence; whatever was under way is dropped. `keptSeconds`: of a take that was made before, else 0. */
  show({ text, keptSeconds }) {
    const busy = !STARTABLE.includes(this.state);
    this.#drop();
    this.#sentence(text);
    this.keptSeconds = keptSeconds;
    this.#time(keptSeconds);
    this.#enter(keptSeconds ? "kept" : "idle");
    this.#error(obstacle() ?? (busy ? "text_changed" : ""));
  }

  close() {
    this.#drop();
  }

  #drop() {
    this.attempt++;
    this.microphone?.close();
    this.microphone = null;
    this.channel.cancel();
    this.#forgetSound();
    this.#level(0);
    this.parts.warning.textContent = "";
  }

  #forgetSound() {
    this.player.pause();
    if (this.player.src) URL.revokeObjectURL(this.player.src);
    this.player.removeAttribute("src");
    this.keptSeconds = 0;
  }

  #toggle() {
    if (STARTABLE.includes(this.state)) this.#record();
    else if (this.state === "recording") this.#stop();
  }

  async #record() {
    if (this.state === "late") this.#drop();
    const attempt = ++this.attempt;
    this.player.pause();
    this.#error("");
    this.#enter("opening");
    let microphone;
    try {
      microphone = await openMicrophone();
    } catch (error) {
      if (attempt === this.attempt) this.#refused(error); // the take before is still there
      return;
    }
    if (attempt !== this.attempt) return microphone.close(); // another sentence came while the browser asked
    this.microphone = microphone;
    this.sound = { peak: 0, clipped: 0 };
    const most = Math.min(this.longestSeconds * microphone.samplingRate, this.maxUploadBytes / 2);
    const listener = {
      onStart: () => this.#begun(),
      onLevel: (level) => this.#measured(level),
      onFull: () => this.state === "recording" && this.#stop("longest"),
      onFailure: (code) => this.#fail(new CaptureError(code)),
    };
    microphone.start(listener, Math.floor(most));
  }

  #begun() {
    this.#forgetSound();
    this.parts.warning.textContent = "";
    this.#time(0);
    this.#enter("recording");
    try {
      this.channel.begin();
    } catch (error) {
      this.#fail(error);
    }
  }

  #measured({ peak, clipped, samples }) {
    if (this.state !== "recording") return;
    const seconds = samples / this.microphone.samplingRate;
    this.sound.peak = Math.max(this.sound.peak, peak);
    this.sound.clipped += clipped;
    this.#level(peak);
    this.#time(seconds);
    this.#warn(seconds >= QUIET_AFTER_SECONDS);
  }

  #warn(alsoQuiet) {
    const { peak, clipped } = this.sound;
    const name = clipped >= LOUD_SAMPLES ? "too_loud" : alsoQuiet && peak < QUIET_PEAK ? "too_quiet" : "";
    const text = name && this.#words(name);
    if (this.parts.warning.textContent !== text) this.parts.warning.textContent = text; // read aloud once
  }

  #stop(notice = "") {
    const { microphone } = this;
    return this.#send(async () => {
      const data = await microphone.stop();
      this.#level(0);
      this.#warn(true);
      const { samplingRate } = microphone;
      return { source: "microphone", samplingRate, data, sound: wavBlob(data, samplingRate) };
    }, notice);
  }

  async #upload() {
    const [file] = this.parts.file.files;
    this.parts.file.value = ""; // so that the same file can be chosen again
    if (!file || !STARTABLE.includes(this.state)) return;
    this.#drop();
    await this.#send(async () => {
      this.channel.begin();
      if (file.size > this.maxUploadBytes) throw new CaptureError("too_big");
      const content = await file.arrayBuffer().catch((error) => {
        throw new CaptureError("unreadable", error.message); // changed or gone since it was chosen
      });
      const data = new Uint8Array(content);
      // A phone records m4a, a browser webm: the other end reads neither, and this browser does
      const take = READ_BY_ALL.test(String.fromCharCode(...data.subarray(0, 4))) ? null : await decodeFile(content);
      if (take && take.data.length > this.longestSeconds * take.samplingRate) throw new CaptureError("too_long");
      return take ?? { source: "upload", samplingRate: 0, data, sound: file };
    });
  }

  /** Bring the take that `finish` gives away, and wait for the word that all of it came. `notice`: what to say besides. */
  async #send(finish, notice = "") {
    const { attempt } = this;
    this.#error("");
    this.#enter("sending");
    try {
      const { sound, ...take } = await finish();
      if (attempt !== this.attempt) return;
      const seconds = await this.channel.send(take, () => {
        this.#enter("late");
        this.#error("no_answer");
      });
      if (attempt !== this.attempt) return;
      this.player.src = URL.createObjectURL(sound);
      this.keptSeconds = seconds;
      this.#time(seconds);
      this.#error(notice);
      this.#enter("kept");
    } catch (error) {
      if (attempt === this.attempt) this.#fail(error);
    }
  }

  #fail(error) {
    this.#drop();
    this.#time(0);
    this.#refused(error);
  }

  #refused(error) {
    this.#enter(this.keptSeconds ? "kept" : "idle");
    this.#error(error instanceof CaptureError ? error.code : "incomplete", error.message);
    if (!(error instanceof CaptureError)) throw error; // a bug: say the safe thing, and leave a trace in the console
  }

  async #play() {
    if (!this.#playable()) return;
    if (!this.player.paused) return this.player.pause();
    this.player.currentTime = 0;
    await this.player.play().catch((error) => {
      if (error.name !== "AbortError") this.#error("no_play"); // AbortError: stopped at once
    });
  }

  #playable() {
    return STARTABLE.includes(this.state) && this.player.hasAttribute("src");
  }

  #key(event) {
    event.stopPropagation();
    const { target } = event;
    const typing = target.isContentEditable || target.matches("textarea, select, input:not([type=file])");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const pressesIt = event.key === " " && target.matches("button, input"); // Space on a button is this button's
    if (event.key.toLowerCase() !== "r" && (event.key !== " " || pressesIt)) return;
    event.preventDefault(); // Space would scroll
    this.#toggle();
  }

  #enter(state) {
    this.state = state;
    this.#draw();
  }

  #draw() {
    const { labels, parts, state } = this;
    const startable = STARTABLE.includes(state);
    const playing = !this.player.paused;
    const action = state === "recording" ? "stop" : state === "kept" ? "again" : "record";
    parts.root.dataset.state = state;
    parts.record.textContent = labels[action];
    parts.record.dataset.action = action;
    parts.record.disabled = obstacle() !== null;
    // Not `disabled`: this would take the focus away, and the next key would go to the page
    parts.record.setAttribute("aria-disabled", !startable && state !== "recording");
    parts.play.setAttribute("aria-disabled", !this.#playable());
    parts.file.setAttribute("aria-disabled", !startable);
    parts.play.textContent = labels[playing ? "stop_playing" : "play"];
    parts.play.dataset.action = playing ? "stop" : "play";
    const said = { idle: obstacle() ? "file_only" : "ready", late: "sending" }[state] ?? (playing ? "playing" : state);
    const text = this.#words(said, { seconds: this.keptSeconds.toFixed(1) });
    if (parts.status.textContent !== text) parts.status.textContent = text;
  }

  #level(peak) {
    const { meter, bar, levelText } = this.parts;
    const percent = Math.round(100 * Math.max(0, 1 - (20 * Math.log10(peak || 1e-9)) / FLOOR_DB));
    const word = peak >= 0.99 ? "loud" : peak >= QUIET_PEAK ? "good" : peak > 0.001 ? "quiet" : "silent";
    bar.style.width = `${percent}%`;
    meter.dataset.level = word;
    meter.setAttribute("aria-valuenow", percent);
    meter.setAttribute("aria-valuetext", this.labels[`level_${word}`]);
    levelText.textContent = this.labels[`level_${word}`];
  }

  #time(seconds) {
    this.parts.time.textContent = `${clock(seconds)} / ${clock(this.longestSeconds)}`;
  }

  #error(code, detail = "") {
    this.said = [code, detail];
    this.parts.error.textContent = code ? this.#words(code) : detail;
  }

  #words(name, more = {}) {
    return this.labels[name].replace(/\{(\w+)\}/g, (_, key) => ({ ...this.values, ...more })[key]);
  }
}
