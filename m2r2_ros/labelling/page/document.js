// SPDX-License-Identifier: Apache-2.0
// Labels and cuts as values: every edit gives a new document, and the difference of two documents
// is a change that can be undone, and applied to what another window has saved meanwhile.
//
// document  {labels: [{start, end, label, outcome, source, confidence}], cuts: [s], complete}
// piece     {start, end, label: a label or null}: time is divided by labels and cuts

// Nothing is made shorter than this [s].
export const SHORTEST_S = 0.02;
const SAME_S = 1e-6;

// As the server keeps them.
const toNanoseconds = (time) => Math.round(time * 1e9) / 1e9;
const same = (a, b) => Math.abs(a - b) < SAME_S;
const byStart = (a, b) => a.start - b.start;
const keyOf = (label) =>
  JSON.stringify([label.start, label.end, label.label, label.outcome, label.source, label.confidence]);

export function normalised(document) {
  const labels = document.labels
    .map(({ start, end, label, outcome, source, confidence }) => ({
      start: toNanoseconds(start), end: toNanoseconds(end), label, outcome: outcome ?? null, source, confidence,
    }))
    .sort(byStart);
  const free = (cut) => !labels.some((l) => l.start - SAME_S < cut && cut < l.end + SAME_S);
  const cuts = [...new Set(document.cuts.map(toNanoseconds).filter(free))].sort((a, b) => a - b);
  return { labels, cuts, complete: document.complete };
}

export function piecesOf(document, start, end) {
  const pieces = [];
  let from = start;
  const gap = (to) => {
    for (const cut of [...document.cuts.filter((c) => c > from + SAME_S && c < to - SAME_S), to]) {
      if (cut - from > SAME_S) pieces.push({ start: from, end: cut, label: null });
      from = cut;
    }
  };
  for (const label of document.labels) {
    gap(label.start);
    pieces.push({ start: label.start, end: label.end, label });
    from = Math.max(from, label.end);
  }
  gap(Math.max(end, from));
  return pieces;
}

export function pieceAt(pieces, time) {
  return pieces.findLast((piece) => piece.start <= time + SAME_S) ?? pieces[0];
}

export function edgesOf(pieces) {
  const times = pieces.flatMap((piece) => [piece.start, piece.end]);
  return times.sort((a, b) => a - b).filter((time, i) => !i || !same(time, times[i - 1]));
}

// Edits. Each returns the same document when there is nothing to do.

const replaced = (document, old, ...fresh) =>
  normalised({ ...document, labels: [...document.labels.filter((l) => l !== old), ...fresh] });

// What somebody has changed is theirs; a proposal stays one until its name is confirmed.
const touched = (label) => (label.source === "model" ? label : { ...label, source: "human" });

export function split(document, piece, time) {
  if (time - piece.start < SHORTEST_S || piece.end - time < SHORTEST_S) return document;
  const { label } = piece;
  if (!label) return normalised({ ...document, cuts: [...document.cuts, time] });
  const own = touched(label);
  return replaced(document, label, { ...own, end: time }, { ...own, start: time });
}

export function name(document, piece, text) {
  const { start, end, label } = piece;
  if (label && label.label === text && label.source === "human") return document;
  const outcome = label?.outcome ?? null;
  const fresh = { start, end, label: text, outcome, source: "human", confidence: 1 };
  return replaced(document, label, fresh);
}

export function confirm(document, piece) {
  const { label } = piece;
  if (label?.source !== "model") return document;
  return replaced(document, label, { ...label, source: "human", confidence: 1 });
}

export const confirmAll = (document) => normalised({
  ...document,
  labels: document.labels.map((l) => (l.source === "model" ? { ...l, source: "human", confidence: 1 } : l)),
});

export function remove(document, piece) {
  return piece.label ? replaced(document, piece.label) : document;
}

export function setOutcome(document, piece, outcome) {
  const { label } = piece;
  return label ? replaced(document, label, { ...touched(label), outcome }) : document;
}

