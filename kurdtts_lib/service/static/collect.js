// The page for contributors: a sentence, the recorder, what the checks found, consent, send. A take stays here until
// the service has it; sent twice it is kept once.
import { CaptureError, wavBlob } from "./capture.js";
import { mountPanel } from "./panel.js";
import { addTake, dropTake, keep, reader, takes } from "./reader.js";
import { check, keepToken, load, ServiceError, speak, submit, token, withdraw } from "./service.js";

const part = (id) => document.getElementById(id);
const fetchJson = async (name) => (await fetch(new URL(name, import.meta.url))).json();
const [words, labels] = await Promise.all([fetchJson("./words.json"), fetchJson("./labels.json")]);

let { language } = reader;
let sentences = []; // to be read next
let text = ""; // to be read now
let voice = null; // the current voice's name
let take = null; // {audio, text, found, asked}: recorded and not yet kept by the service; found: what the checks say
let open = false; // whether a take is being recorded
let sending = false;
let trouble = null; // what #problem says: {kind, name, values}
let done = ""; // what #thanks says: a name in words.json
let heard = null; // address of the voice's newest speech

/** A sentence of words.json with its values. */
function say(kind, name, values = {}) {
  return words[language][kind][name]?.replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

const recorderLabels = () => ({ ...labels[language], ...words[language].recorder });

/** The recorder's other end (see panel.js): has a take checked. */
const channel = {
  begin() {
    part("voice").pause(); // or the microphone hears it
    this.cancel();
    done = "";
    open = true;
    draw();
  },
  async send({ source, samplingRate, data }) {
    open = false;
    const spoken = source === "microphone";
    take = { audio: spoken ? wavBlob(data, samplingRate) : new Blob([data]), text, found: null, asked: null };
    if (!spoken) return fileSeconds(take);
    examine(take).catch(fail);
    return data.length / samplingRate;
  },
  cancel() {
    take = trouble = null;
    open = false;
    draw();
  },
};

/** Of a chosen file. What the service cannot use is no take; where no answer came, the file stays to be sent later. */
async function fileSeconds(mine) {
  try {
    await examine(mine);
  } catch (error) {
    const said = fail(error);
    if (["undecodable_audio", "unusable_take", "too_large"].includes(error.code)) throw new CaptureError("", said);
    return browserSeconds(mine.audio);
  }
  if (mine.found.seconds) return mine.found.seconds;
  throw new CaptureError("", finding(mine.found.errors[0]).textContent); // no sound is left in it
}

/** As the browser hears it: 0 for a kind of file that only the service knows. */
async function browserSeconds(audio) {
  const content = await audio.arrayBuffer();
  const decoded = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(content).catch(() => null);
  return decoded?.duration ?? 0;
}

/** Ask the service what it finds in a take, once at a time. */
function examine(mine) {
  const ask = async () => {
    try {
      mine.found = await check(mine.audio, mine.text);
    } finally {
      mine.asked = null;
      draw();
    }
  };
  mine.asked ??= ask();
  draw();
  return mine.asked;
}

async function send() {
  if (sending) return;
  const sent = take;
  if (!sent) return tell("page", text ? "no_take" : "no_sentence");
  if (!part("consent").checked) {
    part("consent").focus();
    return tell("page", "no_consent");
  }
  sending = true;
  tell();
  try {
    const unseen = !sent.found;
    if (unseen) await examine(sent);
    if (sent.found.errors.length) return tell("page", "unusable");
    if (unseen && sent.found.warnings.length) return; // they stand there now: the reader decides
    const contributor = `${part("contributor").value.trim()} (${reader.code})`.trim();
    const fields = { audio: sent.audio, text: sent.text, contributor, consent: "true", voice: voice ?? "" };
    const { id } = await submit(fields);
    addTake(id);
    const going = take === sent; // or the reader is recording it once more
    if (going) await next();
    done = "thanks";
    draw();
    if (!going) return;
    document.querySelector(".kurdtts-recorder").focus({ preventScroll: true });
    part("thanks").scrollIntoView({ block: "start" });
  } catch (error) {
    fail(error);
  } finally {
    sending = false;
    draw();
  }
}

/** Show another sentence; a take of the one before is dropped. */
function show(sentence) {
  text = sentence;
  done = "";
  panel.show({ text, keptSeconds: 0 }); // cancels, and so draws
  part("voice").pause();
  openOwn(false);
}

async function next() {
  if (sentences.length) return show(sentences.shift());
  try {
    const loaded = await load();
    ({ sentences, voice } = loaded);
    part("token-form").hidden = true;
    show(sentences.shift());
  } catch (error) {
    show("");
    fail(error);
  }
}

/** Whether the reader may go to another sentence: a take that is not sent is asked for. */
const mayLeave = () => !(take || open) || confirm(say("page", "drop_take"));

/** Show the field for a sentence of one's own, or hide it. */
function openOwn(wanted) {
  part("own-form").hidden = !wanted;
  part("own").setAttribute("aria-expanded", wanted);
  if (wanted) part("own-text").focus();
}

/** Take a sentence of the reader's own, if a voice can say it: after the recording it would be too late. */
async function useOwn() {
  const own = part("own-text").value.trim().replace(/\s+/g, " ");
  if (!own) return;
  try {
    const { errors } = await check(wavBlob(new Int16Array(4800), 48000), own); // without a sound only the text counts
    const fault = errors.find(({ code }) => code === "bad_text");
    if (fault) return tell("problems", "bad_text", fault);
    if (mayLeave()) show(own);
  } catch (error) {
    fail(error);
  }
}

/** Delete all takes that were sent from this browser. */
async function deleteMine() {
  if (!confirm(say("page", "delete_ask"))) return;
  try {
    for (const id of takes()) {
      await withdraw(id).catch((error) => {
        if (error.code !== "not_found") throw error; // not_found: of a service that has another store now
      });
      dropTake(id);
    }
    done = "deleted";
    tell();
    part("thanks").scrollIntoView({ block: "nearest" });
  } catch (error) {
    fail(error);
  }
}

async function hear() {
  if (open) return;
  if (!voice) return note("no_voice");
  note("speaking");
  const wanted = text;
  try {
    const speech = await speak(wanted);
    note("");
    if (open || wanted !== text) return; // recording began meanwhile, or another sentence is there
    if (heard) URL.revokeObjectURL(heard);
    const player = part("voice");
    player.src = heard = URL.createObjectURL(speech);
    await player.play().catch((error) => error.name === "AbortError" || note("no_sound"));
  } catch (error) {
    note("");
    fail(error);
  }
}

function note(name) {
  part("voice-note").dataset.said = name;
  draw();
}

function tell(kind, name, values) {
  trouble = kind ? { kind, name, values } : null;
  draw();
  if (kind) part("problem").scrollIntoView({ block: "nearest" }); // on a phone it lies below the buttons
}

/** Say what went wrong and what to do; gives the sentence. */
function fail(error) {
  if (!(error instanceof ServiceError)) throw error; // a bug: leave a trace in the console
  const { code, message, seconds } = error;
  tell("problems", code, { message, seconds: seconds || 5, origin: location.origin });
  if (code === "unauthorized") {
    part("token-form").hidden = false;
    part("token").focus();
  }
  return part("problem").textContent;
}

function troubleText() {
  if (!trouble) return "";
  const { kind, name, values } = trouble;
  const clear = ["bad_text", "unusable_take", "no_consent"].includes(name); // the service's own sentence says it best
  return say(kind, name, values) ?? (clear ? values.message : say("problems", "other", values));
}

function box(said, kind, lang = language) {
  const line = document.createElement("p");
  Object.assign(line, { className: `kurdtts-box ${kind}`, textContent: said, lang });
  return line;
}

function finding({ code, message }) {
  const known = words[language].findings[code];
  return box(known ?? message, "", known ? language : "en");
}

function findings() {
  if (!take) return [];
  const { found, asked } = take;
  if (!found) return asked ? [box(say("page", "checking"), "busy")] : [];
  const all = [...found.errors, ...found.warnings].map(finding);
  if (!all.length) return [box(say("page", "good"), "good")];
  return found.errors.length ? all : [...all, box(say("page", "look"), "busy")];
}

/** Text that is the same stays untouched, so that a screen reader reads it once. */
function put(element, said) {
  if (element.textContent !== said) element.textContent = said;
}

function draw() {
  put(part("problem"), troubleText());
  const values = { count: reader.takes.length, code: reader.code };
  put(part("thanks"), done ? say("page", done, values) : "");
  put(part("mine-code"), say("page", "mine", values));
  part("mine").hidden = !reader.takes.length;
  const lines = findings();
  const before = [...part("findings").children];
  if (lines.map((line) => line.outerHTML).join() !== before.map((line) => line.outerHTML).join()) {
    part("findings").replaceChildren(...lines);
  }
  const ready = take && !take.found?.errors.length && part("consent").checked && !sending;
  part("send").setAttribute("aria-disabled", !ready); // not `disabled`: a press says what is missing
  put(part("send"), say("page", sending ? "sending" : "send"));
  part("hear").setAttribute("aria-disabled", !voice || !text || open);
  const said = part("voice-note").dataset.said;
  put(part("voice-note"), (said && say("page", said)) || "");
}

function translate(chosen) {
  language = chosen;
  document.documentElement.lang = language;
  document.title = say("page", "title");
  for (const element of document.querySelectorAll("[data-word]")) put(element, say("page", element.dataset.word));
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", button.dataset.language === language);
    button.onclick = () => {
      keep({ language: button.dataset.language });
      translate(reader.language);
    };
  }
  panel.translate(recorderLabels(), language);
  draw();
}

