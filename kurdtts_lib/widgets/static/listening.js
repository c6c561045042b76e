// A blind listening test: what a listener sees, hears and presses. The same in a notebook and in a plain page, where it
// is a classic script, because a page from the disk may not import modules. `shell` brings the rest, all as promises:
// open(code): {kind, places: [{item, sounds}], answered: [item]}, or null for an unknown code
// url(sound), answer(code, {item, answer, plays, time}), end(code, element).
// No name of a system comes here: items and sounds have names that tell nothing.
"use strict";

const LISTENING_SCALES = { mos: [1, 2, 3, 4, 5], cmos: [-3, -2, -1, 0, 1, 2, 3] };

/** Put a listening test into `el`; `code` fills the field in. Gives {close()}. */
function mountListening(el, { labels, language, code, shell }) {
  const view = new ListeningView(el, labels, language, shell);
  view.begin(code ?? "");
  return view;
}

class ListeningView {
  constructor(el, labels, language, shell) {
    Object.assign(this, { labels, language, shell });
    // in Jupyter single keys are commands of the notebook
    this.root = this.#make("section", { class: "kurdtts kurdtts-listening", tabindex: 0, "data-lm-suppress-shortcuts": "true" });
    this.root.onkeydown = (event) => this.#key(event);
    this.audio = new Audio();
    this.audio.onended = () => this.#ended();
    this.body = this.#make("div");
    this.status = this.#make("p", { class: "kurdtts-status", role: "status", "aria-live": "polite" });
    this.root.append(this.body, this.status);
    el.append(this.root);
  }

