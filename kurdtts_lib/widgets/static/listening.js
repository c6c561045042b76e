// A blind listening test: what a listener sees, hears and presses. A classic script, because a page from the disk may not
// import modules. Answers stay in the browser until the listener saves them as a file. `kurdttsListening` in the page:
// {test, format, language, labels, tests: {code: [item]}}; the sound of an item is audio/ITEM.wav. No name of a system
// comes here: items have names that tell nothing.
"use strict";

const LISTENING_SCALE = [1, 2, 3, 4, 5];

/** The answers of one listener, kept in the browser. */
class KeptAnswers {
  constructor(test, code) {
    this.name = `kurdtts-listening-${test}-${code}`;
    this.answers = JSON.parse(this.#stored() ?? '{"answers":[]}').answers;
  }

  add(given) {
    this.answers.push(given);
    try {
      localStorage.setItem(this.name, JSON.stringify({ answers: this.answers }));
    } catch (error) {
      console.warn(error);
      document.getElementById("kurdtts-storage").hidden = false;
    }
  }

  #stored() {
    try {
      return localStorage.getItem(this.name);
    } catch (error) {
      console.warn(error); // switched off; `add` says so where the listener sees it
      return null;
    }
  }
}

const LISTENING_LANGUAGE = "kurdtts-listening-language";

class ListeningView {
  constructor(el, { test, format, language, labels, tests }) {
    Object.assign(this, { test, format, language, labels, tests, opened: {} });
    this.root = this.#make("section", { class: "kurdtts kurdtts-listening", tabindex: 0 });
    this.root.onkeydown = (event) => this.#key(event);
    this.audio = new Audio();
    this.audio.onended = () => this.#ended();
    this.body = this.#make("div");
    this.status = this.#make("p", { class: "kurdtts-status", role: "status", "aria-live": "polite" });
    this.root.append(this.body, this.status);
    el.append(this.root);
    this.#recall();
    this.#begin("");
  }

