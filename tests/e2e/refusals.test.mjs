// Bad input gets a clear problem and leaves no trace.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { call, env, new_key } from './lib/http.mjs';
import { book, booking_body, enter, hold, hold_seats, open_sale } from './lib/sale.mjs';

const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
const is_problem = (answer, status, code) => {
  assert.equal(answer.status, status, `${answer.status} ${answer.raw}`);
  assert.match(answer.headers['content-type'], /application\/problem\+json/);
  for (const name of ['type', 'title', 'status', 'code', 'requestId']) assert.ok(name in answer.body, `${name} missing`);
  if (code) assert.equal(answer.body.code, code);
};

test('a pass that is forged, of another event, or no pass at all does not admit', async () => {
  const [event, other] = await Promise.all([open_sale({ queue: true }), open_sale({ queue: true })]);
  is_problem(await hold_seats(event, [0]), 401, 'pass_required');
  is_problem(await hold_seats(event, [0], { auth: 'Bearer nonsense' }), 403, 'pass_invalid');
  is_problem(await hold_seats(event, [0], { auth: await enter(other) }), 403, 'pass_invalid');
  const good = (await enter(event)).slice(7);
  const [head, claims, signature] = good.split('.');
  is_problem(await hold_seats(event, [0], { auth: `Bearer ${head}.${claims}.${signature.slice(0, -4)}AAAA` }), 403, 'pass_invalid');
  const payload = JSON.parse(Buffer.from(claims, 'base64url'));
  is_problem(await hold_seats(event, [0], { auth: `Bearer ${head}.${part({ ...payload, jti: randomUUID() })}.${signature}` }), 403, 'pass_invalid');
  is_problem(await hold_seats(event, [0], { auth: `Bearer ${part({ alg: 'none', typ: 'JWT' })}.${claims}.` }), 403, 'pass_invalid');
  const { privateKey } = generateKeyPairSync('ed25519');
  const own = `${head}.${part({ ...payload, exp: payload.exp + 1000 })}`;
  is_problem(await hold_seats(event, [0], { auth: `Bearer ${own}.${sign(null, Buffer.from(own), privateKey).toString('base64url')}` }), 403, 'pass_invalid');
  assert.equal((await hold_seats(event, [0], { auth: `Bearer ${good}` })).status, 201, 'and the seat was not touched by all that');
});

test('a ticket that is forged, foreign or nonsense is refused', async () => {
  const [event, other] = await Promise.all([open_sale({ queue: true }), open_sale({ queue: true })]);
  const { body } = await call('POST', `/v1/queues/${event}/tickets`, { body: { joinId: randomUUID() } });
  const me = (id, ticket) => call('GET', `/v1/queues/${id}/tickets/me`, { auth: `Ticket ${ticket}` });
  assert.equal((await me(event, body.ticket)).status, 200);
  is_problem(await me(other, body.ticket), 401, 'ticket_invalid');
  is_problem(await me(event, `${body.ticket.slice(0, -1)}${body.ticket.endsWith('A') ? 'B' : 'A'}`), 401, 'ticket_invalid');
  is_problem(await me(event, body.ticket.slice(0, 20)), 401, 'ticket_invalid');
  is_problem(await me(event, 'x'.repeat(5000)), 401, 'ticket_invalid');
  is_problem(await call('GET', `/v1/queues/${event}/tickets/me`), 401, 'ticket_invalid');
});

test('joining twice with one joinId gives one place', async () => {
  const event = await open_sale({ queue: true });
  const joinId = randomUUID();
  const first = await call('POST', `/v1/queues/${event}/tickets`, { body: { joinId } });
  const again = await call('POST', `/v1/queues/${event}/tickets`, { body: { joinId } });
  assert.deepEqual([first.status, again.status], [201, 200]);
  assert.equal(again.body.ticket, first.body.ticket);
});

test('bodies that are not what the contract says', async () => {
  const event = await open_sale({ queue: true });
  const auth = await enter(event);
  const holds = `/v1/events/${event}/holds`, key = new_key();
  is_problem(await call('POST', holds, { auth, key, body: '{"ticketIds":["1"' }), 400);
  is_problem(await call('POST', holds, { auth, key, body: '[]' }), 400);
  is_problem(await call('POST', holds, { auth, key, body: '{"ticketIds":["1"]} trailing' }), 400);
  is_problem(await call('POST', holds, { auth, key, body: '{"ticketIds":["1"],"ticketIds":["2"]}' }), 400);
  is_problem(await call('POST', holds, { auth, key, body: { ticketIds: ['1'], surprise: 1 } }), 422);
  is_problem(await call('POST', holds, { auth, key, body: { ticketIds: [1] } }), 422);
  is_problem(await call('POST', holds, { auth, key, body: { ticketIds: [] } }), 422);
  is_problem(await call('POST', holds, { auth, key, body: { ticketIds: ['-1'] } }), 422);
  is_problem(await call('POST', holds, { auth, key, body: { ticketIds: ['1', '1'] } }), 422);
  is_problem(await call('POST', holds, { auth, key, body: { bestAvailable: { quantity: 0 } } }), 422);
  is_problem(await call('POST', holds, { auth, key, body: { bestAvailable: { quantity: 2 }, ticketIds: ['1'] } }), 422);
  is_problem(await call('POST', holds, { auth, key, body: {} }), 422);
  is_problem(await call('POST', holds, { auth, body: { ticketIds: ['1'] } }), 400, 'idempotency_key_missing');
  is_problem(await call('POST', holds, { auth, key: 'x'.repeat(256), body: { ticketIds: ['1'] } }), 400);
  is_problem(await call('POST', holds, { auth, key, body: { ticketIds: ['1'] }, headers: { 'content-type': 'text/plain' } }), 415);
  is_problem(await call('POST', holds, { auth, key, body: `{"ticketIds":["${'1'.repeat(20000)}"]}` }), 413);
  is_problem(await call('POST', `/v1/queues/${event}/tickets`, { body: { joinId: 'no uuid' } }), 422);
  is_problem(await call('POST', `/v1/queues/${event}/tickets`, { body: { joinId: randomUUID(), more: true } }), 422);
  is_problem(await call('DELETE', `/v1/queues/${event}`), 405);
  is_problem(await call('GET', '/v1/queues/999999999'), 404);
  is_problem(await call('GET', '/v1/queues/abc'), 404);
  is_problem(await call('GET', '/v1/events/99999999999999999999999'), 404);
  is_problem(await call('GET', `/v1/events/0${event}`), 404); // one spelling for one id
  is_problem(await call('GET', `/v1/events/${event}/nothing`), 404);
  const free = await call('GET', `/v1/events/${event}/availability`, { headers: { accept: 'application/json' } });
  assert.equal(free.body.counts.held, 0, 'nothing of this held a seat');
});

