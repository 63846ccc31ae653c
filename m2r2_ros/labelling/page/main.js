// SPDX-License-Identifier: Apache-2.0
// The page: one recording, its pictures, its time axis, and the keys.

import * as edits from "./document.js";
import { Palette } from "./palette.js";
import { Player, RATES } from "./player.js";
import { Plots } from "./plots.js";
import { Store } from "./store.js";
import { Timeline, clock, describe } from "./timeline.js";

const GUTTER = 128;
const FRAME_S = 1 / 30;
const ASK_MS = 1000;
// A piece is played up to here before its end, where the playhead is still in it [s].
const WITHIN_S = 0.01;
const at = (id) => document.getElementById(id);

// Hues that are told apart, one after the other around the circle by the golden angle.
const hueOf = (index) => (index * 137.508 + 205) % 360;

class App {
  constructor(number, recording) {
    this.api = `api/${number}`;
    this.recording = recording;
    this.given = recording.names.map((entry) => entry.label);
    this.places = new Map(this.given.map((name, i) => [name, i]));
    this.idle = new Set(recording.names.filter((entry) => entry.idle).map((entry) => entry.label));
    this.shownDocument = null;
    this.store = new Store(`${this.api}/labels`, recording.key, () => this.changed(), ask);
  }

  async start() {
    await this.store.load();
    this.#sortNames();
    this.player = new Player(this.api, this.recording, cameras(this.recording), () => this.played());
    this.plots = new Plots(this.api, this.recording, plotPlaces(this.recording), GUTTER);
    this.plots.onData = () => this.redraw();
    this.timeline = new Timeline(this, GUTTER);
    this.palette = new Palette(this.names, this.recording.fixed, (name) => this.colour(name), (name) => this.name(name));
    this.palette.list.addEventListener("keydown", (event) => stepThrough(event, this.palette.list));
    at("cut").hidden = !this.recording.cuts;
    at("complete").addEventListener("change", (event) => {
      this.edit({ ...this.document, complete: event.target.checked });
    });
    new ResizeObserver(() => this.redraw()).observe(at("timeline"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.plots.make();
      this.redraw();
    });
    this.changed();
    this.player.seek(this.recording.start);
    this.ask();
    // After the frame that draws what is there.
    requestAnimationFrame(() => { document.body.dataset.ready = "yes"; });
  }

