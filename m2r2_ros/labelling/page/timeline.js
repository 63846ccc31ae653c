// SPDX-License-Identifier: Apache-2.0
// The time axis: what part of the recording is in view, its labels, and the playhead.

import { edgesOf, moveEdge, pieceAt } from "./document.js";

const SHORTEST_VIEW_S = 0.5;
const NEAR_PX = 6;
// Rows from the top, each with the sources of its labels.
export const ROWS = [
  { id: "labels", title: "Labels", sources: ["human", "import"] },
  { id: "model", title: "Model", sources: ["model"] },
  { id: "marks", title: "Marks", sources: ["mark"] },
];
const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600];

export const clock = (seconds, digits = 1) => {
  const sign = seconds < 0 ? "-" : "";
  const tenths = Math.round(Math.abs(seconds) * 10 ** digits) / 10 ** digits;
  const minutes = Math.floor(tenths / 60);
  const rest = (tenths - minutes * 60).toFixed(digits);
  return `${sign}${minutes}:${rest.padStart(digits ? digits + 3 : 2, "0")}`;
};

export class Timeline {
  // app: {document, pieces, recording, colour(name), isIdle(name), seek(time), edit(document)}
  constructor(app, gutter) {
    this.app = app;
    this.gutter = gutter;
    this.view = { start: app.recording.start, end: Math.min(app.recording.end, app.recording.start + 60) };
    this.dragged = null;
    this.ruler = document.getElementById("ruler");
    this.tracks = document.getElementById("tracks");
    this.overview = document.getElementById("overview");
    this.area = document.getElementById("timeline");
    this.playhead = document.getElementById("playhead");
    this.#listen();
  }

  get width() {
    return Math.max(50, this.area.clientWidth - this.gutter);
  }

  x(time) {
    return ((time - this.view.start) / (this.view.end - this.view.start)) * this.width;
  }

  timeAt(clientX) {
    const x = clientX - this.area.getBoundingClientRect().left - this.gutter;
    return this.view.start + (x / this.width) * (this.view.end - this.view.start);
  }

  setView(start, end) {
    const { recording } = this.app;
    const whole = recording.end - recording.start;
    const length = Math.min(Math.max(end - start, SHORTEST_VIEW_S), whole);
    const from = Math.min(Math.max(start, recording.start), recording.end - length);
    this.view = { start: from, end: from + length };
    this.app.changedView();
  }

  zoom(factor, around = this.app.time) {
    const { start, end } = this.view;
    const fixed = Math.min(Math.max(around, start), end);
    this.setView(fixed - (fixed - start) * factor, fixed + (end - fixed) * factor);
  }

  pan(seconds) {
    this.setView(this.view.start + seconds, this.view.end + seconds);
  }

  // Moves the view when the time has left it.
  follow(time) {
    const { start, end } = this.view;
    if (time >= start && time <= end) return;
    const length = end - start;
    this.setView(time - length * 0.1, time + length * 0.9);
  }

  draw() {
    this.#drawRuler();
    this.#drawTracks();
    this.#drawOverview();
    this.drawTime();
  }

  drawTime() {
    const { time, recording } = this.app;
    const x = this.x(time);
    this.playhead.hidden = x < 0 || x > this.width;
    this.playhead.style.left = `${this.gutter + x}px`;
    this.ruler.setAttribute("aria-valuenow", time.toFixed(2));
    this.ruler.setAttribute("aria-valuetext", `${clock(time, 2)} of ${clock(recording.end)}`);
    const part = (time - recording.start) / (recording.end - recording.start);
    document.getElementById("overview-head").style.left = `${part * 100}%`;
    const current = pieceAt(this.app.pieces, time);
    for (const element of this.tracks.querySelectorAll(".piece")) {
      element.classList.toggle("current", element.piece === current);
    }
  }