test('bookings that are not what the contract says', async () => {
  const event = await open_sale();
  const held = (await hold_seats(event, [1])).body;
  const path = `/v1/bookings/${event}`, good = booking_body(held);
  is_problem(await call('POST', path, { body: good }), 400, 'idempotency_key_missing');
  const refused = [{ ...good, extra: 1 }, { ...good, expectedTotal: '1' }, { ...good, customer: { email: 'x' } }, { ...good, holdId: 5 },
    { ...good, customer: { email: 'not an address', name: 'A' } }, { ...good, paymentDetails: { provider: 'gold', token: 'bars' } }];
  for (const body of refused) is_problem(await call('POST', path, { key: new_key(), body }), 422);
  const nobody = await book(event, { ...held, holdId: `${held.holdId.slice(0, -3)}AAA` });
  assert.ok([404, 410].includes(nobody.status), `${nobody.status} ${nobody.raw}`);
  assert.equal((await book(event, held)).status, 201);
});

/** What comes back for these raw bytes, until the server closes or has answered. */
function raw(bytes, { wait = 1500 } = {}) {
  const { hostname, port } = new URL(env.HOLDFAST_ENGINE_URL);
  return new Promise((resolve) => {
    const socket = net.connect(Number(port), hostname);
    let text = '';
    socket.on('data', (data) => { text += data; });
    socket.on('close', () => resolve(text));
    socket.on('error', () => resolve(text));
    socket.setTimeout(wait, () => socket.destroy());
    socket.write(bytes);
  });
}

test('requests that are not HTTP, or try to be two at once', async () => {
  const get = 'GET /v1/events/1 HTTP/1.1\r\nhost: a\r\n';
  assert.match(await raw('\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03'), /^HTTP\/1\.1 400 /);
  assert.match(await raw('GET / HTTP/9.9\r\n\r\n'), /^HTTP\/1\.1 (400|505) /);
  assert.match(await raw(`GET /${'a'.repeat(9000)} HTTP/1.1\r\nhost: a\r\n\r\n`), /^HTTP\/1\.1 414 /);
  assert.match(await raw(`${get}x: ${'a'.repeat(17000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  assert.match(await raw(`${get}${'x: y\r\n'.repeat(70)}\r\n`), /^HTTP\/1\.1 431 /);
  assert.match(await raw('POST /v1/bookings/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.match(await raw('POST /v1/bookings/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello'), /^HTTP\/1\.1 400 /);
  assert.match(await raw('GET /v1/events/1 HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.match(await raw('GET /v1/events/1 HTTP/1.1\r\nhost : a\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.equal((await call('GET', '/livez', { base: env.HOLDFAST_ENGINE_OPS_URL })).status, 200, 'and it lives');
});

test('pipelined requests are answered in order', async () => {
  const event = await open_sale();
  const get = (path) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
  const text = await raw(get(`/v1/events/${event}`) + get('/v1/none') + get(`/v1/events/${event}/availability`));
  assert.deepEqual([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]), ['200', '404', '200']);
});

test('the admin calls want the admin token', async () => {
  const event = await open_sale({ queue: true });
  const path = `/admin/v1/queues/${event}/pause`, base = env.HOLDFAST_WAITROOM_OPS_URL;
  is_problem(await call('POST', path, { base }), 401);
  is_problem(await call('POST', path, { base, auth: 'Bearer wrong' }), 401);
  assert.equal((await call('POST', path)).status, 404, 'and are not on the public side');
});

test('a paused line lets nobody in, and goes on when it is resumed', async () => {
  const event = await open_sale({ queue: true });
  const base = env.HOLDFAST_WAITROOM_OPS_URL, auth = `Bearer ${env.HOLDFAST_ADMIN_TOKEN}`;
  assert.equal((await call('POST', `/admin/v1/queues/${event}/pause`, { base, auth })).status, 200);
  const { body } = await call('POST', `/v1/queues/${event}/tickets`, { body: { joinId: randomUUID() } });
  for (let i = 0; i < 5; i++) {
    const answer = await call('POST', `/v1/queues/${event}/passes`, { auth: `Ticket ${body.ticket}`, body: {} });
    assert.equal(answer.status, 202);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal((await call('POST', `/admin/v1/queues/${event}/resume`, { base, auth })).status, 200);
  await enter(event);
});

test('there is no seat to hold that does not exist', async () => {
  const event = await open_sale({ seats: 50 });
  const answer = await hold(event, { ticketIds: ['49', '50'] });
  assert.ok([409, 422].includes(answer.status), `${answer.status} ${answer.raw}`);
});