  // What the recording has comes first, and stays where it is once somebody has begun to work.
  #sortNames() {
    const used = new Set(this.document.labels.map((label) => label.label));
    if (this.isSorted || !used.size) return;
    this.isSorted = true;
    this.given.sort((a, b) => used.has(b) - used.has(a));
  }

  get document() {
    return this.shownDocument ?? this.store.document;
  }

  get time() {
    return this.player.time;
  }

  get names() {
    const used = new Set(this.store.document.labels.map((label) => label.label));
    return [...new Set([...this.given, ...used])];
  }

  get piece() {
    return edits.pieceAt(this.pieces, this.time);
  }

  isIdle(name) {
    return this.idle.has(name);
  }

  // A new name's is behind all others, in the order of its first use.
  #place(name) {
    if (!this.places.has(name)) this.places.set(name, this.places.size);
    return this.places.get(name);
  }

  colour(name) {
    if (this.isIdle(name)) return "oklch(0.72 0.015 250)";
    return `oklch(0.78 0.125 ${hueOf(this.#place(name))})`;
  }

  edit(document) {
    return this.store.edit(document);
  }

  preview(document) {
    this.shownDocument = document;
    this.#divide();
    this.timeline.draw();
  }

  seek(time) {
    this.player.seek(time);
    this.timeline.follow(this.time);
    this.#say();
  }

  // The labels have changed, here or elsewhere.
  changed() {
    const { status, problem } = this.store;
    at("status").textContent = { loading: "Loading", saved: "Saved", saving: "Saving", unsaved: "Not saved" }[status];
    at("status").dataset.status = status;
    at("problem").textContent = problem;
    at("problem").hidden = !problem;
    if (!this.timeline) return;
    this.#divide();
    if (this.store.done.length) this.isSorted = true;
    this.#sortNames();
    this.palette.setNames(this.names);
    at("undo").disabled = !this.store.done.length;
    at("redo").disabled = !this.store.undone.length;
    at("complete").checked = this.document.complete;
    const count = edits.doubtful(this.pieces, this.document.complete).length;
    at("doubts").textContent = count ? `${count} to look at` : "Nothing in doubt";
    this.redraw();
    this.#say();
  }

  #divide() {
    const { start, end } = this.recording;
    this.pieces = edits.piecesOf(this.document, start, end);
  }

  changedView() {
    this.redraw();
  }

  redraw() {
    if (this.isDue || !this.timeline) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.timeline.draw();
      this.plots.draw(this.timeline.view, at("timeline").clientWidth);
    });
  }

  played() {
    if (!this.timeline) return;
    if (this.player.playing) this.timeline.follow(this.time);
    this.timeline.drawTime();
    at("time").textContent = clock(this.time, 2);
    at("play").textContent = this.player.playing ? "Pause" : "Play";
    at("play").setAttribute("aria-pressed", this.player.playing);
  }

  #say() {
    const { piece } = this;
    if (!piece) return;
    at("time").textContent = clock(this.time, 2);
    at("current").textContent = describe(piece, this.document.complete);
  }

  async ask() {
    try {
      const answer = await fetch(`${this.api}/state`);
      const state = await answer.json();
      if (answer.ok) {
        this.#know(state);
        await this.store.follow(state.revision);
      } else {
        this.store.problem = state.error;
        this.changed();
      }
    } catch { /* the store says that the server does not answer */ }
    setTimeout(() => this.ask(), ASK_MS);
  }

  #know(state) {
    const hasMore = state.made !== this.player.made;
    this.player.made = state.made;
    this.plots.follow(state.made);
    if (hasMore) {
      this.redraw();
      if (!this.player.playing) this.player.show();
    }
    const share = Math.round((state.made / this.recording.parts) * 100);
    const made = state.made < this.recording.parts ? `preparing to play: ${share} %` : "";
    at("background").textContent = [state.proposing, made].filter(Boolean).join(" · ");
    at("notes").replaceChildren(...state.notes.map((note) => {
      const item = document.createElement("li");
      item.textContent = note;
      return item;
    }));
    at("notes-box").hidden = !state.notes.length;
  }

  // What keys and buttons do.

  split() {
    this.edit(edits.split(this.document, this.piece, this.time));
  }

  name(name) {
    if (name) this.edit(edits.name(this.document, this.piece, name));
  }

  remove() {
    this.edit(edits.remove(this.document, this.piece));
  }

  merge(step) {
    const i = this.pieces.indexOf(this.piece);
    const [first, second] = step > 0 ? [i, i + 1] : [i - 1, i];
    const whole = edits.merge(this.document, this.pieces[first], this.pieces[second]);
    // The name is that of the piece under the playhead.
    const { label } = this.piece;
    const named = whole.labels.find((l) => l.start === this.pieces[first]?.start);
    if (step < 0 && label && named) Object.assign(named, { label: label.label, outcome: label.outcome });
    this.edit(whole);
  }

  #nearestEdge() {
    const edges = edits.edgesOf(this.pieces);
    const distance = (edge) => Math.abs(edge - this.time);
    return { edges, edge: edges.reduce((a, b) => (distance(b) < distance(a) ? b : a), edges[0]) };
  }

  bring() {
    const { edges, edge } = this.#nearestEdge();
    this.edit(edits.moveEdge(this.document, edges, edge, this.time));
  }

  nudge(seconds) {
    const { edges, edge } = this.#nearestEdge();
    this.edit(edits.moveEdge(this.document, edges, edge, edge + seconds));
  }

  confirm() {
    const { piece } = this;
    if (piece.label?.source === "model") this.edit(edits.confirm(this.document, piece));
    this.doubt(0);
  }

  confirmAll() {
    this.edit(edits.confirmAll(this.document));
  }

  // From its start to its end; what is doubtful is played, too, from then on.
  playPiece() {
    const { start, end } = this.piece;
    this.seek(start);
    this.player.play(end - WITHIN_S);
    this.isReviewing = true;
  }

  toggle() {
    this.isReviewing = false;
    this.player.toggle();
  }

  // The most doubtful place; the one so many after it while that is where the last step has led.
  doubt(step) {
    const places = edits.doubtful(this.pieces, this.document.complete);
    if (!places.length) return;
    const here = places.indexOf(this.piece);
    const isLed = here >= 0 && this.piece.start === this.doubted;
    const i = isLed && step ? (here + step + places.length) % places.length : 0;
    const { start, end } = places[i];
    this.timeline.follow(end);
    this.seek((start + end) / 2);
    this.doubted = start;
    if (this.isReviewing) this.playPiece();
  }

  outcome() {
    const order = [null, "success", "failure"];
    const now = this.piece.label?.outcome ?? null;
    this.edit(edits.setOutcome(this.document, this.piece, order[(order.indexOf(now) + 1) % 3]));
  }

  jump(step) {
    const edges = edits.edgesOf(this.pieces);
    const next = step > 0
      ? edges.find((edge) => edge > this.time + 1e-3)
      : edges.findLast((edge) => edge < this.time - 1e-3);
    if (next !== undefined) this.seek(next);
  }

  rate(step) {
    const now = RATES.indexOf(this.player.rate) + step;
    if (RATES[now]) this.player.setRate(RATES[now]);
    at("rate").value = String(this.player.rate);
  }

  whole() {
    this.timeline.setView(this.recording.start, this.recording.end);
  }

  async cut() {
    at("cut").disabled = true;
    try {
      const answer = await fetch(`${this.api}/cut`);
      const cuts = await answer.json();
      if (answer.ok) {
        // Turns are more often none than rests: they come when it is asked again.
        const isNew = this.edit(edits.withCuts(this.document, cuts.rests));
        if (!isNew) this.edit(edits.withCuts(this.document, cuts.turns));
      } else {
        this.store.problem = cuts.error;
        this.changed();
      }
    } finally {
      at("cut").disabled = false;
    }
  }
}