  /** The language that was chosen here before. */
  #recall() {
    try {
      const chosen = localStorage.getItem(LISTENING_LANGUAGE);
      if (Object.hasOwn(this.labels, chosen)) this.language = chosen;
    } catch (error) {
      console.warn(error);
    }
  }

  /** A button for the other language; `again` shows the page once more. */
  #languages(again) {
    const other = Object.keys(this.labels).find((name) => name !== this.language);
    const change = this.#button("kurdtts-language", this.#words("language"), () => {
      this.language = other;
      try {
        localStorage.setItem(LISTENING_LANGUAGE, other);
      } catch (error) {
        console.warn(error); // it is chosen until the page is closed
      }
      again();
    });
    change.lang = other;
    return change;
  }

  /** The first page: what it is about, and the code. */
  #begin(code) {
    const field = this.#make("input", { class: "kurdtts-code", autocomplete: "off", spellcheck: "false", value: code });
    const start = this.#button("kurdtts-main", this.#words("start"), () => this.#open(field.value.trim().toUpperCase()));
    field.onkeydown = (event) => event.key === "Enter" && start.click();
    const label = this.#make("label", {}, `${this.#words("code")} `, field);
    const intro = this.#make("p", {}, this.#words("intro"));
    this.#show("start", [this.#languages(() => this.#begin(field.value)), intro, this.#make("div", { class: "kurdtts-row" }, label, start)]);
  }

  #open(code) {
    if (!Object.hasOwn(this.tests, code)) return this.#say("unknown_code");
    this.code = code;
    this.items = this.tests[code];
    this.kept = this.opened[code] ??= new KeptAnswers(this.test, code); // also where the browser keeps nothing
    this.#next();
  }

  /** The first item without an answer, or the end. */
  #next() {
    const answered = new Set(this.kept.answers.map(({ item }) => item));
    const item = this.items.find((one) => !answered.has(one));
    Object.assign(this, { item, plays: 0, chosen: null });
    if (item) this.#ask(answered.size + 1, this.items.length);
    else this.#end();
  }

  /** A sound to hear to its end, then an answer, then Next. */
  #ask(number, count) {
    this.player = this.#button("kurdtts-play", "", () => this.#play());
    this.choices = LISTENING_SCALE.map((value) => {
      const choice = this.#button("kurdtts-answer", "", () => this.#choose(value));
      choice.append(this.#make("kbd", { "aria-hidden": "true" }, value), ` ${this.#words(`mos_${value}`)}`);
      choice.dataset.value = value;
      return choice;
    });
    this.forward = this.#button("kurdtts-main", this.#words("next"), () => this.#keep());
    const text = this.#words("progress", { number, count });
    const bar = this.#make("progress", { max: count, value: number - 1, "aria-label": text });
    this.#show("item", [
      this.#languages(() => this.#ask(number, count)),
      this.#make("div", { class: "kurdtts-row" }, bar, this.#make("span", { class: "kurdtts-progress" }, text)),
      this.#make("h3", { tabindex: -1 }, this.#words("mos")),
      this.#make("div", { class: "kurdtts-row" }, this.player),
      this.#make("div", { class: "kurdtts-row", role: "group", "aria-label": this.#words("answers") }, ...this.choices),
      this.#make("div", { class: "kurdtts-row" }, this.forward),
      this.#make("p", { class: "kurdtts-keys" }, this.#words("keys")),
    ]);
    this.#draw();
  }

  async #play() {
    const { item } = this;
    this.#silence();
    this.playing = true;
    this.#draw();
    try {
      this.audio.src = `audio/${item}.wav`;
      await this.audio.play();
    } catch (error) {
      if (this.item !== item || error.name === "AbortError") return; // pressed again, or gone on
      this.playing = false;
      this.#draw();
      this.#say("no_play");
    }
  }

  #ended() {
    if (!this.playing) return;
    this.plays++;
    this.playing = false;
    this.#draw();
  }

  #silence() {
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.playing = false;
  }

  #choose(value) {
    if (!this.plays) return this.#say("listen_first");
    this.chosen = value;
    this.#draw();
  }

  #keep() {
    if (this.chosen === null) return;
    const { item, plays, chosen } = this;
    this.kept.add({ item, answer: chosen, plays, time: new Date().toISOString() });
    this.#next();
  }

  #end() {
    const { format, test, code } = this;
    const content = JSON.stringify({ format, test, code, answers: this.kept.answers });
    const link = this.#make("a", { class: "kurdtts-button kurdtts-main" }, this.#words("download"));
    link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
    link.download = `answers-${code}.json`;
    const done = this.#make("h3", { tabindex: -1 }, this.#words("done"));
    this.#show("end", [this.#languages(() => this.#end()), done, this.#make("p", {}, this.#words("send_back")), link]);
  }

  #draw() {
    const label = this.#words("play");
    this.player.textContent = this.plays ? `${label} ✓` : label;
    this.player.setAttribute("aria-label", this.plays ? `${label} (${this.#words("heard")})` : label);
    this.player.dataset.plays = this.plays;
    this.player.dataset.playing = this.playing;
    for (const choice of this.choices) {
      // not `disabled`: this would take the focus away
      choice.setAttribute("aria-disabled", !this.plays);
      choice.setAttribute("aria-pressed", String(this.chosen) === choice.dataset.value);
    }
    this.forward.setAttribute("aria-disabled", this.chosen === null);
    this.#say(this.playing ? "playing" : !this.plays ? "listen_first" : this.chosen === null ? "now_answer" : "press_next");
  }

  #key(event) {
    const { target, key } = event;
    if (target.matches("input") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (this.root.dataset.state !== "item") return;
    const pressesIt = target.matches("button") && (key === "Enter" || key === " "); // these press the button itself
    const choice = this.choices[Number(key) - 1];
    if (choice) choice.click();
    else if (key === " " && !pressesIt) this.player.click();
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

  #say(name) {
    const text = this.#words(name);
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

new ListeningView(document.getElementById("kurdtts-test"), window.kurdttsListening);
