// The audit is only worth what it finds: each promise is broken on purpose, in a world of its own, and must be named. The worlds are events in
// a database of their own on the server of the tests, with keys and messages under event ids that no engine serves.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomInt, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { env, until } from './lib/http.mjs';

const run = promisify(execFile);
const database = `audit_${randomUUID().replaceAll('-', '')}`;
const conninfo = `host=${env.PGHOST} port=${env.PGPORT} user=${env.PGUSER} dbname=${database}`;
const files = mkdtempSync('/tmp/holdfast-audit-');
const producers = {};
const BROKEN = 98, COULD_NOT_LOOK = 1, EPOCH = 2 ** 40, PRICE = 5000;

const psql = async (dbname, text) => (await run('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', dbname, '-c', text], { env })).stdout;
const sql = (text) => psql(database, text);
const redis = async (...args) => (await run('redis-cli', ['-p', env.HOLDFAST_REDIS_PORT, ...args.map(String)])).stdout.trim();

/** One line `key|value` on its stdin is one message. */
function producer(topic) {
  const config = ['parse.key=true', 'key.separator=|'].flatMap((property) => ['--reader-property', property]);
  const child = spawn('java', ['-Xmx96m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', `${env.HOLDFAST_ROOT}/.holdfast/kafka/libs/*`,
    'org.apache.kafka.tools.ConsoleProducer', '--bootstrap-server', env.HOLDFAST_KAFKA, '--topic', topic, '--timeout', '5', ...config]);
  child.stdout.resume();
  child.stderr.resume();
  return child;
}

const tell = (topic, key, value) => { producers[topic].stdin.write(`${key}|${JSON.stringify(value)}\n`); };

before(async () => {
  await psql(env.PGDATABASE, `CREATE DATABASE ${database}`);
  await run(`${env.HOLDFAST_BUILD_DIR}/engine/migrate`, ['--database', conninfo, '--sql-dir', `${env.HOLDFAST_ROOT}/sql`], { env });
  await sql('DROP INDEX ticket_one_live');
  for (const topic of ['seat-changes', 'bookings']) producers[topic] = producer(`holdfast.${topic}`);
  const world = await new World().make();
  await world.must_pass();
}, { timeout: 90_000 });