// Key (with Shift before it) -> what it does, with a word for the list of keys.
const KEYS = {
  " ": ["Play or pause", (app) => app.toggle()],
  p: ["Play this piece, then what Enter leads to", (app) => app.playPiece()],
  ArrowLeft: ["One frame back", (app) => app.seek(app.time - FRAME_S)],
  ArrowRight: ["One frame on", (app) => app.seek(app.time + FRAME_S)],
  "Shift+ArrowLeft": ["One second back", (app) => app.seek(app.time - 1)],
  "Shift+ArrowRight": ["One second on", (app) => app.seek(app.time + 1)],
  ArrowUp: ["Edge before", (app) => app.jump(-1)],
  ArrowDown: ["Next edge", (app) => app.jump(1)],
  Home: ["Start", (app) => app.seek(app.recording.start)],
  End: ["End", (app) => app.seek(app.recording.end)],
  ",": ["Slower", (app) => app.rate(-1)],
  ".": ["Faster", (app) => app.rate(1)],
  "+": ["Zoom in", (app) => app.timeline.zoom(0.5)],
  "-": ["Zoom out", (app) => app.timeline.zoom(2)],
  w: ["Whole recording", (app) => app.whole()],
  s: ["Split here", (app) => app.split()],
  n: ["Name: search", (app) => app.palette.open()],
  m: ["Merge with the next", (app) => app.merge(1)],
  "Shift+M": ["Merge with the one before", (app) => app.merge(-1)],
  b: ["Bring the nearest edge here", (app) => app.bring()],
  "Alt+ArrowLeft": ["Nearest edge a frame back", (app) => app.nudge(-FRAME_S)],
  "Alt+ArrowRight": ["Nearest edge a frame on", (app) => app.nudge(FRAME_S)],
  Delete: ["Delete the label", (app) => app.remove()],
  Enter: ["Confirm, go to the next in doubt", (app) => app.confirm()],
  "Shift+Enter": ["Confirm all that is proposed", (app) => app.confirmAll()],
  d: ["Next in doubt", (app) => app.doubt(1)],
  "Shift+D": ["In doubt before", (app) => app.doubt(-1)],
  o: ["Success, failure, neither", (app) => app.outcome()],
  "Control+z": ["Undo", (app) => app.store.undo()],
  "Control+y": ["Redo", (app) => app.store.redo()],
  "?": ["These keys", () => at("help").showModal()],
};
const ALSO = { "=": "+", "/": "n", x: "Delete", Backspace: "Delete", "Control+Shift+Z": "Control+y" };
const SHOWN = {
  " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Control: "Ctrl", Delete: "Del or X",
};

function keyName(event) {
  const control = event.ctrlKey || event.metaKey ? "Control+" : "";
  const isLetter = event.key.length === 1;
  // Of a character Shift is already in the character.
  const shift = event.shiftKey && (!isLetter || /[A-Z]/.test(event.key)) ? "Shift+" : "";
  return control + (event.altKey ? "Alt+" : "") + shift + event.key;
}

function onKey(app, event) {
  if (document.querySelector("dialog[open]")) return;
  const { target } = event;
  if (target.closest("input[type=search], select")) return;
  const name = keyName(event);
  // Space and Enter press the button that has the focus.
  if ([" ", "Enter"].includes(name) && target.closest("button, input, summary")) return;
  if (/^[0-9]$/.test(name)) {
    event.preventDefault();
    app.name(app.palette.numbered(name));
    return;
  }
  const known = KEYS[ALSO[name] ?? name];
  if (!known) return;
  event.preventDefault();
  known[1](app);
}

