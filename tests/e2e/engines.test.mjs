// Several engines sell one hall: rivals come through different processes, one of the processes is killed in the middle, and each loses alone.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { Fleet, alive } from './lib/fleet.mjs';
import { call, env, new_key, until } from './lib/http.mjs';
import { audit, booking_body, open_sale, sql } from './lib/sale.mjs';

let fleet;
before(async () => { fleet = await Fleet.start(3, { own_ports: true }); }, { timeout: 90_000 });
after(() => fleet.end());

const LOST = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const at = (engine) => fleet.members[engine % fleet.members.length].url;

/** A call at one engine; when that has died, the same with the same key at the next, as a client behind a balancer would. */
async function insist(engine, method, path, options) {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await call(method, path, { ...options, base: at(engine + tries) }).catch((error) => {
      if (!LOST.has(error.code) && error.message !== 'socket hang up') throw error;
    });
    const again = !answer || answer.status === 503 || answer.status === 202 || answer.body.code === 'idempotency_in_flight';
    if (!again) return answer;
    await pause(200);
  }
  throw new Error(`no answer: ${method} ${path}`);
}

const hold = (event, seat, engine) => insist(engine, 'POST', `/v1/events/${event}/holds`, { key: new_key(), body: { ticketIds: [String(seat)] } });
const book = (event, held, engine, token, key = new_key()) => insist(engine, 'POST', `/v1/bookings/${event}`, { key, body: booking_body(held, token) });

async function must_be_sound(event) {
  await until('money and news at rest', async () => (await audit(event)).code === 0, 60).catch(async () => assert.fail((await audit(event)).output));
}

test('rivals at three engines, one of them killed in the middle: every seat has one buyer, the others are told', async () => {
  const SEATS = 90, event = await open_sale({ seats: SEATS, hold_seconds: 8 });
  let done = 0;
  const rivals = (seat) => Promise.all([0, 1, 2].map(async (engine) => {
    const held = await hold(event, seat, engine + seat);
    if (held.status !== 201) return { status: held.status, code: held.body.code };
    const booked = await book(event, held.body, engine + seat + 1);
    return { status: booked.status, code: booked.body.code };
  }).map((rival) => rival.finally(() => { done++; })));
  const all = [];
  for (let seat = 0; seat < SEATS; seat += 15) {
    const batch = Array.from({ length: 15 }, (_, i) => rivals(seat + i));
    all.push(...batch);
    if (seat === 45) {
      await until('half of them are on their way', () => done > 3 * 48);
      fleet.members[1].signal('SIGKILL');
    }
    await Promise.all(batch);
  }
  let winners = 0;
  for (const [seat, answers] of (await Promise.all(all)).entries()) {
    const won = answers.filter(({ status }) => status === 201).length;
    winners += won;
    assert.ok(won <= 1, `seat ${seat} was sold ${won} times`);
    for (const { status, code } of answers) assert.ok(status === 201 || (status === 409 && ['seat_unavailable', 'seat_taken'].includes(code)) || status === 410, `seat ${seat}: ${status} ${code}`);
  }
  assert.ok(winners > SEATS * 0.8, `${winners} of ${SEATS} seats were sold`);
  assert.deepEqual(await sql(`SELECT count(*), count(DISTINCT seat) FROM ticket WHERE event_id = ${event} AND live`), [[String(winners), String(winners)]]);
  await fleet.ready();
  await must_be_sound(event);
});

test('two engines commit the same seats: Redis forgot the first hold while its card was asked; each loser loses alone', async () => {
  const event = await open_sale({ seats: 60 }), SEATS = 12;
  const slow = [], key_of = Array.from({ length: 2 * SEATS }, new_key);
  for (let seat = 0; seat < 2 * SEATS; seat++) slow.push((await hold(event, seat, 0)).body);
  const first = slow.map((held, seat) => book(event, held, 0, 'tok_slow', key_of[seat]));
  await until('the provider is being asked', async () => Number((await sql(`SELECT count(*) FROM payment WHERE event_id = ${event}`))[0][0]) === 2 * SEATS);
  execFileSync('redis-cli', ['-p', env.HOLDFAST_REDIS_PORT, 'FLUSHALL']);
  const second = await Promise.all(Array.from({ length: SEATS }, async (_, seat) => book(event, (await hold(event, seat, 1 + seat)).body, 1 + seat)));
  assert.ok(second.every(({ status }) => status === 201), second.map(({ raw }) => String(raw)).join('\n'));
  const ends = await Promise.all(first);
  for (const [seat, { status, body, raw }] of ends.entries()) {
    if (seat < SEATS) assert.ok(status === 409 && body.code === 'seat_taken', `seat ${seat}: ${status} ${raw}`);
    else assert.equal(status, 201, `seat ${seat}, in the same statements, which nobody else wanted: ${status} ${raw}`);
  }
  await must_be_sound(event);
});

test('an engine dies with purchases under way and stays away: another one finishes them', async () => {
  const event = await open_sale({ seats: 60 }), tokens = ['tok_visa', 'tok_slow', 'tok_timeout', 'tok_capture_timeout', 'tok_webhook_twice', 'tok_declined'], N = 24;
  const lone = await Fleet.start(2, { own_ports: true }), doomed = lone.members[1];
  try {
    const held = [];
    for (let i = 0; i < N; i++) held.push((await call('POST', `/v1/events/${event}/holds`, { key: new_key(), base: doomed.url, body: { ticketIds: [String(i)] } })).body);
    const answers = held.map((one, i) => call('POST', `/v1/bookings/${event}`, { key: new_key(), base: doomed.url, body: booking_body(one, tokens[i % tokens.length]) })
      .then(({ status }) => status, () => 0));
    const open = async () => Number((await sql(`SELECT count(*) FROM booking WHERE event_id = ${event} AND lease_until IS NOT NULL`))[0][0]);
    await until('purchases are under way', async () => (await open()) >= N / 3);
    const { pid } = doomed;
    await doomed.end();
    const left = await open();
    assert.ok(left > 0, 'some were not finished');
    const killed = Date.now();
    await until('nobody waits any more', async () => (await open()) === 0, 60);
    assert.ok(!alive(pid));
    assert.ok(Date.now() - killed < 40_000);
    assert.ok((await Promise.all(answers)).includes(0), 'their buyers were cut off');
    await must_be_sound(event);
  } finally { await lone.end(); }
});
