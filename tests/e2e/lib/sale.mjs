// An event on sale, and what its buyers do.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { randomUUID } from 'node:crypto';
import { admin, call, env, new_key, until } from './http.mjs';

const run = promisify(execFile);
const instant = (seconds_ahead) => new Date(Date.now() + seconds_ahead * 1000).toISOString();

/** Makes an event; with `queue` also its line, open, fast. Returns the event id. */
export async function open_sale({ seats = 200, queue = false, charge = true, hold_seconds = 120, rate = 60000, max_active = 10000, ...more } = {}) {
  const { eventId } = await admin(env.HOLDFAST_ENGINE_OPS_URL, 'POST', '/admin/v1/events', {
    name: `E2E ${randomUUID()}`, venue: { name: 'The Hall', city: 'Porto' }, startsAt: instant(86400 * 30), currency: 'EUR', queue, charge,
    holdSeconds: hold_seconds, holdCapSeconds: Math.max(600, hold_seconds),
    priceLevels: [{ id: 'gold', name: 'Gold', amount: 9000 }, { id: 'silver', name: 'Silver', amount: 7000 }, { id: 'bronze', name: 'Bronze', amount: 5000 }],
    ...(more.layout ? {} : { arena: { seats } }), ...more,
  });
  if (queue) {
    await admin(env.HOLDFAST_WAITROOM_OPS_URL, 'PUT', `/admin/v1/queues/${eventId}`, {
      ratePerMinute: rate, maxActive: max_active, prequeueAt: instant(-60), opensAt: instant(-30), closesAt: instant(86400), claimSeconds: 60, proof: 'off',
    });
  }
  return eventId;
}

/** Goes through the line; returns `Bearer <pass>`. */
export async function enter(event) {
  const joined = await call('POST', `/v1/queues/${event}/tickets`, { body: { joinId: randomUUID() } });
  if (joined.status !== 201) throw new Error(`join: ${joined.status} ${joined.raw}`);
  const auth = `Ticket ${joined.body.ticket}`;
  const pass = await until('a pass', async () => {
    const answer = await call('POST', `/v1/queues/${event}/passes`, { auth, body: {} });
    return answer.status === 201 && answer.body.pass;
  });
  return `Bearer ${pass}`;
}

export const hold = (event, body, { auth, key = new_key() } = {}) => call('POST', `/v1/events/${event}/holds`, { auth, key, body });
export const hold_seats = (event, seats, options) => hold(event, { ticketIds: seats.map(String) }, options);

export const booking_body = (held, token = 'tok_visa', more = {}) => ({
  holdId: held.holdId, expectedTotal: held.total, customer: { email: 'fan@example.org', name: 'A Fan' },
  paymentDetails: { provider: 'sim', token }, ...more,
});

export const book = (event, held, { auth, key = new_key(), token = 'tok_visa', ...more } = {}) =>
  call('POST', `/v1/bookings/${event}`, { auth, key, body: booking_body(held, token, more) });

export async function counts(event) {
  const { body } = await call('GET', `/v1/events/${event}/availability`, { headers: { accept: 'application/json' } });
  return body.counts;
}

/** Rows of one SQL statement, as arrays of text. */
export async function sql(text) {
  const { stdout } = await run('psql', ['-XAtq', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-c', text], { env, maxBuffer: 1 << 29 });
  return stdout.split('\n').filter(Boolean).map((line) => line.split('\t'));
}

/** Bookings of the file whose buyers were told "confirmed" and that are not. */
export async function forgotten(events, file) {
  const known = new Set((await sql(`SELECT booking_id FROM booking WHERE event_id IN (${events}) AND state = 'confirmed'`)).flat());
  return readFileSync(file, 'utf8').split('\n').filter((id) => id && !known.has(id)).map((id) => `booking ${id}: its buyer was told confirmed, and it is not`);
}

/** The invariant checker over one event: {code, output}. */
export async function audit(event, ...args) {
  try {
    const { stdout, stderr } = await run(`${env.HOLDFAST_ROOT}/holdfast`, ['audit', event, ...args], { env });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    return { code: error.code, output: `${error.stdout}${error.stderr}` };
  }
}