function stepThrough(event, list) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopPropagation();
  const buttons = [...list.querySelectorAll("button")];
  buttons[buttons.indexOf(document.activeElement) + step]?.focus();
}

function cameras(recording) {
  const figures = recording.cameras.map((name) => {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 320, height: 240 });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `camera ${name}`);
    const caption = document.createElement("figcaption");
    caption.textContent = name;
    figure.append(canvas, caption);
    return figure;
  });
  at("cameras").replaceChildren(...figures);
  at("cameras").hidden = !figures.length;
  return figures.map((figure) => figure.querySelector("canvas"));
}

function plotPlaces(recording) {
  const rows = recording.plots.map((plot) => {
    const row = document.createElement("div");
    row.className = "plot";
    const title = document.createElement("div");
    title.className = "title";
    title.textContent = plot.title;
    const unit = document.createElement("small");
    unit.textContent = plot.unit && plot.unit !== "1" ? ` ${plot.unit}` : "";
    title.append(unit);
    const names = document.createElement("div");
    names.className = "legend";
    if (plot.names.length > 1) {
      names.append(...plot.names.map((name, i) => {
        const entry = document.createElement("span");
        entry.textContent = name;
        entry.style.color = `var(--line-${i % 7})`;
        return entry;
      }));
    }
    const place = document.createElement("div");
    place.className = "chart";
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", `plot of ${plot.title}`);
    row.append(title, names, place);
    return row;
  });
  at("plots").replaceChildren(...rows);
  return rows.map((row) => row.querySelector(".chart"));
}

// Whether ours is to be kept where another window has changed the same labels.
function ask() {
  const dialog = at("conflict");
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "mine"), { once: true });
  });
}

function listKeys() {
  const rows = Object.entries(KEYS).map(([key, [what]]) => {
    const row = document.createElement("li");
    const keys = key === "+" ? [key] : key.split("+");
    row.append(...keys.map((part) => {
      const element = document.createElement("kbd");
      element.textContent = SHOWN[part] ?? (part.length === 1 ? part.toUpperCase() : part);
      return element;
    }), what);
    return row;
  });
  const digits = document.createElement("li");
  const kbd = document.createElement("kbd");
  kbd.textContent = "1 … 0";
  digits.append(kbd, "Name, as numbered in the list");
  at("keys").replaceChildren(digits, ...rows);
}

function buttons(app) {
  const pressed = {
    play: (a) => a.toggle(), split: (a) => a.split(), merge: (a) => a.merge(1),
    remove: (a) => a.remove(), confirm: (a) => a.confirm(), doubt: (a) => a.doubt(1),
    undo: (a) => a.store.undo(), redo: (a) => a.store.redo(), cut: (a) => a.cut(),
    "zoom-in": (a) => a.timeline.zoom(0.5), "zoom-out": (a) => a.timeline.zoom(2), "zoom-whole": (a) => a.whole(),
    keys_button: () => at("help").showModal(),
  };
  for (const [id, act] of Object.entries(pressed)) {
    at(id).addEventListener("click", (event) => {
      act(app);
      // The keys go on working after a click.
      if (event.detail) event.currentTarget.blur();
    });
  }
  at("rate").append(...RATES.map((rate) => new Option(`${rate} ×`, rate, rate === 1, rate === 1)));
  at("rate").addEventListener("change", (event) => {
    app.player.setRate(Number(event.target.value));
    event.target.blur();
  });
}

async function main() {
  const recordings = await (await fetch("api")).json();
  const number = Math.min(Number(location.hash.slice(1)) || 0, recordings.length - 1);
  const chooser = at("recording");
  chooser.append(...recordings.map((name, i) => new Option(name, i, i === number, i === number)));
  chooser.addEventListener("change", () => {
    location.hash = chooser.value;
    location.reload();
  });
  const answer = await fetch(`api/${number}`);
  const recording = await answer.json();
  if (!answer.ok) throw new Error(recording.error);
  document.title = `${recording.name} · m2r2 label`;
  const app = new App(number, recording);
  await app.start();
  buttons(app);
  listKeys();
  document.addEventListener("keydown", (event) => onKey(app, event));
  window.addEventListener("beforeunload", (event) => {
    if (app.store.status !== "saved") event.preventDefault();
  });
}

main().catch((error) => {
  at("problem").textContent = error.message;
  at("problem").hidden = false;
});