after(async () => {
  for (const child of Object.values(producers)) child.kill('SIGKILL');
  await psql(env.PGDATABASE, `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  rmSync(files, { recursive: true, force: true });
});

/** Eight seats: 0 and 1 sold as one booking, 2 held, 7 blocked; all that happened is told. */
class World {
  event = randomInt(1_000_000_000, 2_000_000_000);
  booking = randomUUID();
  hold = randomUUID();
  rev = EPOCH;

  async make({ told = true, silent = false } = {}) {
    const { event, booking, hold } = this;
    await sql(`INSERT INTO event (event_id, name, venue, starts_at, currency, has_queue, seat_count)
      VALUES (${event}, 'Audited', '{}', now() + interval '30 days', 'EUR', false, 8)`);
    await this.book(booking, [0, 1]);
    await sql(`INSERT INTO event_seat (event_id, seat, status, version, fence, price, booking_id, label)
      SELECT ${event}, n, CASE WHEN n < 2 THEN 2 WHEN n = 7 THEN 3 ELSE 0 END, CASE WHEN n < 2 THEN 1 ELSE 0 END, 0, ${PRICE},
        CASE WHEN n < 2 THEN '${booking}'::uuid END, 'A-' || n FROM generate_series(0, 7) n`);
    if (!told) await sql(`INSERT INTO outbox (shard, event_id, topic, key, type, payload) VALUES (${event % 16}, ${event}, 'holdfast.bookings',
      '${event}:${booking}', 'booking.confirmed', '{}')`);
    await redis('MSET', this.key('run'), /run_id:(\w+)/.exec(await redis('INFO', 'server'))[1], this.key('state'), '22100003');
    await this.held(hold, 2, 600_000);
    if (told) tell('bookings', `${event}:${booking}`, { bookingId: booking });
    if (silent) return this;
    this.change('blocked', [7], 'block');
    this.change('held', [0, 1], 'hold');
    this.change('sold', [0, 1], 'sale');
    this.change('held', [2], 'hold');
    return this;
  }

  key = (name) => `{e${this.event}}:${name}`;

  change(state, seats, cause, skip = 0) {
    this.rev += 1 + skip;
    tell('seat-changes', this.event, { eventId: String(this.event), rev: this.rev, state, seats, cause });
  }

  /** A confirmed booking with its tickets and its money. */
  async book(id, seats) {
    const array = `'{${seats}}'`, total = PRICE * seats.length;
    await sql(`BEGIN;
      INSERT INTO booking (event_id, booking_id, state, step, idem, fingerprint, hold_id, fence, hold_expires, seats, versions, email, name, total, currency, confirmed_at)
        VALUES (${this.event}, '${id}', 'confirmed', 'done', gen_random_uuid(), gen_random_uuid(), 'h-${id}', 5, now(), ${array}, ${array}, 'a@example.org', 'A', ${total}, 'EUR', now());
      INSERT INTO ticket (event_id, booking_id, seat, price) SELECT ${this.event}, '${id}', unnest(${array}::int[]), ${PRICE};
      INSERT INTO payment (event_id, booking_id, provider, token, amount, currency, state, captured)
        VALUES (${this.event}, '${id}', 'sim', 'tok_visa', ${total}, 'EUR', 'captured', ${total});
      COMMIT`);
  }

  async held(id, seat, expires_in_ms) {
    const expires = Date.now() + expires_in_ms;
    await redis('HSET', this.key(`hold:${id}`), 'seats', `${seat}:0`, 'expires', expires);
    await redis('ZADD', this.key('expiry'), expires, id);
  }

  state = (seat, byte) => redis('SETRANGE', this.key('state'), seat, byte);

  async audit(...args) {
    const all = ['--database', conninfo, '--redis', `127.0.0.1:${env.HOLDFAST_REDIS_PORT}`, '--kafka', env.HOLDFAST_KAFKA, ...args, String(this.event)];
    try {
      return { code: 0, output: (await run(`${env.HOLDFAST_BUILD_DIR}/engine/audit`, all, { env })).stdout };
    } catch (error) {
      return { code: error.code, output: `${error.stdout}${error.stderr}` };
    }
  }

  /** News need a moment to arrive. */
  async must_pass(...args) {
    let last;
    await until('the audit passes', async () => (last = await this.audit(...args)).code === 0, 40).catch(() => assert.fail(last.output));
    return last;
  }
}

/** Breaks `promise` with `plant`: the audit passes before, and names `row(world)` after. */
function breaks(what, promise, row, plant, { args = () => [], ...options } = {}) {
  test(what, async () => {
    const world = await new World().make(options);
    await world.must_pass(...args(world));
    await plant(world);
    let bad;
    await until(`the audit finds: ${what}`, async () => {
      bad = await world.audit(...args(world));
      return bad.code !== 0;
    }, 40);
    assert.equal(bad.code, BROKEN, bad.output);
    assert.match(bad.output, new RegExp(`^  ${promise}  BROKEN`, 'm'), bad.output);
    assert.ok(bad.output.includes(row(world)), `wanted: ${row(world)}\n${bad.output}`);
  });
}

const list_of = (world) => `${files}/${world.event}`;
const with_list = { args: (world) => ['--confirmed', list_of(world)] };

describe('the audit', { concurrency: 8 }, () => {
  breaks('two live tickets for one seat', 'I1', (w) => `event ${w.event} seat 1: 2 live tickets of bookings `, (w) => w.book(randomUUID(), [1]));

  breaks('a sold seat without a ticket', 'I1', (w) => `event ${w.event} seat 0: sold to booking ${w.booking} without a live ticket of it`,
    (w) => sql(`DELETE FROM ticket WHERE event_id = ${w.event} AND seat = 0`));

  breaks('a ticket for a seat that is not sold', 'I1', (w) => `event ${w.event} seat 1: live ticket of booking ${w.booking} for a seat that is not sold to it`,
    (w) => sql(`UPDATE event_seat SET status = 0, booking_id = NULL WHERE event_id = ${w.event} AND seat = 1`));

  breaks('a ticket without a booking', 'I3', (w) => `event ${w.event} booking ${w.booking} seat 0: live ticket, but the booking is missing`,
    (w) => sql(`DELETE FROM booking WHERE event_id = ${w.event}`));

  breaks('a booking behind which there was no hold', 'I3', (w) => `event ${w.event} booking ${w.booking}: no hold was behind it`,
    (w) => sql(`UPDATE booking SET fence = 0 WHERE event_id = ${w.event}`));

  test('a client was told of a booking that is not there', async () => {
    const world = await new World().make(), nobody = randomUUID();
    const told = async (...ids) => {
      writeFileSync(list_of(world), ids.map((id) => `${id}\n`).join(''));
      return world.audit('--confirmed', list_of(world));
    };
    const good = await told(world.booking);
    assert.equal(good.code, 0, good.output);
    assert.match(good.output, /I2 +holds +1 checked/);
    const bad = await told(world.booking, nobody, 'nonsense');
    assert.equal(bad.code, BROKEN, bad.output);
    assert.match(bad.output, new RegExp(`booking ${nobody}: its client was told confirmed, in the truth it is missing`));
    assert.match(bad.output, /'nonsense' in the list of confirmed bookings is no booking id/);
    await sql(`UPDATE booking SET state = 'declined' WHERE event_id = ${world.event}`);
    assert.match((await told(world.booking)).output, new RegExp(`booking ${world.booking}: its client was told confirmed, in the truth it is declined`));
  });

  breaks('Redis has another state', 'I4', (w) => `event ${w.event} seat 4: differs (truth 0, redis 2)`, (w) => w.state(4, '2'));

  breaks('a sold seat that Redis would sell again', 'I4', (w) => `event ${w.event} seat 0: differs (truth 2, redis 0)`, (w) => w.state(0, '0'));

  breaks('a held seat that no hold holds', 'I4', (w) => `event ${w.event} seat 3: is held by no hold`, (w) => w.state(3, '1'));

  breaks('a seat that two holds hold', 'I4', (w) => `event ${w.event} seat 2: is held by several holds`, (w) => w.held(randomUUID(), 2, 600_000));

  breaks('a seat that Redis has forgotten', 'I4', (w) => `event ${w.event}: 8 seats in the truth, 7 in redis`, (w) => redis('SET', w.key('state'), '2210000'));

  breaks('a hold past its expiry', 'I6', (w) => `event ${w.event}: 1 holds are past their expiry + 5 s, among them ${w.hold}`, (w) => w.held(w.hold, 2, -60_000));

  breaks('more money than was sold for', 'I5', (w) => `event ${w.event} booking ${w.booking} (confirmed): captured 10001 - refunded 0 but sold for 10000`,
    (w) => sql(`UPDATE payment SET captured = captured + 1 WHERE event_id = ${w.event}`));

  breaks('a sale that was never captured', 'I5', (w) => `event ${w.event} booking ${w.booking} (confirmed): captured 0 - refunded 0 but sold for 10000`,
    (w) => sql(`DELETE FROM payment WHERE event_id = ${w.event}`));

  breaks('tickets that cost another sum than was agreed', 'I5', (w) => `event ${w.event} booking ${w.booking}: total 9999 but its tickets cost 10000`,
    (w) => sql(`UPDATE booking SET total = 9999 WHERE event_id = ${w.event}`));

  breaks('a purchase that nobody brings to its end', 'I5', (w) => `event ${w.event} booking ${w.booking}: unfinished since `,
    (w) => sql(`UPDATE booking SET state = 'authorized', step = 'authorize', created_at = now() - interval '3 minutes' WHERE event_id = ${w.event}`));

  breaks('a gap in the revs', 'I7', (w) => `event ${w.event}: 1 gaps in the revs, the first before ${w.rev}`, (w) => w.change('held', [5], 'hold', 1));

  breaks('news that differ from the truth', 'I7', (w) => `event ${w.event} seat 5: the topics say 2, the truth 0`, (w) => w.change('sold', [5], 'sale'));

  breaks('a sale that was taken back in the news only', 'I7', (w) => `event ${w.event} seat 0: the topics say 0, the truth 2`, (w) => w.change('free', [0], 'release'));

  breaks('a confirmed booking that was never told', 'I7', (w) => `event ${w.event} booking ${w.booking}: confirmed, but neither on kafka nor in the outbox`,
    (w) => sql(`DELETE FROM outbox WHERE event_id = ${w.event}`), { told: false });

  test('money that is still on its way is waited for', async () => {
    const world = await new World().make();
    await sql(`UPDATE payment SET state = 'capturing', captured = 0 WHERE event_id = ${world.event};
      UPDATE booking SET step = 'commit', lease_until = now() + interval '5 s' WHERE event_id = ${world.event}`);
    const captured = sql(`SELECT pg_sleep(2); UPDATE payment SET state = 'captured', captured = amount WHERE event_id = ${world.event};
      UPDATE booking SET step = 'done', lease_until = NULL WHERE event_id = ${world.event}`);
    const { code, output } = await world.audit();
    await captured;
    assert.equal(code, 0, output);
  });

  test('an event of which the topics say nothing', async () => {
    const world = await new World().make({ silent: true });
    const bad = await world.audit();
    assert.equal(bad.code, BROKEN, bad.output);
    assert.match(bad.output, new RegExp(`event ${world.event} seat 7: the truth says 3, the topics nothing`));
  });

  test('repeated and overtaken news, and a new epoch, are no violation', async () => {
    const world = await new World().make();
    world.rev -= 2;
    world.change('sold', [0, 1], 'sale');
    world.change('held', [2], 'hold');
    world.rev = 2 * EPOCH;
    world.change('held', [3], 'hold');
    world.change('free', [3], 'expire');
    await until('the repeated news are heard', async () => {
      const { code, output } = await world.audit();
      assert.equal(code, 0, output);
      return /I7 +holds +9 checked/.test(output);
    });
  });

  test('an event that there is not is not called good, and of two events none is audited', async () => {
    const world = await new World().make();
    const none = await world.audit.call({ event: 999999999999 });
    assert.equal(none.code, 2, none.output);
    assert.match(none.output, /there is no event 999999999999/);
    assert.equal((await world.audit('1')).code, 2);
  });

  test('what could not be looked at is not called good', async () => {
    const world = await new World().make();
    const { code, output } = await world.audit('--redis', '127.0.0.1:1');
    assert.equal(code, COULD_NOT_LOOK, output);
  });
});
