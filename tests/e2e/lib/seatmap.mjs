// A viewer: follows the seatmap stream and keeps what it shows.
import { env } from './http.mjs';
import { connect } from './websocket.mjs';

export async function view(event, { since } = {}) {
  const url = `${env.HOLDFAST_URL}/v1/seatmaps/${event}${since === undefined ? '' : `?since=${since}`}`;
  return new View(await connect(url, { protocols: ['holdfast.seatmap.v1'] }));
}

class View {
  states = [];
  rev = 0;
  frames = [];

  constructor(socket) { this.socket = socket; }

  /** Applies frames until `seen(states)`; fails when that does not happen. Checks that the shown rev never goes back. */
  async until(what, seen, seconds = 15) {
    const end = Date.now() + seconds * 1000;
    while (!(this.rev && seen(this.states))) {
      if (Date.now() > end) throw new Error(`the map did not show within ${seconds} s: ${what}`);
      let frame;
      try { frame = await this.socket.next(1); } catch (error) { if (/closed/.test(error.message)) throw error; continue; }
      this.#apply(frame);
    }
  }

  #apply(frame) {
    const before = this.rev;
    if (frame[0] === 1) {
      const count = frame.readUInt32LE(4);
      this.rev = Number(frame.readBigUInt64LE(8));
      this.states = Array.from({ length: count }, (_, n) => frame[16 + (n >> 2)] >> (n % 4 * 2) & 3);
      this.frames.push('snapshot');
    } else if (frame[0] === 2) {
      const from = Number(frame.readBigUInt64LE(8));
      if (from !== this.rev) throw new Error(`delta from ${from} on ${this.rev}`);
      this.rev = Number(frame.readBigUInt64LE(16));
      let at = 24, seat = 0;
      for (let i = 0; i < frame.readUInt32LE(4); i++) {
        let value = 0, shift = 0, byte;
        do { byte = frame[at++]; value += (byte & 0x7f) * 2 ** shift; shift += 7; } while (byte & 0x80);
        seat += Math.floor(value / 4);
        this.states[seat] = value % 4;
      }
      this.frames.push('delta');
    } else throw new Error(`unknown frame ${frame[0]}`);
    if (this.rev < before) throw new Error(`the shown rev went back: ${before} -> ${this.rev}`);
  }

  close() { this.socket.close(); }
}
