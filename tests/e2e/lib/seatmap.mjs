// A viewer: follows the seatmap stream and keeps what it shows.
import { env } from './http.mjs';
import { connect } from './websocket.mjs';

export async function view(event, { since, states } = {}) {
  const url = `${env.HOLDFAST_URL}/v1/seatmaps/${event}${since === undefined ? '' : `?since=${since}`}`;
  const viewer = new View(await connect(url, { protocols: ['holdfast.seatmap.v1'] }));
  if (states) Object.assign(viewer, { rev: since, states });
  return viewer;
}

/**
 * Watches a sale without refunds through any number of lost connections, coming back with the rev it has, as the pages do. What must never
 * be shown is kept in `wrong`: a rev that goes back, a delta that does not fit, a sold seat that is no longer sold.
 */
export class Onlooker {
  states = [];
  rev = 0;
  connections = 0;
  wrong = [];
  #over = false;
  #ended;

  constructor(event) { this.event = event; this.#ended = this.#watch(); }

  async #watch() {
    while (!this.#over) {
      let viewer;
      try {
        viewer = await view(this.event, this.rev ? { since: this.rev, states: this.states } : {});
        this.connections++;
        await this.#look(viewer);
      } catch (error) {
        if (!/closed|refused|ECONN|socket hang up|EPIPE/.test(`${error.message} ${error.code}`)) this.wrong.push(error.message);
        await new Promise((resolve) => setTimeout(resolve, 100));
      } finally { viewer?.close(); }
    }
  }

  async #look(viewer) {
    while (!this.#over) {
      const before = [...this.states];
      await viewer.until('anything new', () => this.#over || viewer.rev !== this.rev, 3600);
      before.forEach((state, seat) => { if (state === 2 && viewer.states[seat] !== 2) this.wrong.push(`seat ${seat} was sold and is shown as ${viewer.states[seat]}`); });
      [this.rev, this.states] = [viewer.rev, viewer.states];
    }
  }

  async leave() { this.#over = true; await this.#ended; }
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
