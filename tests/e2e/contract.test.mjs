// The servers against docs/openapi.yaml and docs/asyncapi.yaml, and the documents against the servers: every answer is documented to the last member, every documented
// operation and status is provoked, every route in the sources is documented.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { env, new_key, until } from './lib/http.mjs';
import { booking_body } from './lib/sale.mjs';
import { view } from './lib/seatmap.mjs';
import { connect } from './lib/websocket.mjs';
import { Contract, Document, declared_metrics, problem_table, registered_routes, root, without_names } from './lib/contract.mjs';

const contract = new Contract(), news = new Document('asyncapi.yaml');
const ask = (id, path, options) => contract.ask(id, path, options);
const admin = { auth: `Bearer ${env.HOLDFAST_ADMIN_TOKEN}` };
const instant = (seconds_ahead) => new Date(Date.now() + seconds_ahead * 1000).toISOString();
const NOBODY = '0190163d-8694-739b-aea5-966c26f8ad91';

/** Asks and wants this status, and code when it is a problem. */
async function want(status, code, id, path, options) {
  const answer = await ask(id, path, options);
  assert.equal(answer.status, status, `${id} ${path}: ${answer.status} ${answer.raw}`);
  if (code) assert.equal(answer.body.code, code, `${id} ${path}: ${answer.raw}`);
  return answer;
}

const new_event = (more = {}) => ({
  name: `Contract ${randomUUID()}`, type: 'concert', venue: { name: 'The Hall', city: 'Porto', latitude: 41.15, longitude: -8.61 }, performers: ['The Band'],
  startsAt: instant(86400), currency: 'EUR', queue: false, maxSeats: 8, maxHolds: 4, holdSeconds: 120,
  priceLevels: [{ id: 'gold', name: 'Gold', amount: 9000 }, { id: 'silver', name: 'Silver', amount: 7000 }, { id: 'bronze', name: 'Bronze', amount: 5000 }],
  arena: { seats: 60 }, ...more,
});

async function make_event(more) {
  const made = await want(201, null, 'createEvent', '/admin/v1/events', { ...admin, body: new_event(more) });
  assert.equal(made.headers.location, `/v1/events/${made.body.eventId}`);
  return made.body.eventId;
}

async function make_queue(event, more = {}) {
  await want(200, null, 'putQueue', `/admin/v1/queues/${event}`, { ...admin, body: {
    ratePerMinute: 60000, maxActive: 1000, prequeueAt: instant(-60), opensAt: instant(-30), closesAt: instant(86400), claimSeconds: 60, proof: 'off', beacon: null, ...more } });
  return event;
}

const act = (what, event) => want(200, null, `${what}Queue`, `/admin/v1/queues/${event}/${what}`, admin);

async function join_line(event) {
  const { body } = await want(201, null, 'join', `/v1/queues/${event}/tickets`, { body: { joinId: randomUUID() } });
  return `Ticket ${body.ticket}`;
}

/** A pass of somebody who went through the line, and the ticket. */
async function enter(event) {
  const ticket = await join_line(event);
  const answer = await until('a pass', async () => {
    const asked = await ask('claimPass', `/v1/queues/${event}/passes`, { auth: ticket });
    return asked.status === 201 && asked;
  });
  return { ticket, auth: `Bearer ${answer.body.pass}` };
}

const place = (status, event, body, { auth, key = new_key(), code } = {}) => want(status, code, 'placeHold', `/v1/events/${event}/holds`, { auth, key, body });
const hold = async (event, seats, options) => (await place(201, event, { ticketIds: seats.map(String) }, options)).body;
const buy = (event, held, { auth, key = new_key(), token = 'tok_visa', ...more } = {}) => ask('book', `/v1/bookings/${event}`, { auth, key, body: booking_body(held, token, more) });

async function bought(event, seats, options) {
  const answer = await buy(event, await hold(event, seats, options), options);
  assert.equal(answer.status, 201, answer.raw.toString());
  return { ...answer.body, auth: `Booking ${answer.body.accessToken}` };
}

/* ---- the documents ---- */

test('contract: every route that is registered is documented, and no other', () => {
  const routes = registered_routes();
  assert.ok(routes.delete('GET /*'), 'the pages are documented as /');
  const documented = new Set(contract.operations.map((operation) => `${operation.method} ${without_names(operation.path)}`));
  assert.deepEqual([...documented].sort(), [...routes].sort());
});

