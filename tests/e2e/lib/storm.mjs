// A sale under which engines are killed, stopped and paused at random, and the broker with them; afterwards the change log is proved by a consumer.
import { mkdtempSync, rmSync } from 'node:fs';
import { kill, take_away } from './chaos.mjs';
import { Fleet } from './fleet.mjs';
import { until } from './http.mjs';
import { Load } from './load.mjs';
import { audit, forgotten, open_sale } from './sale.mjs';
import { all_is_told, prove_changes } from './topic.mjs';

/** Mulberry32: the same mischief for the same seed, as far as the machine lets it happen at the same moments. */
function random_of(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * below);
  };
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

class Mischief {
  done = {};

  constructor(fleet, seed, tell) { Object.assign(this, { fleet, random: random_of(seed), tell }); }

  #note(what) {
    this.done[what] = (this.done[what] ?? 0) + 1;
    this.tell(what);
  }

  #any() { return this.fleet.members[this.random(this.fleet.members.length)]; }

  /** One thing; more often an engine than the broker. */
  async one() {
    const dice = this.random(20), member = this.#any();
    if (dice < 9) {
      this.#note('kill an engine');
      member.signal('SIGKILL');
    } else if (dice < 12) {
      this.#note('kill all engines but one');
      for (const other of this.fleet.members) if (other !== member) other.signal('SIGKILL');
    } else if (dice < 15) {
      this.#note('pause an engine');
      member.signal('SIGSTOP');
      await pause(200 + this.random(2800));
      member.signal('SIGCONT');
    } else if (dice < 17) {
      this.#note('stop an engine');
      member.signal('SIGTERM');
    } else if (dice < 19) {
      this.#note('kill the broker');
      await kill('kafka');
    } else {
      this.#note('take the broker away');
      const bring_back = take_away('kafka');
      await pause(1000 + this.random(4000));
      bring_back();
    }
  }

  async until(end) {
    while (Date.now() < end) {
      await this.one();
      await pause(200 + this.random(2000));
    }
  }
}

/**
 * @param {{seconds?: number, seed?: number, engines?: number, events?: number, seats?: number, rate?: number, tell?: (text: string) => void}} options
 * @returns what is wrong ([] when nothing is), and what happened
 */
export async function storm({ seconds = 40, seed = 1, engines = 3, events: count = 4, seats = 3000, rate = 250, tell = () => {} } = {}) {
  const out = mkdtempSync('/tmp/holdfast-storm-'), confirmed = `${out}/confirmed.txt`;
  const events = [];
  for (let i = 0; i < count; i++) events.push(await open_sale({ seats, charge: false, hold_seconds: 5 }));
  const fleet = await Fleet.start(engines);
  const load = new Load(events, seats, seconds, { rate, buyers: 128, rivals: 2, release: 30, confirmed });
  try {
    const mischief = new Mischief(fleet, seed, tell);
    await until('the sale has begun', () => load.booked > 0);
    await mischief.until(Date.now() + (seconds - 3) * 1000);
    await until('the buyers have left', () => load.over, 90);
    await fleet.ready();
    await all_is_told(events, 90);
    const proof = await prove_changes(events, seats, { seconds: 60 + seconds });
    proof.wrong.push(...await forgotten(events, confirmed));
    for (const event of events) {
      const { code, output } = await audit(event);
      if (code !== 0) proof.wrong.push(output);
    }
    return { ...proof, load: load.sum, mischief: mischief.done };
  } finally {
    load.kill();
    await fleet.end();
    rmSync(out, { recursive: true, force: true });
  }
}
