// SPDX-License-Identifier: Apache-2.0
// Shows all cameras at one time, plays them in step with the sound.

const PART_S = 5;
const KEPT_PARTS = 24;
const SOUND_SLACK_S = 0.15;
export const RATES = [0.25, 0.5, 1, 2, 4];

// `packed` of the server: [camera, seconds, bytes] of each picture, then the pictures.
async function unpacked(answer) {
  const buffer = await answer.arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const index = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let offset = 4 + length;
  return index.map(([camera, time, size]) => {
    const blob = new Blob([new Uint8Array(buffer, offset, size)], { type: "image/jpeg" });
    offset += size;
    return { camera, time, blob };
  });
}

export class Player {
  // onTime(): the time has changed by playing.
  constructor(api, recording, canvases, onTime) {
    Object.assign(this, { api, recording, canvases, onTime });
    this.time = recording.start;
    this.until = recording.end;
    this.playing = false;
    this.rate = 1;
    this.parts = new Map();
    this.slots = canvases.map(() => ({ next: null, drawn: null, isBusy: false }));
    this.wanted = null;
    // Of the last whole pictures, which are not fetched again while nothing else is shown.
    this.wholeTime = null;
    this.made = 0;
    this.sound = null;
    if (recording.plots.some((plot) => plot.title === "sound")) {
      this.sound = new Audio();
      this.sound.preload = "auto";
    }
  }

  seek(time, quietly = false) {
    this.time = Math.min(Math.max(time, this.recording.start), this.recording.end);
    this.until = this.recording.end;
    if (this.playing) this.#anchor();
    this.show();
    if (!quietly) this.onTime();
  }

  toggle() {
    return this.playing ? this.pause() : this.play();
  }

  // Stops by itself at `until`.
  play(until = this.recording.end) {
    if (this.time >= this.recording.end - 0.05) this.time = this.recording.start;
    this.until = until;
    this.wholeTime = null;
    this.#anchor();
    if (!this.playing) requestAnimationFrame(() => this.#tick());
    this.playing = true;
    this.onTime();
  }

  pause() {
    this.playing = false;
    this.sound?.pause();
    this.show();
    this.onTime();
  }

  setRate(rate) {
    this.rate = rate;
    if (this.playing) this.#anchor();
  }

  #anchor() {
    this.from = { at: performance.now(), time: this.time };
    if (!this.sound) return;
    const source = `${this.api}/sound.wav?made=${this.made}`;
    if (!this.sound.src.endsWith(source.replace(/^\.\//, ""))) this.sound.src = source;
    this.sound.playbackRate = this.rate;
    this.sound.currentTime = this.time - this.recording.start;
    this.sound.play().catch(() => {});
  }

  #tick() {
    if (!this.playing) return;
    this.time = this.from.time + ((performance.now() - this.from.at) / 1000) * this.rate;
    if (this.time >= this.until) {
      this.time = this.until;
      this.pause();
      return;
    }
    const heard = this.sound && this.sound.currentTime + this.recording.start;
    if (this.sound && !this.sound.seeking && Math.abs(heard - this.time) > SOUND_SLACK_S * Math.max(1, this.rate)) {
      this.sound.currentTime = this.time - this.recording.start;
    }
    this.show();
    this.onTime();
    requestAnimationFrame(() => this.#tick());
  }

  // Draws what is at hand, and fetches what is not.
  show() {
    const part = this.#part(this.time);
    this.#fetchPart(part);
    if (this.playing || this.time - part * PART_S - this.recording.start > PART_S / 2) {
      this.#fetchPart(part + 1);
    }
    const frames = this.parts.get(part);
    const isHere = Array.isArray(frames);
    if (isHere) this.canvases.forEach((_, camera) => this.#draw(this.#frame(part, camera)));
    if (!this.playing || !isHere) this.#fetchWhole();
  }

  #part(time) {
    const last = this.recording.parts - 1;
    return Math.min(Math.max(0, Math.floor((time - this.recording.start) / PART_S)), last);
  }

  // The newest one not after the time.
  #frame(part, camera) {
    for (const number of [part, part - 1]) {
      const frames = this.parts.get(number);
      if (!Array.isArray(frames)) continue;
      const own = frames.filter((frame) => frame.camera === camera);
      const found = own.findLast((frame) => frame.time <= this.time + 1e-6);
      if (found) return found;
      if (number === part && part === 0) return own[0];
    }
    return null;
  }

  async #fetchPart(part) {
    if (part >= this.recording.parts || this.parts.get(part)) return;
    this.parts.set(part, "asked");
    let frames = null;
    try {
      const answer = await fetch(`${this.api}/parts/${part}/pictures`);
      if (answer.status === 200) frames = await unpacked(answer);
    } catch { /* asked for again below */ }
    this.parts.delete(part);
    if (!frames) return;
    this.parts.set(part, frames);
    for (const number of [...this.parts.keys()].slice(0, -KEPT_PARTS)) this.parts.delete(number);
    if (part === this.#part(this.time) && !this.playing) this.show();
  }

  // The pictures as they were taken; of many requests in a row the first and the last are sent.
  async #fetchWhole() {
    if (this.time === this.wholeTime) return;
    const busy = this.wanted !== null;
    this.wanted = this.time;
    if (busy) return;
    let time = null;
    while (this.wanted !== null && this.wanted !== time) {
      time = this.wanted;
      try {
        const answer = await fetch(`${this.api}/pictures?t=${time}`);
        if (answer.ok) {
          for (const frame of await unpacked(answer)) {
            if (this.wanted === time || this.playing) this.#draw({ ...frame, whole: true });
          }
          this.wholeTime = time;
        }
      } catch {
        break;
      }
    }
    this.wanted = null;
  }

  // One picture of a camera is decoded at a time; of those that come meanwhile the last is next.
  async #draw(frame) {
    if (!frame) return;
    const slot = this.slots[frame.camera];
    slot.next = frame;
    if (slot.isBusy) return;
    slot.isBusy = true;
    while (slot.next) {
      const { next } = slot;
      slot.next = null;
      if (!isAsGood(slot.drawn, next)) {
        const bitmap = await createImageBitmap(next.blob);
        this.#paint(this.canvases[next.camera], bitmap, next);
        slot.drawn = next;
      }
    }
    slot.isBusy = false;
  }

  #paint(canvas, bitmap, frame) {
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
    }
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    canvas.dataset.time = frame.time;
    bitmap.close();
  }
}

function isAsGood(drawn, frame) {
  if (!drawn || Math.abs(drawn.time - frame.time) > 1e-9) return false;
  return drawn === frame || drawn.whole || !frame.whole;
}