const { longestSeconds, mostBytes } = document.body.dataset;
const panel = mountPanel(part("recorder"), {
  channel,
  labels: recorderLabels(),
  language,
  longestSeconds: +longestSeconds,
  maxUploadBytes: mostBytes - 10_000, // room for the other fields
});

part("hear").onclick = hear;
part("skip").onclick = () => mayLeave() && next();
part("own").onclick = () => openOwn(part("own-form").hidden);
part("own-form").onsubmit = (event) => {
  event.preventDefault();
  useOwn();
};
part("token-form").onsubmit = (event) => {
  event.preventDefault();
  keepToken(part("token").value.trim());
  part("token-form").hidden = true;
  tell();
  if (!text) next();
};
part("send-form").onsubmit = (event) => {
  event.preventDefault();
  send();
};
part("contributor").onchange = () => keep({ name: part("contributor").value.trim() });
part("consent").onchange = () => {
  keep({ consent: part("consent").checked });
  tell();
};
part("copy").onclick = async () => {
  try {
    await navigator.clipboard.writeText(reader.code); // only where the page has https
    done = "copied";
    draw();
  } catch (error) {
    console.warn(error);
    getSelection().selectAllChildren(part("mine-code"));
  }
};
part("delete-mine").onclick = deleteMine;
addEventListener("hashchange", () => token() && !text && next());
addEventListener("beforeunload", (event) => (take || open) && event.preventDefault());

part("contributor").value = reader.name;
part("consent").checked = reader.consent;
keep({}); // the code is the same from now on
translate(language);
await next();
part("loading").hidden = true;
part("page").hidden = false;