  #drawRuler() {
    const { start, end } = this.view;
    const step = STEPS_S.find((s) => (s / (end - start)) * this.width >= 80) ?? 1200;
    const marks = [];
    for (let time = Math.ceil(start / step) * step; time <= end; time += step) {
      const mark = document.createElement("span");
      mark.textContent = clock(time, step < 1 ? 1 : 0);
      mark.style.left = `${this.gutter + this.x(time)}px`;
      marks.push(mark);
    }
    this.ruler.replaceChildren(...marks);
    this.ruler.setAttribute("aria-valuemin", this.app.recording.start);
    this.ruler.setAttribute("aria-valuemax", this.app.recording.end);
  }

  #drawTracks() {
    const { pieces } = this.app;
    const used = ROWS.filter((row, i) =>
      !i || pieces.some((piece) => row.sources.includes(piece.label?.source)));
    const visible = pieces.filter((p) => p.end > this.view.start && p.start < this.view.end);
    const rows = used.map((row, i) => {
      const element = document.createElement("div");
      element.className = "row";
      element.id = `row-${row.id}`;
      element.setAttribute("role", "group");
      element.setAttribute("aria-label", row.title);
      const title = document.createElement("span");
      title.className = "title";
      title.textContent = row.title;
      const own = visible.filter((piece) =>
        piece.label ? row.sources.includes(piece.label.source) : i === 0);
      element.append(title, this.#lane(own));
      return element;
    });
    this.tracks.replaceChildren(...rows, this.#handles(visible));
  }

  #lane(pieces) {
    const lane = document.createElement("div");
    lane.className = "lane";
    lane.append(...pieces.map((piece) => this.#piece(piece)));
    return lane;
  }

  #piece(piece) {
    const element = document.createElement("div");
    const { label } = piece;
    element.piece = piece;
    element.className = `piece ${label ? label.source : "unlabelled"}`;
    if (label && this.app.isIdle(label.label)) element.classList.add("idle");
    const left = Math.max(this.x(piece.start), -2);
    const right = Math.min(this.x(piece.end), this.width + 2);
    element.style.left = `${left}px`;
    element.style.width = `${Math.max(1, right - left)}px`;
    const text = label ? label.label : this.app.document.complete ? "idle" : "unlabelled";
    element.textContent = text;
    if (label) element.style.setProperty("--own", this.app.colour(label.label));
    if (label?.outcome) element.classList.add(label.outcome);
    element.title = describe(piece, this.app.document.complete);
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", element.title);
    return element;
  }

  #handles(pieces) {
    const layer = document.createElement("div");
    layer.className = "handles";
    for (const edge of edgesOf(pieces)) {
      const x = this.x(edge);
      if (x < 0 || x > this.width) continue;
      const handle = document.createElement("div");
      handle.className = "handle";
      handle.style.left = `${this.gutter + x}px`;
      handle.edge = edge;
      handle.dataset.edge = edge;
      layer.append(handle);
    }
    return layer;
  }

  #drawOverview() {
    const { recording, pieces } = this.app;
    const canvas = this.overview.querySelector("canvas");
    const scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    Object.assign(canvas, { width: width * scale, height: height * scale });
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    const x = (time) => ((time - recording.start) / (recording.end - recording.start)) * width;
    for (const { start, end, label } of pieces) {
      if (!label) continue;
      context.globalAlpha = label.source === "model" ? 0.45 : this.app.isIdle(label.label) ? 0.35 : 1;
      context.fillStyle = this.app.colour(label.label);
      context.fillRect(x(start), 0, Math.max(1, x(end) - x(start) - 0.5), height);
    }
    const window_ = document.getElementById("overview-view");
    const whole = recording.end - recording.start;
    window_.style.left = `${((this.view.start - recording.start) / whole) * 100}%`;
    window_.style.width = `${((this.view.end - this.view.start) / whole) * 100}%`;
  }

  #listen() {
    this.area.addEventListener("pointerdown", (event) => this.#press(event));
    this.area.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.overview.addEventListener("pointerdown", (event) => {
      const jump = (e) => {
        const box = this.overview.getBoundingClientRect();
        const part = Math.min(Math.max((e.clientX - box.left) / box.width, 0), 1);
        const { start, end } = this.app.recording;
        this.app.seek(start + part * (end - start));
      };
      this.#track(event, this.overview, jump);
      jump(event);
    });
  }

  #press(event) {
    if (event.button) return;
    const { edge } = event.target;
    if (edge !== undefined) return this.#dragEdge(event, edge);
    if (event.clientX < this.area.getBoundingClientRect().left + this.gutter) return;
    const scrub = (e) => this.app.seek(this.timeAt(e.clientX));
    this.#track(event, this.area, scrub);
    scrub(event);
  }

  #dragEdge(event, edge) {
    const before = this.app.document;
    const edges = edgesOf(this.app.pieces);
    const from = event.clientX;
    let hasMoved = false;
    const move = (e) => {
      hasMoved ||= Math.abs(e.clientX - from) > 2;
      if (!hasMoved) return;
      const snapped = Math.abs(this.x(this.app.time) - this.x(this.timeAt(e.clientX))) < NEAR_PX;
      this.dragged = moveEdge(before, edges, edge, snapped ? this.app.time : this.timeAt(e.clientX));
      this.app.preview(this.dragged);
    };
    const end = (isKept) => {
      const after = this.dragged;
      this.dragged = null;
      this.app.preview(null);
      if (isKept && hasMoved && after) this.app.edit(after);
    };
    this.#track(event, this.area, move, end);
  }

  #track(event, element, move, end = () => {}) {
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    const stop = new AbortController();
    const { signal } = stop;
    const finish = (isKept) => () => {
      stop.abort();
      end(isKept);
    };
    element.addEventListener("pointermove", move, { signal });
    element.addEventListener("pointerup", finish(true), { signal });
    element.addEventListener("pointercancel", finish(false), { signal });
  }

  #wheel(event) {
    const onTime = event.target.closest("#ruler, #tracks");
    if (!onTime && !event.ctrlKey && !event.shiftKey && !event.deltaX) return;
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const pixels = event.deltaX || event.deltaY;
      this.pan((pixels / this.width) * (this.view.end - this.view.start));
    } else {
      this.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.006), this.timeAt(event.clientX));
    }
  }
}

const SAID = {
  human: "", import: "from the recording", mark: "marked while recording", model: "proposed by the model",
};

export function describe({ start, end, label }, isComplete) {
  const span = `${clock(start, 2)} to ${clock(end, 2)}`;
  if (!label) return `${isComplete ? "idle" : "unlabelled"}, ${span}`;
  const sure = label.source === "model" ? `, ${Math.round(label.confidence * 100)} % sure` : "";
  const parts = [label.label, label.outcome, SAID[label.source] + sure, span];
  return parts.filter(Boolean).join(", ");
}