// The first piece's name, else the second's, over both.
export function merge(document, first, second) {
  if (!first || !second) return document;
  const named = first.label ?? second.label;
  const labels = document.labels.filter((l) => l !== first.label && l !== second.label);
  if (!named) {
    return { ...document, cuts: document.cuts.filter((cut) => !same(cut, first.end)) };
  }
  const whole = { ...touched(named), start: first.start, end: second.end };
  return normalised({ ...document, labels: [...labels, whole] });
}

export function moveEdge(document, edges, edge, to) {
  const before = edges.findLast((time) => time < edge - SAME_S) ?? -Infinity;
  const after = edges.find((time) => time > edge + SAME_S) ?? Infinity;
  const time = Math.min(Math.max(to, before + SHORTEST_S), after - SHORTEST_S);
  // A label that is shorter than an edge is wide, an imported one, cannot be seen: it goes.
  const seen = document.labels.filter((l) => !(same(l.start, edge) && same(l.end, edge)));
  const labels = seen.map((label) => {
    if (same(label.start, edge)) return { ...touched(label), start: time };
    if (same(label.end, edge)) return { ...touched(label), end: time };
    return label;
  });
  const cuts = document.cuts.map((cut) => (same(cut, edge) ? time : cut));
  return normalised({ ...document, labels, cuts });
}

// Unlabelled time is cut at these times, where that leaves pieces of a useful length.
export function withCuts(document, times) {
  const cuts = [...document.cuts];
  for (const time of times) {
    if (!cuts.some((cut) => Math.abs(cut - time) < 0.2)) cuts.push(time);
  }
  return normalised({ ...document, cuts });
}

// Changes

export function difference(before, after) {
  const had = new Set(before.labels.map(keyOf));
  const has = new Set(after.labels.map(keyOf));
  return {
    gone: before.labels.filter((label) => !has.has(keyOf(label))),
    come: after.labels.filter((label) => !had.has(keyOf(label))),
    cutsGone: before.cuts.filter((cut) => !after.cuts.includes(cut)),
    cutsCome: after.cuts.filter((cut) => !before.cuts.includes(cut)),
    complete: before.complete === after.complete ? null : after.complete,
  };
}

export const isNothing = (change) =>
  !change.gone.length && !change.come.length && !change.cutsGone.length &&
  !change.cutsCome.length && change.complete === null;

export const inverse = (change) => ({
  gone: change.come,
  come: change.gone,
  cutsGone: change.cutsCome,
  cutsCome: change.cutsGone,
  complete: change.complete === null ? null : !change.complete,
});

// The document with a change; null where others have changed the same labels meanwhile, unless it
// is `forced`: then what stands in its way goes.
export function applied(document, change, forced = false) {
  const gone = new Set(change.gone.map(keyOf));
  const there = new Set(document.labels.map(keyOf));
  let rest = document.labels.filter((label) => !gone.has(keyOf(label)));
  const come = change.come.filter((label) => !there.has(keyOf(label)) || gone.has(keyOf(label)));
  const missing = change.gone.filter((label) => !there.has(keyOf(label)));
  // Where a label was that others have changed, ours is what is there.
  const clear = (label) =>
    ![...come, ...missing].some((c) => c.start < label.end - SAME_S && label.start < c.end - SAME_S);
  if (!forced && (missing.length || !rest.every(clear))) return null;
  rest = rest.filter(clear);
  const cuts = document.cuts.filter((cut) => !change.cutsGone.includes(cut));
  const complete = change.complete ?? document.complete;
  return normalised({ labels: [...rest, ...come], cuts: [...cuts, ...change.cutsCome], complete });
}

// Doubtful places, the most doubtful first: proposals by their confidence, then what has no label.
export function doubtful(pieces, complete) {
  const proposals = pieces.filter((piece) => piece.label?.source === "model");
  proposals.sort((a, b) => a.label.confidence - b.label.confidence);
  const open = complete ? [] : pieces.filter((p) => !p.label && p.end - p.start > 0.3);
  return [...proposals, ...open];
}
