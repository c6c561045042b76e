// The listening test as a page of its own, also from the disk: answers stay in the browser until the listener saves
// them as a file. `kurdttsListening` in the page: {test, format, language, labels, tests: {code: what `open` gives}}.
"use strict";

class PageListening {
  constructor({ test, format, tests }) {
    Object.assign(this, { test, format, tests });
    this.memory = {}; // also where a browser keeps nothing for pages from the disk
  }

  async open(code) {
    if (!Object.hasOwn(this.tests, code)) return null;
    return { ...this.tests[code], answered: this.#read(code).answers.map(({ item }) => item) };
  }

  async url(sound) {
    return `audio/${sound}.wav`;
  }

  async answer(code, given) {
    const others = this.#read(code).answers.filter(({ item }) => item !== given.item);
    this.#write(code, { answers: [...others, given] });
  }

  async end(code, place, words) {
    const content = JSON.stringify({ format: this.format, test: this.test, code, ...this.#read(code) });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
    link.download = `answers-${code}.json`;
    link.className = "kurdtts-button kurdtts-main";
    link.textContent = words("download");
    const help = document.createElement("p");
    help.textContent = words("send_back");
    place.append(help, link);
  }

  #name(code) {
    return `kurdtts-listening-${this.test}-${code}`;
  }

  #read(code) {
    const kept = this.memory[code] ?? this.#stored(code);
    return kept ? JSON.parse(kept) : { answers: [] };
  }

  #stored(code) {
    try {
      return localStorage.getItem(this.#name(code));
    } catch (error) {
      console.warn(error); // switched off; `#write` says so where the listener sees it
      return null;
    }
  }

  #write(code, kept) {
    this.memory[code] = JSON.stringify(kept);
    try {
      localStorage.setItem(this.#name(code), this.memory[code]);
    } catch (error) {
      console.warn(error);
      document.getElementById("kurdtts-storage").hidden = false;
    }
  }
}

mountListening(document.getElementById("kurdtts-test"), {
  ...window.kurdttsListening,
  shell: new PageListening(window.kurdttsListening),
});
