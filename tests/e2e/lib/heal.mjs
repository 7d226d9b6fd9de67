// Under a steady sale each server is killed with -9: how long until it is back, and how long after that until the sale is what it was? And is a seat stuck?
import net from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { kill } from './chaos.mjs';
import { Fleet } from './fleet.mjs';
import { env, until } from './http.mjs';
import { Load } from './load.mjs';
import { audit, forgotten, open_sale, sql } from './sale.mjs';
import { all_is_told, opinion, redis } from './topic.mjs';

const HOLD_S = 5, BEFORE_S = 10, WINDOW_S = 3, AT_MOST_S = 60, GOOD = 0.95;

const listens = () => new Promise((resolve) => {
  const [host, port] = env.HOLDFAST_KAFKA.split(':');
  const socket = net.connect(Number(port), host, () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

/** Harm and healing: kill resolves when another has been started, back when it answers. */
const servers = (fleet) => ({
  'an engine of two': { kill: () => kill('engine'), back: () => fleet.ready() },
  postgres: { kill: () => kill('postgres'), back: () => until('PostgreSQL answers', () => sql('SELECT 1').catch(() => false), 60) },
  redis: { kill: () => kill('redis'), back: () => until('Redis answers', () => redis('PING').then((answer) => answer === 'PONG', () => false), 60) },
  kafka: { kill: () => kill('kafka'), back: () => until('Kafka listens', listens, 60) },
  'both engines': { kill: async () => { fleet.members[1].signal('SIGKILL'); await kill('engine'); }, back: () => fleet.ready() },
});

const mean = (seconds) => seconds.reduce((sum, { booked }) => sum + booked, 0) / seconds.length;

/** The first second from which on WINDOW_S seconds are as good as before, in ms after `since`. */
function healed_after(seconds, since, wanted) {
  const after = seconds.filter(({ at }) => at - 1000 >= since);
  for (let i = 0; i + WINDOW_S <= after.length; i++) if (mean(after.slice(i, i + WINDOW_S)) >= wanted) return after[i].at - 1000 - since;
  return undefined;
}

async function one(name, { kill: harm, back }, load, tell) {
  const from = load.seconds.length;
  await until('a steady sale', () => load.over || load.seconds.length >= from + BEFORE_S, 60);
  const before = mean(load.seconds.slice(-BEFORE_S)), killed = Date.now();
  await harm();
  await back();
  const healed = Date.now();
  let after_ms;
  await until('the sale is what it was', () => (after_ms = healed_after(load.seconds, healed, GOOD * before)) !== undefined || load.over, AT_MOST_S).catch(() => {});
  const worst = Math.min(...load.seconds.filter(({ at }) => at > killed).map(({ booked }) => booked));
  const result = { server: name, before: Math.round(before), worst_second: worst, away_ms: healed - killed, good_again_ms: after_ms ?? null };
  tell(JSON.stringify(result));
  return result;
}

/** Seats that are held although every hold has run out. */
async function stuck(events) {
  const held = async () => (await Promise.all(events.map(opinion))).join('').split('1').length - 1;
  await until('no seat is held', async () => (await held()) === 0, HOLD_S + 5).catch(() => {});
  return held();
}

/** @param {{rate?: number, rounds?: number, engines?: number, charge?: number, tell?: (text: string) => void}} options */
export async function heal({ rate = 300, rounds = 1, engines = 2, charge = 0, tell = () => {} } = {}) {
  const out = mkdtempSync('/tmp/holdfast-heal-'), confirmed = `${out}/confirmed.txt`, EVENTS = 8;
  const seconds = rounds * 5 * (BEFORE_S + AT_MOST_S), seats = Math.ceil(rate * seconds / EVENTS), events = [], figures = [];
  for (let i = 0; i < EVENTS; i++) events.push(await open_sale({ seats, charge: charge === 1, hold_seconds: HOLD_S }));
  const fleet = await Fleet.start(engines);
  const load = new Load(events, seats, seconds, { rate, buyers: 256, confirmed, token: charge ? 'tok_visa' : undefined });
  try {
    for (let round = 0; round < rounds; round++)
      for (const [name, server] of Object.entries(servers(fleet))) figures.push(await one(name, server, load, tell));
    await load.stop();
    const wrong = await forgotten(events, confirmed), held = await stuck(events);
    if (held) wrong.push(`${held} seats are stuck`);
    await all_is_told(events, 60);
    for (const event of events) {
      const { code, output } = await audit(event);
      if (code !== 0) wrong.push(output);
    }
    wrong.push(...figures.filter(({ good_again_ms }) => good_again_ms === null || good_again_ms > 30_000).map((figure) => `not good again within 30 s: ${JSON.stringify(figure)}`));
    return { wrong, figures, stuck: held, load: load.sum };
  } finally {
    load.kill();
    await fleet.end();
    rmSync(out, { recursive: true, force: true });
  }
}
