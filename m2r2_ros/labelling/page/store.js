// SPDX-License-Identifier: Apache-2.0
// Keeps the document of a recording in step with the server: every change is saved at once, on top
// of what others have saved; what cannot be saved yet is kept in the browser until it can.

import { applied, difference, inverse, isNothing, normalised } from "./document.js";

const RETRY_MS = 1000;

export class Store {
  // onChange() after every change of `document` or `status`; choose(): a promise of whether ours
  // is to replace what another window has made of the same labels.
  // `recording` tells it from one of the same name, and from what a server of other recordings
  // shows at the same address.
  constructor(url, recording, onChange, choose) {
    Object.assign(this, { url, recording, onChange, choose, key: `m2r2-label ${recording}` });
    this.document = null;
    this.status = "loading";
    this.problem = "";
    this.undone = [];
    this.done = [];
    this.saving = false;
  }

  async load() {
    const answer = await fetch(this.url);
    const saved = await answer.json();
    if (!answer.ok) throw new Error(saved.error);
    this.take(saved);
    this.document = this.base;
    const kept = JSON.parse(localStorage.getItem(this.key) ?? "null");
    if (kept) {
      const mine = difference(kept.base, kept.document);
      this.document = applied(this.base, mine) ?? applied(this.base, mine, true);
    }
    this.status = "saved";
    this.onChange();
    if (kept) this.save();
  }

  take(saved) {
    this.revision = saved.revision;
    this.base = normalised(saved);
  }

  edit(document) {
    const change = difference(this.document, document);
    if (isNothing(change)) return false;
    this.done.push(change);
    this.undone = [];
    this.become(document);
    return true;
  }

  undo() {
    return this.#step(this.done, this.undone, inverse);
  }

  redo() {
    return this.#step(this.undone, this.done, (change) => change);
  }

  #step(from, to, as) {
    const change = from.pop();
    if (!change) return false;
    const document = applied(this.document, as(change));
    if (!document) {
      this.problem = "That was changed in another window since: it cannot be undone.";
      this.onChange();
      return false;
    }
    to.push(change);
    this.become(document);
    return true;
  }

  become(document) {
    this.document = document;
    this.status = "saving";
    this.problem = "";
    localStorage.setItem(this.key, JSON.stringify({ base: this.base, document }));
    this.onChange();
    this.save();
  }

  async save() {
    if (this.saving) return;
    this.saving = true;
    try {
      while (!isNothing(difference(this.base, this.document))) await this.#put();
      localStorage.removeItem(this.key);
      this.status = "saved";
    } catch (error) {
      this.status = "unsaved";
      this.problem = error instanceof TypeError
        ? "The server does not answer: changes are kept in this browser and saved when it is back."
        : error.message;
      setTimeout(() => this.save(), RETRY_MS);
    } finally {
      this.saving = false;
    }
    this.onChange();
  }

  async #put() {
    const sent = this.document;
    const body = JSON.stringify({ base: this.revision, recording: this.recording, ...sent });
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(this.url, { method: "PUT", headers, body });
    const saved = await answer.json();
    if (answer.ok) {
      this.problem = "";
      this.take(saved);
      // What the server has understood, unless there is something newer already.
      if (this.document === sent) this.document = this.base;
    } else if (answer.status === 409) {
      await this.#rebase(saved);
    } else {
      throw new Error(`Not saved: ${saved.error}`);
    }
  }

  async #rebase(theirs) {
    const mine = difference(this.base, this.document);
    let merged = applied(normalised(theirs), mine);
    if (merged) {
      this.problem = "Another window has changed labels, too: both are kept.";
    } else {
      merged = (await this.choose()) ? applied(normalised(theirs), mine, true) : normalised(theirs);
    }
    this.take(theirs);
    this.document = merged;
    this.onChange();
  }

  // The server tells the newest revision now and then.
  async follow(revision) {
    if (revision === this.revision || this.saving || this.status !== "saved") return;
    const answer = await fetch(this.url);
    const saved = await answer.json();
    if (!answer.ok || this.saving || this.status !== "saved") return;
    if (saved.recording !== this.recording) {
      this.problem = "This address shows another recording now: open the page anew.";
      this.onChange();
      return;
    }
    this.take(saved);
    this.document = this.base;
    this.onChange();
  }
}
