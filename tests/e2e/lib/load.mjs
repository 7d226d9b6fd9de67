// A steady sale (tests/chaos/steady.c) as a child process, second by second.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { env } from './http.mjs';

const figures = (line) => Object.fromEntries([...line.matchAll(/(\w+)=(\d+)/g)].map(([, name, value]) => [name, Number(value)]));

export class Load {
  seconds = []; // {t, begun, booked, released, lost, failed, retried, unsettled, missed, at}
  sum = undefined;
  over = false;

  /** options: rate, buyers, rivals, release, token, confirmed (a file), url */
  constructor(events, seats, seconds, { url = env.HOLDFAST_ENGINE_URL, ...options } = {}) {
    const more = Object.entries(options).filter(([, value]) => value !== undefined).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.child = spawn(`${env.HOLDFAST_BUILD_DIR}/tests/chaos/steady`, [url, events.join(','), String(seats), String(seconds), ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
    process.on('exit', () => this.kill()); // also when the test dies
    createInterface({ input: this.child.stdout }).on('line', (line) => this.#line(line));
    this.ended = new Promise((resolve) => { this.child.once('close', (code) => { this.over = true; resolve(code); }); });
  }

  #line(line) {
    if (line.startsWith('sum ')) this.sum = figures(line);
    else if (line.startsWith('t=')) this.seconds.push({ ...figures(line), at: Date.now() });
    else Object.assign(this.sum, figures(line));
  }

  get booked() { return this.seconds.reduce((sum, { booked }) => sum + booked, 0); }

  /** Begins nothing new, finishes what was begun. */
  async stop() { this.child.kill('SIGTERM'); return this.ended; }
  kill() { this.child.kill('SIGKILL'); }
}
