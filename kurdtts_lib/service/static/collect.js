// The page for contributors: a sentence, the recorder, what the checks found, consent, send. A take stays here until
// the service has it; sent twice it is kept once.
import { CaptureError, wavBlob } from "./capture.js";
import { mountPanel } from "./panel.js";
import { check, keepToken, load, ServiceError, speak, submit, token } from "./service.js";

const part = (id) => document.getElementById(id);
const fetchJson = async (name) => (await fetch(new URL(name, import.meta.url))).json();
const [words, labels] = await Promise.all([fetchJson("./words.json"), fetchJson("./labels.json")]);

let language = navigator.languages.some((one) => /^(ku|kmr)\b/i.test(one)) ? "kmr" : "en";
let sentences = []; // to be read next
let text = ""; // to be read now
let voice = null; // the current voice's name
let take = null; // {audio, text, found, asked}: recorded and not yet kept by the service; found: what the checks say
let open = null; // the take that is being recorded
let sending = false;
let count = 0;
let trouble = null; // what #problem says: {kind, name, values}
let thanked = null; // the code of the take that was kept last
let heard = null; // address of the voice's newest speech

/** A sentence of words.json with its values. */
function say(kind, name, values = {}) {
  return words[language][kind][name]?.replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

const recorderLabels = () => ({ ...labels[language], ...words[language].recorder });

// --- takes ------------------------------------------------------------------------------------------------------

/** The recorder's other end (see panel.js): puts a take together and has it checked. */
const channel = {
  begin({ source, samplingRate }) {
    part("voice").pause(); // or the microphone hears it
    this.cancel();
    thanked = null;
    open = { source, samplingRate, pieces: [] };
    draw();
  },
  chunk(piece) {
    open.pieces.push(piece);
  },
  async end({ chunks, size }) {
    const { source, samplingRate, pieces } = open;
    open = null;
    if (pieces.length !== chunks) throw new CaptureError("incomplete");
    const spoken = source === "microphone";
    take = { audio: spoken ? wavBlob(pieces, samplingRate) : new Blob(pieces), text, found: null, asked: null };
    if (spoken) {
      examine(take).catch(fail);
      return size / samplingRate;
    }
    return fileSeconds(take);
  },
  cancel() {
    take = open = trouble = null;
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
  const mine = take;
  if (!mine) return tell("page", text ? "no_take" : "no_sentence");
  if (!part("consent").checked) {
    part("consent").focus();
    return tell("page", "no_consent");
  }
  sending = true;
  tell();
  try {
    const unseen = !mine.found;
    if (unseen) await examine(mine);
    if (mine.found.errors.length) return tell("page", "unusable");
    if (unseen && mine.found.warnings.length) return; // they stand there now: the reader decides
    const contributor = part("contributor").value.trim();
    const fields = { audio: mine.audio, text: mine.text, contributor, consent: "true", voice: voice ?? "" };
    const { id } = await submit(fields);
    count++;
    const going = take === mine; // or the reader is recording it once more
    if (going) await next();
    thanked = id;
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

// --- sentences --------------------------------------------------------------------------------------------------

/** Show another sentence; a take of the one before is dropped. */
function show(sentence) {
  text = sentence;
  panel.show({ text, keptSeconds: 0 });
  part("voice").pause();
  part("own-form").hidden = true;
  thanked = null;
  draw();
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

async function hear() {
  if (open) return;
  if (!voice) return note("no_voice");
  note("speaking");
  try {
    const speech = await speak(text);
    note("");
    if (open) return; // recording began meanwhile
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

// --- what is shown ----------------------------------------------------------------------------------------------

function tell(kind, name, values) {
  trouble = kind ? { kind, name, values } : null;
  draw();
}

/** Say what went wrong and what to do; gives the sentence. */
function fail(error) {
  if (!(error instanceof ServiceError)) throw error; // a bug: leave a trace in the console
  const { code, message, seconds } = error;
  if (code === "unauthorized") part("token-form").hidden = false;
  tell("problems", code, { message, seconds: seconds || 5, origin: location.origin });
  return part("problem").textContent;
}

function troubleText() {
  if (!trouble) return "";
  const { kind, name, values } = trouble;
  const clear = ["bad_text", "unusable_take", "no_consent"].includes(name); // the service's own sentence says it best
  return say(kind, name, values) ?? (clear ? values.message : say("problems", "other", values));
}

function finding({ code, message }) {
  const line = document.createElement("p");
  line.className = "box";
  line.textContent = words[language].findings[code] ?? message;
  line.lang = words[language].findings[code] ? language : "en";
  return line;
}

function findings() {
  if (!take) return [];
  const line = (name, kind) => {
    const made = document.createElement("p");
    made.className = `box ${kind}`;
    made.textContent = say("page", name);
    return made;
  };
  const { found, asked } = take;
  if (!found) return asked ? [line("checking", "busy")] : [];
  const { errors, warnings } = found;
  if (!errors.length && !warnings.length) return [line("good", "good")];
  return [...[...errors, ...warnings].map(finding), ...(errors.length ? [] : [line("look", "busy")])];
}

/** Text that is the same stays untouched, so that a screen reader reads it once. */
function put(element, said) {
  if (element.textContent !== said) element.textContent = said;
}

function draw() {
  put(part("problem"), troubleText());
  put(part("thanks"), thanked ? say("page", "thanks", { count, id: thanked }) : "");
  const lines = findings();
  const before = [...part("findings").children];
  if (lines.map((line) => line.outerHTML).join() !== before.map((line) => line.outerHTML).join()) {
    part("findings").replaceChildren(...lines);
  }
  const ready = take && !take.found?.errors.length && part("consent").checked && !sending;
  part("send").setAttribute("aria-disabled", !ready); // not `disabled`: a press says what is missing
  put(part("send"), say("page", sending ? "sending" : "send"));
  part("hear").setAttribute("aria-disabled", !voice || !text || open !== null);
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

for (const button of document.querySelectorAll("[data-language]")) {
  button.onclick = () => translate(button.dataset.language);
}
part("hear").onclick = hear;
part("skip").onclick = () => mayLeave() && next();
part("own").onclick = () => {
  const form = part("own-form");
  form.hidden = !form.hidden;
  part("own").setAttribute("aria-expanded", !form.hidden);
  if (!form.hidden) part("own-text").focus();
};
part("own-form").onsubmit = (event) => {
  event.preventDefault();
  const own = part("own-text").value.trim().replace(/\s+/g, " ");
  if (own && mayLeave()) show(own);
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
part("consent").onchange = () => tell();
addEventListener("hashchange", () => token() && !text && next());
addEventListener("beforeunload", (event) => (take || open) && event.preventDefault());

translate(language);
await next();
part("loading").hidden = true;
part("page").hidden = false;