test('contract: the examples of the documents are what their schemas say', () => {
  let count = 0;
  for (const document of [contract, news]) {
    for (const { name, value, path } of document.examples()) {
      assert.equal(document.wrong(value, ...path), undefined, `${document.name}: ${name}`);
      count++;
    }
  }
  assert.ok(count > 20, `${count} examples`);
});

test('contract: the codes of problems are those of the server, each under its status', () => {
  const table = problem_table().set('gateway_timeout', 504);
  table.delete('proof_required'); // of a proof of work, which is not asked for
  assert.deepEqual([...contract.tree.components.schemas.ProblemCode.enum].sort(), [...table.keys()].sort());
  const named = new Set(contract.tree.components.responses.Transport['x-codes']);
  for (const { id, place: at, node } of contract.operations) {
    for (const status of Object.keys(node.responses)) {
      for (const code of contract.at(...at, 'responses', status).node['x-codes'] ?? []) {
        assert.equal(table.get(code), Number(status), `${id} documents ${code} with ${status}`);
        named.add(code);
      }
    }
  }
  assert.deepEqual([...table.keys()].filter((code) => !named.has(code)), [], 'codes that no call answers with');
});

test('contract: the metrics in operations.md are those of the sources, and of the running servers', async () => {
  const text = readFileSync(join(root, 'docs/operations.md'), 'utf8');
  const listed = new Set([...text.matchAll(/^\| `(holdfast_\w+)` \|/gm)].map(([, name]) => name));
  assert.deepEqual([...listed].sort(), [...declared_metrics()].sort());
  for (const [, name] of text.matchAll(/\b(holdfast_\w+)/g)) assert.ok(listed.has(name), `${name} is in an alert and is no metric`);
  const served = new Set();
  for (const name of ['WAITROOM', 'ENGINE', 'SEATMAP']) {
    const { raw } = await ask('getMetrics', '/metrics', { base: env[`HOLDFAST_${name}_OPS_URL`] });
    for (const [, metric] of raw.toString().matchAll(/^# TYPE (\w+) /gm)) served.add(metric);
  }
  assert.deepEqual([...served].filter((name) => name.startsWith('holdfast_')).sort(), [...listed].sort());
});

/* ---- the calls ---- */

async function reading() {
  const event = await make_event(), path = `/v1/events/${event}`;
  const about = await want(200, null, 'getEvent', path);
  const layout = await want(200, null, 'getLayout', about.body.layoutUrl);
  assert.match(layout.headers['cache-control'], /immutable/);
  assert.equal(about.body.layoutUrl, `${path}/layout?hash=${layout.body.hash}`);
  assert.equal((await want(200, null, 'getLayout', `${path}/layout?hash=another`)).headers['cache-control'], 'no-cache');
  await want(304, null, 'getLayout', about.body.layoutUrl, { headers: { 'if-none-match': layout.headers.etag } });
  const json = { accept: 'text/html, application/json;q=0.05' };
  const available = await want(200, null, 'getAvailability', about.body.availabilityUrl, { headers: json });
  assert.equal(available.headers.etag, `"${available.body.rev}"`);
  await want(304, null, 'getAvailability', about.body.availabilityUrl, { headers: { ...json, 'if-none-match': available.headers.etag } });
  const frame = await want(200, null, 'getAvailability', about.body.availabilityUrl, { headers: { accept: 'application/octet-stream' } });
  assert.deepEqual([frame.raw[0], frame.raw.readUInt32LE(4), Number(frame.raw.readBigUInt64LE(8)), frame.raw.length], [1, 60, available.body.rev, 16 + 15]);
  await want(406, 'not_acceptable', 'getAvailability', `${path}/availability`, { headers: { accept: 'text/html' } });
  const page = await want(200, null, 'getPage', '/');
  await want(304, null, 'getPage', '/', { headers: { 'if-none-match': page.headers.etag } });
  await want(200, null, 'getPassKeys', '/.well-known/jwks.json');
  for (const name of ['WAITROOM', 'ENGINE', 'SEATMAP']) {
    const base = env[`HOLDFAST_${name}_OPS_URL`];
    await want(200, null, 'isAlive', '/livez', { base });
    await want(200, null, 'isReady', '/readyz', { base });
    await want(200, null, 'getVersion', '/version', { base });
    await want(200, null, 'getMetrics', '/metrics', { base });
  }
}

async function the_line() {
  const event = await make_queue(await make_event({ queue: true })), path = `/v1/queues/${event}`;
  const line = await until('the line is there', async () => { const answer = await ask('getQueue', path); return answer.status === 200 && answer; });
  assert.equal(line.body.phase, 'open');
  await until('304 for what has not changed', async () => {
    const { headers: { etag } } = await want(200, null, 'getQueue', path);
    return (await ask('getQueue', path, { headers: { 'if-none-match': etag } })).status === 304;
  });
  const body = { joinId: randomUUID() };
  const first = await want(201, null, 'join', `${path}/tickets`, { body });
  const again = await want(200, null, 'join', `${path}/tickets`, { body });
  assert.equal(again.body.ticket, first.body.ticket);
  const { ticket, auth } = await enter(event);
  const same = await want(200, null, 'claimPass', `${path}/passes`, { auth: ticket });
  assert.equal(`Bearer ${same.body.pass}`, auth);
  assert.equal((await want(200, null, 'getMyTicket', `${path}/tickets/me`, { auth: ticket })).body.state, 'admitted');
  await want(413, 'body_too_large', 'claimPass', `${path}/passes`, { auth: ticket, body: 'x'.repeat(2000) });
  await want(204, null, 'endSession', `/v1/events/${event}/session`, { auth });
  await want(410, 'turn_missed', 'claimPass', `${path}/passes`, { auth: ticket });

  await act('pause', event);
  const waiting = await join_line(event);
  const standing = await want(202, null, 'claimPass', `${path}/passes`, { auth: waiting });
  assert.equal(standing.body.state, 'waiting');
  await act('resume', event);
  await act('close', event);
  await want(403, 'queue_closed', 'join', `${path}/tickets`, { body: { joinId: randomUUID() } });
  await until('the line is closed to passes', async () => (await ask('claimPass', `${path}/passes`, { auth: waiting })).status !== 202);
  for (const what of ['pause', 'resume']) await want(409, 'conflict', `${what}Queue`, `/admin/v1/queues/${event}/${what}`, admin);
  await act('open', event);
  await act('reset', event);
  await until('the old tickets are told', async () => (await ask('getMyTicket', `${path}/tickets/me`, { auth: ticket })).status === 410);

  const early = await make_queue(await make_event({ queue: true }), { prequeueAt: instant(-5), opensAt: instant(3600), closesAt: null });
  await until('the prequeue', async () => (await ask('getQueue', `/v1/queues/${early}`)).status === 200);
  const { body: joined } = await want(201, null, 'join', `/v1/queues/${early}/tickets`, { body: { joinId: randomUUID() } });
  assert.deepEqual([joined.number, joined.position, joined.phase], [null, null, 'prequeue']);
  for (const secret of ['', 'Ticket x', 'Bearer x']) {
    await want(401, 'ticket_invalid', 'getMyTicket', `${path}/tickets/me`, { auth: secret });
    await want(401, 'ticket_invalid', 'claimPass', `${path}/passes`, { auth: secret });
  }
  await want(422, 'invalid', 'putQueue', `/admin/v1/queues/${event}`, { ...admin, body: { proof: 'on' } });
}

async function passes_and_holds() {
  const event = await make_queue(await make_event({ queue: true })), path = `/v1/events/${event}/holds`;
  const { auth } = await enter(event), other = await enter(event);
  const held = await hold(event, [3, 4], { auth });
  const one = `/v1/holds/${held.holdId}`;
  const { body: session } = await want(200, null, 'getSession', `/v1/events/${event}/session`, { auth });
  assert.equal(session.holds[0].holdId, held.holdId);
  await want(200, null, 'getHold', one, { auth });
  await want(200, null, 'changeHold', one, { auth, key: new_key(), body: { extendSeconds: 30 } });
  await want(200, null, 'changeHold', one, { auth, key: new_key(), body: { add: ['5'], remove: ['4'] } });
  for (const [id, at, more] of [['placeHold', path, { key: new_key(), body: { ticketIds: ['9'] } }], ['getHold', one], ['releaseHold', one], ['getSession', `/v1/events/${event}/session`],
    ['endSession', `/v1/events/${event}/session`], ['changeHold', one, { key: new_key(), body: { extendSeconds: 1 } }], ['book', `/v1/bookings/${event}`, { key: new_key(), body: booking_body(held) }]]) {
    await want(401, 'pass_required', id, at, more);
    await want(403, 'pass_invalid', id, at, { ...more, auth: 'Bearer no.pass.this' });
  }
  await want(404, 'not_found', 'getHold', one, { auth: other.auth });
  const taken = await place(409, event, { ticketIds: ['3', '9'] }, { auth: other.auth, code: 'seat_unavailable' });
  assert.deepEqual(taken.body.unavailable, [{ id: '3', reason: 'held' }]);
  assert.equal(taken.body.alternative?.length, 2);
  await place(409, event, { ticketIds: ['10', '11', '12', '13', '14', '15', '16'] }, { auth, code: 'hold_limit' });
  const key = new_key();
  await place(201, event, { ticketIds: ['20'] }, { auth: other.auth, key });
  await place(201, event, { ticketIds: ['20'] }, { auth: other.auth, key });
  await place(422, event, { ticketIds: ['21'] }, { auth: other.auth, key, code: 'idempotency_mismatch' });
  await want(409, 'seat_unavailable', 'changeHold', one, { auth, key: new_key(), body: { add: ['20'] } });
  await want(409, 'hold_limit', 'changeHold', one, { auth, key: new_key(), body: { extendSeconds: 3600 } });
  await want(204, null, 'releaseHold', one, { auth });
  await want(204, null, 'releaseHold', one, { auth });
  await place(201, event, { bestAvailable: { quantity: 2, priceLevel: 'gold' } }, { auth });
  const sold = await buy(event, { ...held, total: 0 }, { auth });
  assert.equal(sold.status, 410, 'the hold was released');
  await bought(event, [30, 31], { auth });
  await want(403, 'pass_spent', 'placeHold', path, { auth, key: new_key(), body: { ticketIds: ['40'] } });
  await want(403, 'pass_spent', 'getSession', `/v1/events/${event}/session`, { auth });
}

async function holds_without_a_queue() {
  const event = await make_event({ holdSeconds: 1, holdCapSeconds: 1 });
  const held = await hold(event, [0]), one = `/v1/holds/${held.holdId}`;
  await until('the hold is over', async () => (await ask('getHold', one)).status === 410);
  await want(410, 'hold_expired', 'changeHold', one, { key: new_key(), body: { remove: ['0'] } });
  assert.equal((await buy(event, held)).status, 410);
  const room = await make_event({ queue: false, charge: false, arena: undefined, layout: {
    sections: [{ id: 'A', name: 'Stalls', rows: [{ name: '1', seats: [{ label: 'A-1-1', x: 0, y: 0, priceLevel: 'gold' }, { label: 'A-1-2', x: 1, y: 0, priceLevel: 'gold', flags: ['accessible'] }] }] }],
    areas: [{ id: 'floor', name: 'Standing', capacity: 3, priceLevel: 'bronze', x: 0, y: 5, w: 10, h: 5 }] } });
  await want(200, null, 'getLayout', `/v1/events/${room}/layout`);
  await place(201, room, { area: { id: 'floor', quantity: 3 } });
  await place(409, room, { area: { id: 'floor', quantity: 1 } }, { code: 'no_block' });
  const seat = await hold(room, [0]);
  const answer = await ask('book', `/v1/bookings/${room}`, { key: new_key(), body: { holdId: seat.holdId, expectedTotal: seat.total, customer: { email: 'fan@example.org', name: 'A Fan' } } });
  assert.equal(answer.status, 201, answer.raw.toString());
  await want(410, 'hold_expired', 'releaseHold', `/v1/holds/${seat.holdId}`);
  await want(200, null, 'getBooking', `/v1/bookings/${answer.body.bookingId}`, { auth: `Booking ${answer.body.accessToken}` });
}

async function money() {
  const event = await make_event(), other = await make_event();
  const held = await hold(event, [0]);
  await want(402, 'payment_declined', 'book', `/v1/bookings/${event}`, { key: new_key(), body: booking_body(held, 'tok_declined') });
  await want(409, 'price_changed', 'book', `/v1/bookings/${event}`, { key: new_key(), body: { ...booking_body(held), expectedTotal: 1 } });
  const key = new_key();
  assert.equal((await buy(event, held, { key })).status, 201);
  await want(422, 'idempotency_mismatch', 'book', `/v1/bookings/${event}`, { key, body: booking_body(held, 'tok_other') });
  const undecided = await hold(event, [1]), late = new_key();
  const first = await buy(event, undecided, { key: late, token: 'tok_webhook_late' });
  assert.equal(first.status, 202, first.raw.toString());
  await want(200, null, 'getBooking', first.headers.location, { auth: `Booking ${first.body.accessToken}` });
  await until('decided', async () => (await buy(event, undecided, { key: late, token: 'tok_webhook_late' })).status === 201, 30);

  const booking = await bought(event, [10, 11]), { auth } = booking, path = `/v1/bookings/${booking.bookingId}`;
  const foreign = await bought(event, [12]);
  await until('captured', async () => (await want(200, null, 'getBooking', path, { auth })).body.payment.state === 'captured');
  await want(200, null, 'getTicketPicture', booking.tickets[0].qrUrl, { auth });
  await want(200, null, 'getTicketPicture', `${booking.tickets[1].qrUrl}?code=${booking.tickets[1].code}`);
  await want(404, 'not_found', 'getTicketPicture', `${path}/tickets/59.svg`, { auth });
  await want(201, null, 'refundBooking', `${path}/refunds`, { auth, key: new_key(), body: { tickets: ['10'] } });
  await want(409, 'not_refundable', 'refundBooking', `${path}/refunds`, { auth, key: new_key(), body: { tickets: ['10'] } });
  const cancel = new_key();
  assert.equal((await want(200, null, 'cancelBooking', `${path}/cancel`, { auth, key: cancel, body: {} })).body.state, 'cancelled');
  await want(200, null, 'cancelBooking', `${path}/cancel`, { auth, key: cancel });
  await want(409, 'not_refundable', 'cancelBooking', `${path}/cancel`, { auth, key: new_key() });
  await until('returned', async () => (await want(200, null, 'getBooking', path, { auth })).body.payment.state === 'refunded');
  for (const [id, at, more] of [['getBooking', path], ['cancelBooking', `${path}/cancel`, { key: new_key() }], ['refundBooking', `${path}/refunds`, { key: new_key() }], ['getTicketPicture', booking.tickets[0].qrUrl]]) {
    await want(401, 'unauthorized', id, at, more);
    await want(404, 'not_found', id, at, { ...more, auth: foreign.auth });
  }
  await want(422, 'invalid', 'refundBooking', `/v1/bookings/${foreign.bookingId}/refunds`, { auth: foreign.auth, key: new_key(), body: { amount: 1 } });
  const office = `/admin/v1/events/${event}/bookings/${foreign.bookingId}/refunds`, part = new_key();
  await until('captured', async () => (await want(200, null, 'getBooking', `/v1/bookings/${foreign.bookingId}`, { auth: foreign.auth })).body.payment.state === 'captured');
  const given = (await want(201, null, 'refundByOffice', office, { ...admin, key: part, body: { amount: 100 } })).body;
  assert.deepEqual([given.tickets, given.amount, given.state], [[], 100, 'confirmed']);
  assert.deepEqual((await want(201, null, 'refundByOffice', office, { ...admin, key: part, body: { amount: 100 } })).body, given);
  await want(422, 'idempotency_mismatch', 'refundByOffice', office, { ...admin, key: part, body: { amount: 101 } });
  await want(422, 'invalid', 'refundByOffice', office, { ...admin, key: new_key(), body: { amount: 1, tickets: ['12'] } });
  await want(409, 'not_refundable', 'refundByOffice', office, { ...admin, key: new_key(), body: { amount: 1_000_000 } });
  await until('returned', async () => (await want(200, null, 'getBooking', `/v1/bookings/${foreign.bookingId}`, { auth: foreign.auth })).body.payment.state === 'partly_refunded');
  const rest = (await want(201, null, 'refundByOffice', office, { ...admin, key: new_key(), body: {} })).body;
  assert.deepEqual([rest.tickets, rest.amount, rest.state], [['12'], foreign.total - 100, 'refunded']);
  await want(200, null, 'getReport', `/admin/v1/events/${event}/report`, admin);
  await want(200, null, 'blockSeats', `/admin/v1/events/${event}/seats/block`, { ...admin, body: { ticketIds: ['40', '41'] } });
  await want(200, null, 'unblockSeats', `/admin/v1/events/${event}/seats/unblock`, { ...admin, body: { ticketIds: ['41'] } });
  await want(409, 'seat_unavailable', 'blockSeats', `/admin/v1/events/${event}/seats/block`, { ...admin, body: { ticketIds: ['0', '45'] } });
  await want(409, 'seat_unavailable', 'unblockSeats', `/admin/v1/events/${event}/seats/unblock`, { ...admin, body: { ticketIds: ['0'] } });
  await want(409, 'conflict', 'putLayout', `/admin/v1/events/${event}/layout`, { ...admin, body: { arena: { seats: 61 } } });
  const before = (await want(200, null, 'getEvent', `/v1/events/${other}`)).body.layoutUrl;
  await want(200, null, 'putLayout', `/admin/v1/events/${other}/layout`, { ...admin, body: { arena: { seats: 61 } } });
  await until('another address', async () => (await want(200, null, 'getEvent', `/v1/events/${other}`)).body.layoutUrl !== before);
  await want(200, null, 'rebuildMirror', `/admin/v1/events/${other}/rebuild`, admin);
}

async function while_a_payment_is_under_way() {
  const event = await make_queue(await make_event({ queue: true })), { auth } = await enter(event);
  const held = await hold(event, [7], { auth }), key = new_key(), one = `/v1/holds/${held.holdId}`;
  const answer = buy(event, held, { auth, key, token: 'tok_slow' });
  await until('the payment is under way', async () => (await ask('changeHold', one, { auth, key: new_key(), body: { remove: ['7'], add: ['8'] } })).status === 409);
  await want(409, 'conflict', 'releaseHold', one, { auth });
  await want(409, 'conflict', 'endSession', `/v1/events/${event}/session`, { auth });
  await want(409, 'idempotency_in_flight', 'book', `/v1/bookings/${event}`, { auth, key, body: booking_body(held, 'tok_slow') });
  await want(409, 'conflict', 'book', `/v1/bookings/${event}`, { auth, key: new_key(), body: booking_body(held) });
  assert.equal((await answer).status, 201);
}

async function webhooks() {
  const body = JSON.stringify({ id: `wh_${randomUUID()}`, type: 'charge.authorized', charge: { reference: 'of nobody' } }), now = Math.floor(Date.now() / 1000);
  const signed = (text, at = now) => ({ 'sim-signature': `t=${at},v1=${createHmac('sha256', env.HOLDFAST_PAYMENT_SECRET).update(`${at}.${text}`).digest('hex')}` });
  const path = '/v1/payments/webhooks/sim';
  await want(200, null, 'receiveWebhook', path, { body, headers: signed(body) });
  await want(200, null, 'receiveWebhook', path, { body, headers: signed(body) });
  await want(400, 'signature_invalid', 'receiveWebhook', path, { body });
  await want(400, 'signature_invalid', 'receiveWebhook', path, { body, headers: signed(body, now - 86400) });
  await want(400, 'signature_invalid', 'receiveWebhook', path, { body: `${body} `, headers: signed(body) });
  await want(400, 'bad_request', 'receiveWebhook', path, { body: '{}', headers: signed('{}') });
  await want(404, 'not_found', 'receiveWebhook', '/v1/payments/webhooks/gold', { body, headers: signed(body) });
  await want(413, 'body_too_large', 'receiveWebhook', path, { body: 'x'.repeat(2 << 20) });
}

/** What is wrong with any call that takes JSON, an id, or the admin token, asked of each of them. */
async function everywhere() {
  const event = await make_queue(await make_event({ queue: true })), { auth } = await enter(event);
  const plain = await make_event(), booking = await bought(plain, [0]);
  const fill = (path, id) => path.replace('{id}', id).replace('{eventId}', id).replace('{holdId}', `${event}.AAAAAAAAAAAAAAAAAAAAAA`).replace('{bookingId}', booking.bookingId).replace('{seat}', '0');
  for (const { id, path, node } of contract.operations) {
    const schemes = (node.security ?? []).flatMap((scheme) => Object.keys(scheme));
    const is_ws = node.responses['101'];
    const options = { auth: schemes.includes('admin') ? admin.auth : schemes.includes('pass') ? auth : schemes.includes('booking') ? booking.auth : undefined, key: new_key() };
    if (is_ws) options.headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' };
    const sample = node.requestBody && Object.values(node.requestBody.content['application/json'].examples ?? {})[0]?.value;
    if (node.responses['404'] && path.includes('{') && id !== 'receiveWebhook') {
      const nobodys = id === 'getBooking' ? fill(path, NOBODY) : path.includes('{bookingId}') ? path.replace('{eventId}', event).replace('{bookingId}', NOBODY).replace('{seat}', '0') : fill(path, '999999999999');
      if (id !== 'followSeatmap') await want(404, 'not_found', id, nobodys, { ...options, body: sample });
      if (path.includes('{eventId}') || id === 'book') await want(404, 'not_found', id, fill(path, 'nonsense'), { ...options, body: sample });
    }
    if (schemes.includes('admin')) await want(401, 'unauthorized', id, fill(path, event), { auth: 'Bearer wrong', body: sample });
    if (is_ws) await want(426, 'upgrade_required', id, fill(path, event));
    if (!sample) continue;
    const at = fill(path, event);
    await want(415, 'unsupported_media_type', id, at, { ...options, body: '{}', headers: { 'content-type': 'text/plain' } });
    await want(400, 'bad_request', id, at, { ...options, body: '{"a":' });
    await want(422, 'invalid', id, at, { ...options, body: { ...sample, surprise: 1 } });
    if (node.parameters) await want(400, 'idempotency_key_missing', id, at, { ...options, key: undefined, body: sample });
    if (!['createEvent', 'putLayout'].includes(id)) await want(413, 'body_too_large', id, at, { ...options, body: JSON.stringify({ a: 'x'.repeat(20000) }) });
  }
}

/* ---- what is pushed ---- */

const is_message = (message, payload) => assert.equal(news.wrong(payload, 'components', 'messages', message, 'payload'), undefined, `${message} ${JSON.stringify(payload)}`);

async function streams() {
  const event = await make_queue(await make_event({ queue: true }));
  const line = await connect(`${env.HOLDFAST_URL}/v1/queues/${event}/stream`);
  contract.saw('followQueue', 101);
  is_message('QueueProgress', JSON.parse(await line.next()));
  line.close();
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' };
  await want(403, 'origin_forbidden', 'followQueue', `/v1/queues/${event}/stream`, { headers: { ...upgrade, origin: 'https://elsewhere.example' } });
  await want(403, 'origin_forbidden', 'followSeatmap', `/v1/seatmaps/${event}`, { headers: { ...upgrade, origin: 'https://elsewhere.example' } });
  await want(400, 'bad_request', 'followSeatmap', `/v1/seatmaps/${event}?since=yesterday`, { headers: upgrade });
  await want(400, 'bad_request', 'followSeatmap', `/v1/seatmaps/${event}?sections=A`, { headers: upgrade });
  await want(400, 'bad_request', 'followSeatmap', `/v1/seatmaps/${event}`, { headers: { ...upgrade, 'sec-websocket-protocol': 'chat' } });

  const map = await connect(`${env.HOLDFAST_URL}/v1/seatmaps/${event}`, { protocols: ['holdfast.seatmap.v1+json'] });
  contract.saw('followSeatmap', 101);
  assert.equal(map.protocol, 'holdfast.seatmap.v1+json');
  const snapshot = JSON.parse(await map.next());
  is_message('SeatmapSnapshotJson', snapshot);
  assert.equal(snapshot.states.length, 60);
  const binary = await view(event);
  await binary.until('the seats', (states) => states.length === 60);
  const { auth } = await enter(event);
  await hold(event, [3], { auth });
  const delta = JSON.parse(await map.next());
  is_message('SeatmapDeltaJson', delta);
  assert.deepEqual([delta.fromRev, delta.changes], [snapshot.rev, [[3, 1]]]);
  await binary.until('the hold', (states) => states[3] === 1);
  binary.close();
  map.close();
  const since = await connect(`${env.HOLDFAST_URL}/v1/seatmaps/${event}?since=${snapshot.rev}`, { protocols: ['holdfast.seatmap.v1+json'] });
  is_message('SeatmapDeltaJson', JSON.parse(await since.next()));
  since.close();
  const none = await connect(`${env.HOLDFAST_URL}/v1/seatmaps/999999999999`);
  assert.equal(await none.closed(), 4404);
}

/** Reads topics from their beginning until `enough(messages)`: {headers, key, payload} of the messages that concern the event. */
async function consume(topics, event, enough, seconds = 60) {
  const consumer = spawn('java', ['-cp', `${root}.holdfast/kafka/libs/*`, 'org.apache.kafka.tools.consumer.ConsoleConsumer', '--bootstrap-server', env.HOLDFAST_KAFKA, '--include', topics.join('|'),
    '--from-beginning', '--property', 'print.headers=true', '--property', 'print.key=true'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const timer = setTimeout(() => consumer.kill(), seconds * 1000), messages = [];
  for await (const line of createInterface({ input: consumer.stdout })) {
    const [headers, key, payload] = line.split('\t');
    if (!payload || key.split(':')[0] !== event) continue;
    messages.push({ headers: Object.fromEntries(headers.split(',').map((field) => [field.slice(0, field.indexOf(':')), field.slice(field.indexOf(':') + 1)])), key, payload: JSON.parse(payload) });
    if (enough(messages)) break;
  }
  clearTimeout(timer);
  consumer.kill();
  return messages;
}

const MESSAGES = { 'seat.changed': 'SeatChange', 'seat.snapshot': 'SeatSnapshot', 'booking.confirmed': 'BookingConfirmed', 'booking.cancelled': 'BookingCancelled', 'booking.refunded': 'BookingRefunded' };

test('contract: what is published on Kafka is what the document says', async () => {
  const event = await make_event({ holdSeconds: 2, holdCapSeconds: 60 });
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const first = (await want(201, null, 'placeHold', `/v1/events/${event}/holds`, { key: new_key(), body: { ticketIds: ['1', '2'] }, headers: { traceparent } })).body;
  const { bookingId, accessToken } = (await buy(event, first)).body, auth = `Booking ${accessToken}`;
  await want(201, null, 'refundBooking', `/v1/bookings/${bookingId}/refunds`, { auth, key: new_key(), body: { tickets: ['1'] } });
  await want(200, null, 'cancelBooking', `/v1/bookings/${bookingId}/cancel`, { auth, key: new_key() });
  await want(204, null, 'releaseHold', `/v1/holds/${(await hold(event, [5])).holdId}`);
  await hold(event, [6]);
  await want(200, null, 'blockSeats', `/admin/v1/events/${event}/seats/block`, { ...admin, body: { ticketIds: ['50'] } });
  const causes = (messages) => new Set(messages.map(({ payload }) => payload.cause).filter(Boolean));
  const types = (messages) => new Set(messages.map(({ headers }) => headers.ce_type));
  const messages = await consume(['holdfast.seat-changes', 'holdfast.seat-snapshots', 'holdfast.bookings'], event, (all) => causes(all).size === 6 && types(all).size === 5);
  assert.deepEqual([...causes(messages)].sort(), ['block', 'expire', 'hold', 'refund', 'release', 'sale']);
  assert.deepEqual([...types(messages)].sort(), Object.keys(MESSAGES).sort());
  for (const { headers, key, payload } of messages) {
    const message = MESSAGES[headers.ce_type], { path } = news.at('components', 'messages', message, 'headers');
    assert.equal(news.wrong(headers, ...path), undefined, JSON.stringify(headers));
    is_message(message, payload);
    assert.equal(key, headers.ce_type.startsWith('booking.') ? `${event}:${bookingId}` : event);
    if (message === 'SeatSnapshot') assert.equal(Buffer.from(payload.state, 'base64').length, payload.seats);
  }
  const revs = messages.filter(({ headers }) => headers.ce_type === 'seat.changed').map(({ payload }) => payload.rev);
  assert.deepEqual(revs, revs.map((_, i) => revs[0] + i), 'contiguous');
  assert.equal(messages.find(({ payload }) => payload.rev === first.fence && payload.cause)?.headers.traceparent?.slice(3, 35), traceparent.slice(3, 35), 'the trace of the request goes on');
});

/* ---- the gateway's own answers ---- */

const free_port = () => new Promise((resolve) => { const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => resolve(port)); }); });

test('contract: an address that asks too often is told so', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-gateway-')), file = join(dir, 'haproxy.cfg');
  const [port, ops] = [await free_port(), await free_port()];
  const text = readFileSync(join(env.HOLDFAST_STATE ?? join(root, '.holdfast'), 'conf/haproxy.cfg'), 'utf8');
  writeFileSync(file, text.replace(/bind \S+/, `bind 127.0.0.1:${port}`).replace(/bind 127\.0\.0\.1:\d+(?=\n {4}monitor)/, `bind 127.0.0.1:${ops}`).replace(/gt 1000000|gt \d+(?= }\n\n)/, 'gt 2').replace(/q=\d+/, 'q=2'));
  const gateway = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' });
  try {
    const base = `http://127.0.0.1:${port}`;
    await until('the gateway listens', () => new Promise((resolve) => http.get(`${base}/livez`, (answer) => { answer.resume(); resolve(true); }).on('error', () => resolve(false))));
    const answer = await until('a refusal', async () => { const got = await ask('placeHold', '/v1/events/1/holds', { base, key: new_key(), body: { ticketIds: ['0'] } }); return got.status === 429 && got; });
    assert.equal(answer.headers['ratelimit-policy'], '"address";q=2;w=10');
  } finally {
    gateway.kill();
    rmSync(dir, { recursive: true });
  }
});

/* ---- all of it ---- */

test('contract: every call answers as documented, with every status that is documented', async () => {
  for (const walk of [reading, the_line, passes_and_holds, holds_without_a_queue, money, while_a_payment_is_under_way, webhooks, everywhere, streams]) await walk();
  const unseen = contract.operations.flatMap(({ id, node }) => Object.keys(node.responses).map((status) => `${id} ${status}`)).filter((what) => !contract.seen.has(what));
  // What needs a store to be away, a server without admin token, too many requests, or 64 MiB.
  const left = unseen.filter((what) => !/ (503|429)$/.test(what) && !/^(putQueue|(pause|resume|open|close|reset)Queue|createEvent|putLayout|(un)?blockSeats|getReport|rebuildMirror|refundByOffice) 403$/.test(what) && !/^(createEvent|putLayout) 413$/.test(what));
  assert.deepEqual(left, [], 'documented, and never answered');
});
