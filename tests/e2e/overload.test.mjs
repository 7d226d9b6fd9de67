// Too much at once, and servers that hang: what cannot be done is refused at once, what was let in is done, and all is well afterwards.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { readFileSync } from 'node:fs';
import { call, env, new_key, until } from './lib/http.mjs';
import { book, hold_seats, open_sale } from './lib/sale.mjs';
import { Fleet } from './lib/fleet.mjs';

const REQUESTS = 16, LET_IN = 12; // a quarter is left for what is not new work

/** One connection, on which a hold is asked for in two parts: the head, and later the body. */
class Buyer {
  text = '';
  constructor(url, event, seat) {
    this.body = JSON.stringify({ ticketIds: [String(seat)] });
    this.socket = net.connect(Number(new URL(url).port), '127.0.0.1').setEncoding('utf8');
    this.socket.on('data', (text) => { this.text += text; });
    this.socket.on('error', () => {});
    this.socket.write(`POST /v1/events/${event}/holds HTTP/1.1\r\nHost: x\r\nIdempotency-Key: ${new_key()}\r\nContent-Type: application/json\r\nContent-Length: ${this.body.length}\r\n\r\n`);
  }

  get status() { return Number(/^HTTP\/1\.1 (\d+)/.exec(this.text)?.[1] ?? 0); }
  send_body() { this.socket.write(this.body); }
}

let fleet, small;
before(async () => {
  fleet = await Fleet.start(2, { own_ports: true, flags: ['--requests', String(REQUESTS)] });
  small = fleet.members[1];
});
after(() => fleet.end());

const metric = async (name) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(await fetch(`${small.ops}/metrics`).then((answer) => answer.text()))?.[1]);

test('an engine that is full refuses holds before their body, with Retry-After; what it let in is done, and then it takes on more', async () => {
  const event = await open_sale({ seats: 200, charge: false });
  const early = await call('POST', `/v1/events/${event}/holds`, { base: small.url, key: new_key(), body: { ticketIds: ['150'] } });
  assert.equal(early.status, 201, early.raw.toString());
  const buyers = Array.from({ length: 60 }, (_, seat) => new Buyer(small.url, event, seat));
  try {
    const refused = () => buyers.filter(({ text }) => text.endsWith('}'));
    await until('all that is too much is refused', () => refused().length === buyers.length - LET_IN);
    for (const { status, text } of refused()) {
      assert.equal(status, 503, text);
      assert.match(text, /\r\nRetry-After: [123]\r\n/);
      assert.match(text, /\r\nContent-Type: application\/problem\+json\r\n/);
      assert.match(text, /"code":"overloaded"/);
    }
    assert.equal(await metric('holdfast_admission_holds_refused_total'), buyers.length - LET_IN);
    assert.equal(await metric('holdfast_admission_in_flight'), LET_IN);

    const page = await call('GET', `/v1/events/${event}`, { base: small.url });
    assert.equal(page.status, 200, 'what is in memory is still shown');
    const webhook = await call('POST', '/v1/payments/webhooks/sim', { base: small.url, body: {} });
    assert.equal(webhook.status, 400, 'a webhook is looked at');
    const booked = await call('POST', `/v1/bookings/${event}`, { base: small.url, key: new_key(), body: {
      holdId: early.body.holdId, expectedTotal: early.body.total, customer: { email: 'fan@example.org', name: 'A Fan' }, paymentDetails: { provider: 'sim', token: 'tok_visa' } } });
    assert.equal(booked.status, 201, `who was let in may finish: ${booked.raw}`);
    assert.equal((await fetch(`${small.ops}/readyz`)).status, 200);

    const let_in = buyers.filter(({ text }) => text === '');
    assert.equal(let_in.length, LET_IN);
    for (const buyer of let_in) buyer.send_body();
    await until('what was let in is done', () => let_in.every(({ status }) => status === 201));
    const later = await call('POST', `/v1/events/${event}/holds`, { base: small.url, key: new_key(), body: { ticketIds: ['151'] } });
    assert.equal(later.status, 201);
    assert.equal(await metric('holdfast_admission_in_flight'), 0);
  } finally { for (const { socket } of buyers) socket.destroy(); }
});

/** Stops a server and its children where they stand; returns what lets them go on. */
function freeze(name) {
  const pid = Number(readFileSync(`${env.HOLDFAST_STATE}/run/${name}.pid`, 'utf8').split(' ')[0]);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  const signal = (which) => { for (const each of [pid, ...children]) try { process.kill(each, which); } catch { /* gone */ } };
  signal('SIGSTOP');
  return () => signal('SIGCONT');
}

const readiness = async (ops) => { const answer = await fetch(`${ops}/readyz`); return { status: answer.status, ...await answer.json() }; };

/** /readyz of `ops` names `check` (after some 2 s; the machine may be busy), `meanwhile` is tried, and all is ready again afterwards. */
async function frozen(name, ops, check, meanwhile) {
  assert.equal((await readiness(ops)).status, 200);
  const resume = freeze(name);
  try {
    await until(`${check} is missed`, async () => (await readiness(ops)).checks[check].ready === false, 5);
    await meanwhile?.();
  } finally { resume(); }
  await until('ready again', async () => (await readiness(ops)).status === 200, 30);
}

const SHORTEST_DEADLINE_MS = 3000; // of a question to a store

/** A refusal that did not wait for the store that hangs. */
async function refused_at_once(asked) {
  const began = Date.now(), answer = await asked();
  assert.equal(answer.status, 503, answer.raw.toString());
  assert.ok(answer.headers['retry-after']);
  assert.ok(Date.now() - began < SHORTEST_DEADLINE_MS, `${Date.now() - began} ms`);
}

test('Redis hangs: holds are refused at once, pages are shown, and afterwards all goes on', async () => {
  const event = await open_sale({ seats: 50, charge: false });
  assert.equal((await hold_seats(event, [1])).status, 201);
  await frozen('redis', env.HOLDFAST_ENGINE_OPS_URL, 'redis', async () => {
    await refused_at_once(() => call('POST', `/v1/events/${event}/holds`, { base: env.HOLDFAST_ENGINE_URL, key: new_key(), body: { ticketIds: ['2'] } }));
    assert.equal((await call('GET', `/v1/events/${event}`, { base: env.HOLDFAST_ENGINE_URL })).status, 200);
  });
  await until('a hold', async () => (await hold_seats(event, [3])).status === 201);
});

test('PostgreSQL hangs: bookings are refused at once, and afterwards the same hold is bought', async () => {
  const event = await open_sale({ seats: 50, charge: false });
  const { body: held } = await hold_seats(event, [1]);
  await frozen('postgres', env.HOLDFAST_ENGINE_OPS_URL, 'postgresql', () =>
    refused_at_once(() => call('POST', `/v1/bookings/${event}`, { base: env.HOLDFAST_ENGINE_URL, key: new_key(), body: {
      holdId: held.holdId, expectedTotal: held.total, customer: { email: 'fan@example.org', name: 'A Fan' }, paymentDetails: { provider: 'sim', token: 'tok_visa' } } })));
  await until('the gateway sees it, too', async () => (await book(event, held)).status === 201, 30);
});

test('Kafka hangs: the seatmap servers say so', () => frozen('kafka', env.HOLDFAST_SEATMAP_OPS_URL, 'kafka'));
