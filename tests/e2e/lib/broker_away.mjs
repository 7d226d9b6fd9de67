// The broker goes away under a full sale and comes back: what waits meanwhile, what memory it costs, how long it takes to be told, and that nothing is missing.
import net from 'node:net';
import { take_away } from './chaos.mjs';
import { Fleet } from './fleet.mjs';
import { env, until } from './http.mjs';
import { Load } from './load.mjs';
import { open_sale, sql } from './sale.mjs';
import { log_length, outbox_rows, prove_changes, read_keys, redis } from './topic.mjs';

const mib = (bytes) => Math.round(bytes / 2 ** 20);
const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

const listens = () => new Promise((resolve) => {
  const [host, port] = env.HOLDFAST_KAFKA.split(':');
  const socket = net.connect(Number(port), host, () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

async function look(fleet, events, since) {
  const memory = /used_memory:(\d+)/.exec(await redis('INFO', 'memory'))[1];
  return {
    t: Math.round((Date.now() - since) / 1000), outbox: await outbox_rows(), log: sum(await Promise.all(events.map(log_length))),
    redis_mib: mib(Number(memory)), engines_mib: fleet.resident().map(Math.round), queued: await fleet.metric('holdfast_kafka_queued'),
  };
}

/** Bookings of which the topic does not tell. */
async function untold(events) {
  const bookings = (await sql(`SELECT event_id || ':' || booking_id FROM booking WHERE event_id IN (${events}) AND state = 'confirmed'`)).flat();
  const told = await read_keys('holdfast.bookings', bookings);
  return { bookings: bookings.length, wrong: bookings.filter((key) => !told.has(key)).slice(0, 20).map((key) => `booking ${key} is not told`) };
}

/**
 * @param {{seconds?: number, engines?: number, events?: number, seats?: number, rate?: number, buyers?: number, every?: number, tell?: (text: string) => void}} options
 *   rate 0: as much as the machine gives; every: seconds between two looks
 */
export async function broker_away({ seconds = 20, engines = 2, events: count = 4, seats = 10_000, rate = 300, buyers = 64, every = 5, tell = () => {} } = {}) {
  const events = [], looks = [], WARM = 5, AFTER = 5;
  for (let i = 0; i < count; i++) events.push(await open_sale({ seats, charge: false, hold_seconds: 10 }));
  const fleet = await Fleet.start(engines);
  const load = new Load(events, seats, WARM + seconds + AFTER, { rate, buyers, release: 20 });
  let bring_back = () => {};
  const note = async (since) => {
    looks.push(await look(fleet, events, since));
    tell(JSON.stringify({ ...looks.at(-1), booked: load.booked }));
  };
  try {
    await until('the sale is going', () => load.seconds.length >= WARM, 30);
    bring_back = take_away('kafka');
    const away = Date.now();
    for (let next = away; Date.now() < away + seconds * 1000; next += every * 1000) {
      await note(away);
      await pause(Math.max(0, Math.min(next + every * 1000, away + seconds * 1000) - Date.now()));
    }
    await note(away);
    const waiting = looks.at(-1), booked = load.booked;
    bring_back();
    const started = Date.now();
    await until('the broker listens', listens, 120);
    const back = Date.now(), broker_start_ms = back - started;
    for (let looked = Date.now(); ; await pause(100)) {
      if ((await outbox_rows()) === 0 && sum(await Promise.all(events.map(log_length))) === 0) break;
      if (Date.now() - back > (120 + 2 * seconds) * 1000) throw new Error(`not caught up: ${JSON.stringify(await look(fleet, events, away))}`);
      if (Date.now() - looked > every * 1000) { looked = Date.now(); await note(away); }
    }
    const caught_up_ms = Date.now() - back;
    await note(away);
    await load.ended;
    await until('no seat is held', async () => (await Promise.all(events.map((event) => redis('GET', `{e${event}}:state`)))).every((states) => !states.includes('1')), 60);
    await until('all is told', async () => sum(await Promise.all(events.map(log_length))) === 0 && (await outbox_rows()) === 0, 60);
    const proof = await prove_changes(events, seats, { seconds: 60 + 2 * seconds }), sales = await untold(events);
    return {
      wrong: [...proof.wrong, ...sales.wrong], seconds, booked_while_away: booked, bookings_per_second: Math.round(sum(load.seconds.slice(WARM, WARM + seconds).map((second) => second.booked)) / seconds),
      waiting, broker_start_ms, caught_up_ms, changes: proof.changes, repeats: proof.repeats, bookings: sales.bookings, load: load.sum, looks,
    };
  } finally {
    bring_back();
    load.kill();
    await fleet.end();
  }
}
