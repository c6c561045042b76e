// Asks the service, and says what went wrong as a code that has its sentence in words.json.

const PATIENCE_MS = 60000; // the store waits half a minute for another program

export class ServiceError extends Error {
  /** `code`: the service's own, or "network" where no answer came. `seconds`: when to come again, else 0. */
  constructor(code, message, seconds = 0) {
    super(message);
    this.code = code;
    this.seconds = seconds;
  }
}

/** The token lies behind the # of the address: a browser sends that part to nobody, so it is in no server's log. */
export function token() {
  const text = location.hash.match(/^#token=(.*)$/)?.[1] ?? "";
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function keepToken(text) {
  history.replaceState(null, "", `#token=${encodeURIComponent(text)}`);
}

async function ask(path, options, read) {
  // A header holds bytes: the token's letters go as UTF-8
  const bytes = String.fromCharCode(...new TextEncoder().encode(token()));
  const headers = { ...options.headers, ...(bytes && { Authorization: `Bearer ${bytes}` }) };
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(new URL(`../${path}`, import.meta.url), { ...options, headers, signal });
    if (response.ok) return await read(response);
    throw await problem(response);
  } catch (error) {
    throw error instanceof ServiceError ? error : new ServiceError("network", error.message);
  }
}

async function problem(response) {
  const { error } = await response.json().catch(() => ({})); // of a proxy in between: no JSON
  const seconds = Number(response.headers.get("Retry-After")) || 0;
  const code = response.status === 429 ? "too_many_requests" : "no_answer"; // the service itself has a code always
  return new ServiceError(error?.code ?? code, error?.message ?? `HTTP ${response.status}`, seconds);
}

function form(fields) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) body.append(name, value, "take");
    else body.append(name, value);
  }
  return body;
}

const json = (response) => response.json();

/** {sentences, voice, why} */
export const load = () => ask("collect/sentences", {}, json);

/** {seconds, errors, warnings}, each a list of {code, message} */
export const check = (audio, text) => ask("collect/check", { method: "POST", body: form({ audio, text }) }, json);

/** {id, repeated, ...}; the same sound and text again is kept once */
export const submit = (fields) => ask("feedback", { method: "POST", body: form(fields) }, json);

/** Delete a take for ever; may be repeated. */
export const withdraw = (id) => ask(`feedback/${id}`, { method: "DELETE" }, json);

/** The current voice's speech, a Blob. */
export function speak(text) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ input: text, response_format: "wav" });
  return ask("v1/audio/speech", { method: "POST", headers, body }, (response) => response.blob());
}
