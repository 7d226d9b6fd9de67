// A row of the outbox that the broker will never take is set aside, told, and can be given back; everything else goes on. And what a full log dropped is told.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { Fleet } from './lib/fleet.mjs';
import { take_away } from './lib/chaos.mjs';
import { view } from './lib/seatmap.mjs';
import { create_topic, log_length, outbox_rows, read_keys, redis } from './lib/topic.mjs';
import { env, until } from './lib/http.mjs';
import { audit, book, hold_seats, open_sale, sql } from './lib/sale.mjs';

const engine = { members: [{ ops: env.HOLDFAST_ENGINE_OPS_URL }] };
const parked_total = () => Fleet.prototype.metric.call(engine, 'holdfast_relay_outbox_parked_total');
const log = () => readFileSync(`${env.HOLDFAST_STATE}/log/engine.log`, 'utf8');

/** Puts rows without seats into the event's shard, in front of whatever is sold from now on. */
async function plant(event, topic, key, bytes, times = 1) {
  const rows = await sql(`INSERT INTO outbox (shard, event_id, topic, key, type, payload)
    SELECT ${event % 16}, ${event}, '${topic}', '${key}' || n, 'booking.confirmed', '"' || repeat('x', ${bytes}) || '"' FROM generate_series(1, ${times}) n RETURNING outbox_id`);
  return rows.map(([id]) => id);
}

const parked = (ids) => sql(`SELECT parked_why FROM outbox WHERE outbox_id IN (${ids}) AND parked_at IS NOT NULL`);

async function sell(event, seat) {
  const held = await hold_seats(event, [seat]);
  const booked = await book(event, held.body);
  assert.equal(booked.status, 201, booked.raw.toString());
  return booked.body.bookingId;
}

test('a row larger than the broker takes is parked with its reason, and those behind it are sent', async () => {
  const event = await open_sale({ charge: false }), before = await parked_total();
  const ids = await plant(event, 'holdfast.bookings', `${event}:poison-`, 2_000_000);
  const booking = await sell(event, 3);
  await until('it is parked', async () => (await parked(ids)).length === 1);
  assert.deepEqual(await parked(ids), [['refused by kafka']]);
  await until('the sale is told', async () => (await outbox_rows()) === 0);
  await until('the metric tells', async () => (await parked_total()) === before + 1);
  assert.match(log(), new RegExp(`event="a row was parked" .*id=${ids[0]} why="refused by kafka"`));
  const told = await read_keys('holdfast.bookings', [`${event}:${booking}`]);
  assert.ok(told.has(`${event}:${booking}`) && !told.has(`${event}:poison-1`));
  const { code, output } = await audit(event);
  assert.equal(code, 0, output);
  await sql(`DELETE FROM outbox WHERE outbox_id IN (${ids})`);
});

test('a topic that refuses a whole batch parks only the row that is to blame', async () => {
  const event = await open_sale({ charge: false }), topic = `small-${randomUUID()}`;
  await create_topic(topic, 1, { 'max.message.bytes': 20_000 });
  const good = await plant(event, topic, 'good-', 1000, 60), bad = await plant(event, topic, 'bad-', 30_000);
  const more = await plant(event, topic, 'more-', 1000, 60);
  await until('one is parked, the others are sent', async () => (await parked(bad)).length === 1 && (await outbox_rows()) === 0, 40);
  assert.deepEqual(await parked([...good, ...more]), []);
  const told = await read_keys(topic, [...Array(60).keys()].flatMap((n) => [`good-${n + 1}`, `more-${n + 1}`]));
  assert.equal(told.size, 120);
  assert.ok(!told.has('bad-1'));
  await sql(`DELETE FROM outbox WHERE outbox_id IN (${bad})`);
});

test('rows for a topic that is not there are parked after half a minute; the documented command gives them back', async () => {
  const event = await open_sale({ charge: false }), topic = `absent-${randomUUID()}`;
  const ids = await plant(event, topic, 'late-', 10, 3);
  const booking = await sell(event, 4);
  await until('the sale is told meanwhile', async () => (await read_keys('holdfast.bookings', [`${event}:${booking}`])).has(`${event}:${booking}`));
  assert.deepEqual(await parked(ids), [], 'a topic may be slow to come');
  await until('they are parked', async () => (await parked(ids)).length === 3, 60);
  assert.deepEqual(await parked(ids), [['there is no such topic'], ['there is no such topic'], ['there is no such topic']]);

  await create_topic(topic, 1);
  const command = /^psql -c "(UPDATE outbox .*)"$/m.exec(readFileSync(`${env.HOLDFAST_ROOT}/docs/operations.md`, 'utf8'));
  assert.ok(command, 'the command is in docs/operations.md');
  await sql(command[1]);
  await until('they are sent', async () => (await outbox_rows()) === 0 && (await parked(ids)).length === 0, 40);
  assert.deepEqual([...await read_keys(topic, ['late-1', 'late-2', 'late-3'])].sort(), ['late-1', 'late-2', 'late-3']);
});

test('what the log dropped at its limit is told, and the map heals from a snapshot', async () => {
  const event = await open_sale({ seats: 60, charge: false }), skipped = () => Fleet.prototype.metric.call(engine, 'holdfast_relay_changes_skipped_total');
  await sell(event, 1);
  await until('the first changes are sent', async () => (await log_length(event)) === 0);
  const before = await skipped(), bring_back = take_away('kafka');
  try {
    for (let seat = 10; seat < 30; seat++) await sell(event, seat);
    await redis('XTRIM', `{e${event}}:log`, 'MAXLEN', '=', 5); // as at four million
  } finally { bring_back(); }
  await until('the gap is counted', async () => (await skipped()) > before, 60);
  assert.match(log(), new RegExp(`event="the log had dropped changes before they were sent" event=${event} changes=`));
  const viewer = await until('the map is there', () => view(event).catch(() => undefined), 60);
  await viewer.until('all that is sold', (states) => states.filter((state) => state === 2).length === 21, 30);
  viewer.close();
});
