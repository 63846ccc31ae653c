// SPDX-License-Identifier: Apache-2.0
// The names to choose from: by number keys, by search, or new ones where the vocabulary is open.

export class Palette {
  // choose(name): a name was chosen.
  constructor(names, isFixed, colour, choose) {
    Object.assign(this, { names, isFixed, colour, choose });
    this.search = document.getElementById("search");
    this.list = document.getElementById("names");
    this.search.placeholder = isFixed ? "Search" : "Search or add";
    this.search.addEventListener("input", () => this.draw());
    this.search.addEventListener("keydown", (event) => this.#key(event));
    this.draw();
  }

  setNames(names) {
    if (names.join("\n") === this.names.join("\n")) return;
    this.names = names;
    this.draw();
  }

  open() {
    this.search.value = "";
    this.draw();
    this.search.focus();
  }

  get found() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.names.filter((name) => words.every((word) => name.toLowerCase().includes(word)));
    const text = this.search.value.trim();
    const isNew = !this.isFixed && text && !this.names.includes(text);
    return isNew ? [...found, text] : found;
  }

  // The name of a number key: 1 to 9, and 0 for the tenth.
  numbered(key) {
    return this.found[key === "0" ? 9 : Number(key) - 1];
  }

  draw() {
    const { found } = this;
    this.list.replaceChildren(...found.map((name, i) => this.#item(name, i)));
  }

  #item(name, i) {
    const button = document.createElement("button");
    const key = document.createElement("kbd");
    key.textContent = i < 10 ? (i + 1) % 10 : "";
    const dot = document.createElement("span");
    dot.className = "dot";
    dot.style.background = this.colour(name);
    const text = document.createElement("span");
    text.className = "name";
    const isNew = !this.names.includes(name);
    text.textContent = isNew ? `Add “${name}”` : name;
    button.append(key, dot, text);
    button.dataset.name = name;
    button.addEventListener("click", () => this.#take(name));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  #take(name) {
    this.search.value = "";
    this.search.blur();
    this.choose(name);
    this.draw();
  }

  #key(event) {
    event.stopPropagation();
    if (event.key === "Escape") {
      this.search.value = "";
      this.search.blur();
      this.draw();
    } else if (event.key === "Enter" && this.found.length) {
      event.preventDefault();
      this.#take(this.found[0]);
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      this.list.querySelector("button")?.focus();
    }
  }
}
