// SPDX-License-Identifier: Apache-2.0
// Sound and signals as plots over the view's time, from envelopes that the server has made.

import uPlot from "uplot";

const PART_S = 5;
const FINE = 1000;
const COARSE = 50;
// Wider views show coarse bins.
const FINE_VIEW_S = 60;
const KEPT_PARTS = 40;

export class Plots {
  constructor(api, recording, places, gutter) {
    Object.assign(this, { api, recording, places, gutter });
    this.columns = recording.plots.reduce((sum, plot) => sum + plot.names.length, 0);
    this.fine = new Map();
    this.coarse = null;
    this.coarseMade = -1;
    this.made = 0;
    this.onData = () => {};
    this.make();
  }

  // Colours are those of the page, which may become dark or light.
  make() {
    this.charts?.forEach((chart) => chart.destroy());
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.charts = this.recording.plots.map((plot, i) => {
      const axis = {
        stroke: colour("--faint"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false },
        font: "10px system-ui, sans-serif", size: this.gutter, gap: 4, splits: (u, a, min, max) => {
          const ticks = [min + (max - min) * 0.15, max - (max - min) * 0.15];
          const digits = Math.max(0, 1 - Math.floor(Math.log10((max - min) || 1)));
          return ticks.map((tick) => Number(tick.toFixed(digits)));
        },
        values: (u, ticks) => ticks.map((tick) => String(Number(tick.toPrecision(3)))),
      };
      const options = {
        width: 100, height: this.places[i].clientHeight || 56, padding: [2, 0, 2, 0],
        cursor: { show: false }, legend: { show: false },
        scales: { x: { time: false, auto: false }, y: { auto: true } },
        axes: [{ show: false }, { ...axis, show: plot.title !== "sound" }],
        series: [{}, ...plot.names.map((_, k) => ({
          stroke: colour(plot.title === "sound" ? "--sound" : `--line-${k % 7}`),
          width: 1, points: { show: false }, spanGaps: true,
        }))],
      };
      if (plot.title === "sound") options.axes[1] = { show: true, size: this.gutter, ticks: { show: false }, grid: { show: false }, values: () => [] };
      return new uPlot(options, [[], ...plot.names.map(() => [])], this.places[i]);
    });
  }

  follow(made) {
    this.made = made;
    const step = Math.max(1, Math.floor(this.recording.parts / 20));
    const isDue = made - this.coarseMade >= step || made === this.recording.parts;
    if (made !== this.coarseMade && isDue) this.#fetchCoarse(made);
  }

  draw(view, width) {
    this.view = view;
    const isFine = view.end - view.start <= FINE_VIEW_S;
    const runs = isFine ? this.#fineRuns(view) : this.#coarseRuns(view);
    let column = 0;
    this.recording.plots.forEach((plot, i) => {
      const count = plot.names.length;
      const data = thinned(runs, column, count, view, Math.max(50, width - this.gutter));
      column += count;
      const chart = this.charts[i];
      const height = this.places[i].clientHeight;
      if (chart.width !== width || chart.height !== height) chart.setSize({ width, height });
      chart.batch(() => {
        chart.setData(data, false);
        chart.setScale("x", { min: view.start, max: view.end });
        chart.setScale("y", range(data, plot.title === "sound"));
      });
    });
  }

  #fineRuns(view) {
    const { start, parts } = this.recording;
    const first = Math.max(0, Math.floor((view.start - start) / PART_S));
    const last = Math.min(parts - 1, Math.floor((view.end - start) / PART_S));
    const runs = [];
    for (let part = first; part <= last; part++) {
      const values = this.fine.get(part);
      if (values instanceof Float32Array) {
        runs.push({ values, start: start + part * PART_S, bins: FINE, width: PART_S / FINE });
      } else {
        this.#fetchFine(part);
      }
    }
    return runs;
  }

  #coarseRuns() {
    if (!this.coarse) return [];
    const bins = this.recording.parts * COARSE;
    return [{ values: this.coarse, start: this.recording.start, bins, width: PART_S / COARSE }];
  }

  async #fetchFine(part) {
    if (this.fine.has(part)) return;
    this.fine.set(part, "asked");
    const values = await this.#floats(`${this.api}/parts/${part}/envelopes`, FINE);
    this.fine.delete(part);
    if (!values) return;
    this.fine.set(part, values);
    for (const number of [...this.fine.keys()].slice(0, -KEPT_PARTS)) this.fine.delete(number);
    this.onData();
  }

  async #fetchCoarse(made) {
    this.coarseMade = made;
    const values = await this.#floats(`${this.api}/coarse`, this.recording.parts * COARSE);
    if (!values) return;
    this.coarse = values;
    this.onData();
  }

  async #floats(url, bins) {
    try {
      const answer = await fetch(url);
      if (answer.status !== 200) return null;
      const values = new Float32Array(await answer.arrayBuffer());
      return values.length === this.columns * bins * 2 ? values : null;
    } catch {
      return null;
    }
  }
}

// Times and, for each column, least and greatest value in turn: two points for each pixel at most.
function thinned(runs, column, count, view, pixels) {
  const times = [];
  const rows = Array.from({ length: count }, () => []);
  for (const { values, start, bins, width } of runs) {
    const first = Math.max(0, Math.floor((view.start - start) / width) - 1);
    const last = Math.min(bins, Math.ceil((view.end - start) / width) + 1);
    const step = Math.max(1, Math.floor((view.end - view.start) / width / pixels));
    for (let bin = first - (first % step); bin < last; bin += step) {
      const end = Math.min(bin + step, bins);
      let isThere = false;
      const pairs = rows.map((_, k) => {
        let least = Infinity;
        let greatest = -Infinity;
        const offset = (column + k) * bins;
        for (let i = bin; i < end; i++) {
          const low = values[2 * (offset + i)];
          const high = values[2 * (offset + i) + 1];
          if (low < least) least = low;
          if (high > greatest) greatest = high;
        }
        isThere ||= least <= greatest;
        return least <= greatest ? [least, greatest] : [null, null];
      });
      if (!isThere) continue;
      times.push(start + bin * width, start + (bin + (end - bin) / 2) * width);
      pairs.forEach((pair, k) => rows[k].push(...pair));
    }
  }
  return [times, ...rows];
}

function range([, ...rows], isSound) {
  let least = Infinity;
  let greatest = -Infinity;
  for (const row of rows) {
    for (const value of row) {
      if (value === null) continue;
      if (value < least) least = value;
      if (value > greatest) greatest = value;
    }
  }
  if (!(least <= greatest)) return { min: -1, max: 1 };
  if (isSound) {
    const most = Math.max(Math.abs(least), Math.abs(greatest), 1e-3);
    return { min: -most, max: most };
  }
  const margin = (greatest - least) * 0.08 || Math.abs(greatest) * 0.1 || 1;
  return { min: least - margin, max: greatest + margin };
}