  /** The first page: what it is about, and the code. */
  begin(code) {
    const field = this.#make("input", { class: "kurdtts-code", autocomplete: "off", spellcheck: "false", value: code });
    const start = this.#button("kurdtts-main", this.#words("start"), () => this.#open(field.value.trim().toUpperCase()));
    const other = Object.keys(this.labels).find((name) => name !== this.language);
    const change = this.#button("kurdtts-language", this.#words("language"), () => {
      this.language = other;
      this.begin(field.value);
    });
    change.lang = other;
    field.onkeydown = (event) => event.key === "Enter" && start.click();
    const label = this.#make("label", {}, `${this.#words("code")} `, field);
    const intro = this.#make("p", {}, this.#words("intro"));
    this.#show("start", [change, intro, this.#make("div", { class: "kurdtts-row" }, label, start)]);
  }

  close() {
    this.#silence();
    this.root.remove();
  }

  async #open(code) {
    await this.#once(async () => {
      const test = await this.shell.open(code);
      if (!test) return this.#say("unknown_code");
      Object.assign(this, { code, test });
      this.left = test.places.filter(({ item }) => !test.answered.includes(item));
      this.#next();
    }, "failed");
  }

  /** The first item without an answer, or the end. */
  #next() {
    const [place] = this.left;
    if (!place) return this.#end();
    const { kind, places } = this.test;
    this.#ask({
      question: kind,
      sounds: place.sounds.map((sound, number) => ({ sound, label: this.#words(`sound_${kind}_${number}`) })),
      answers: LISTENING_SCALES[kind].map((value) => ({ value, label: this.#words(`${kind}_${value}`) })),
      progress: [places.length - this.left.length + 1, places.length],
      answer: (answer) => this.#once(() => this.#keep(place, answer), "not_kept"),
    });
  }

  async #keep(place, answer) {
    // the same moment if it is sent twice: so the receiver knows that it is the same answer
    this.time ??= new Date().toISOString();
    const plays = this.sounds.reduce((sum, sound) => sum + sound.plays, 0);
    await this.shell.answer(this.code, { item: place.item, answer, plays, time: this.time });
    this.left.shift();
    this.#next();
  }

  async #end() {
    const done = this.#make("h3", { tabindex: -1 }, this.#words("done"));
    const place = this.#make("div");
    this.#show("end", [done, place]);
    try {
      await this.shell.end(this.code, place, (name) => this.#words(name));
    } catch (error) {
      this.#fail(error, "failed"); // every answer is kept: the same code leads here again
    }
  }

  /** Sounds to hear to their end, then an answer, then Next. */
  #ask({ question, sounds, answers, progress, answer }) {
    this.chosen = this.time = this.playing = null;
    this.sounds = sounds.map(({ sound, label }, number) => ({ sound, label, plays: 0, number }));
    this.players = this.sounds.map((sound) => this.#button("kurdtts-play", sound.label, () => this.#play(sound)));
    this.choices = answers.map(({ value, label }, number) => {
      const choice = this.#button("kurdtts-answer", "", () => this.#choose(value));
      choice.append(this.#make("kbd", { "aria-hidden": "true" }, number + 1), ` ${label}`);
      choice.dataset.value = value;
      return choice;
    });
    this.forward = this.#button("kurdtts-main", this.#words("next"), () => this.chosen !== null && answer(this.chosen));
    const [number, count] = progress;
    const text = this.#words("progress", { number, count });
    const bar = this.#make("progress", { max: count, value: number - 1, "aria-label": text });
    this.#show("item", [
      this.#make("div", { class: "kurdtts-row" }, bar, this.#make("span", { class: "kurdtts-progress" }, text)),
      this.#make("h3", { tabindex: -1 }, this.#words(question)),
      this.#make("div", { class: "kurdtts-row" }, ...this.players),
      this.#make("div", { class: "kurdtts-row", role: "group", "aria-label": this.#words("answers") }, ...this.choices),
      this.#make("div", { class: "kurdtts-row" }, this.forward),
      this.#make("p", { class: "kurdtts-keys" }, this.#words("keys")),
    ]);
    this.#draw();
  }

  async #play(sound) {
    this.#silence();
    this.playing = sound;
    this.#draw();
    try {
      const url = await this.shell.url(sound.sound);
      if (this.playing !== sound) return; // another one was pressed meanwhile
      this.audio.src = url;
      await this.audio.play();
    } catch (error) {
      if (this.playing !== sound || error.name === "AbortError") return;
      this.playing = null;
      this.#draw();
      this.#say("no_play");
    }
  }

  #ended() {
    if (!this.playing) return;
    this.playing.plays++;
    this.playing = null;
    this.#draw();
  }

  #silence() {
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.playing = null;
  }

  /** Number of the first sound that is still to be heard; 0 if none is. */
  #unheard() {
    return Math.max(0, this.sounds.findIndex(({ plays }) => plays === 0));
  }

  #heardAll() {
    return this.sounds.every(({ plays }) => plays > 0);
  }

  #choose(value) {
    if (!this.#heardAll()) return this.#say("listen_first");
    this.chosen = value;
    this.#draw();
  }

  #draw() {
    const ready = this.#heardAll();
    this.players.forEach((player, number) => {
      const { plays, label } = this.sounds[number];
      player.textContent = plays ? `${label} ✓` : label;
      player.setAttribute("aria-label", plays ? `${label} (${this.#words("heard")})` : label);
      player.dataset.plays = plays;
      player.dataset.playing = this.playing?.number === number;
    });
    for (const choice of this.choices) {
      // not `disabled`: this would take the focus away
      choice.setAttribute("aria-disabled", !ready);
      choice.setAttribute("aria-pressed", String(this.chosen) === choice.dataset.value);
    }
    this.forward.setAttribute("aria-disabled", this.chosen === null);
    this.#say(this.playing ? "playing" : !ready ? "listen_first" : this.chosen === null ? "now_answer" : "press_next");
  }

  /** Do one thing at a time; what fails is told with the label `failure`, and may be tried again. */
  async #once(work, failure) {
    if (this.busy) return;
    this.busy = true;
    try {
      await work();
    } catch (error) {
      this.#fail(error, failure);
    } finally {
      this.busy = false;
    }
  }

  #fail(error, name) {
    console.warn(error);
    this.#say(name, { detail: error.message });
  }

  #key(event) {
    event.stopPropagation();
    const { target, key } = event;
    if (target.matches("input") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (this.root.dataset.state !== "item") return;
    const pressesIt = target.matches("button") && (key === "Enter" || key === " "); // these press the button itself
    const choice = this.choices[Number(key) - 1];
    if (choice) choice.click();
    else if (key === " " && !pressesIt) this.players[this.#unheard()].click();
    else if (key === "Enter" && !pressesIt) this.forward.click();
    else return;
    event.preventDefault(); // Space would scroll
  }

  #show(state, content) {
    this.#silence();
    this.root.dataset.state = state;
    this.root.lang = this.language;
    this.root.setAttribute("aria-label", this.#words("test"));
    this.body.replaceChildren(...content);
    this.status.textContent = "";
    // the button that was pressed is gone; with the question in focus it is read aloud, and keys still work
    this.body.querySelector("h3")?.focus({ preventScroll: true });
  }

  #say(name, values = {}) {
    const text = this.#words(name, values);
    if (this.status.textContent !== text) this.status.textContent = text; // read aloud once
  }

  #words(name, values = {}) {
    return this.labels[this.language][name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
  }

  #button(className, text, onclick) {
    const button = this.#make("button", { type: "button", class: className }, text);
    button.onclick = onclick;
    return button;
  }

  #make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
}
