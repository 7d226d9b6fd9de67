// The whole journey of a buyer over the wire: line, pass, hold, payment, ticket, and what others see meanwhile.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { call, env, new_key, until } from './lib/http.mjs';
import { audit, book, counts, enter, hold, hold_seats, open_sale, sql } from './lib/sale.mjs';
import { view } from './lib/seatmap.mjs';
import { connect } from './lib/websocket.mjs';

test('a purchase from the line to the ticket, seen live by somebody else', async () => {
  const event = await open_sale({ queue: true, seats: 120 });
  const about = await call('GET', `/v1/events/${event}`);
  assert.equal(about.status, 200);
  assert.equal(about.body.queue, true);
  const layout = await call('GET', about.body.layoutUrl);
  assert.equal(layout.status, 200);
  assert.match(layout.headers['cache-control'], /immutable/);
  assert.equal(layout.body.seats.length, 120);

  const onlooker = await view(event);
  await onlooker.until('all seats', (states) => states.length === 120);

  const auth = await enter(event);
  const held = await hold_seats(event, [3, 4], { auth });
  assert.equal(held.status, 201, held.raw.toString());
  assert.equal(held.body.tickets.length, 2);
  assert.ok(new Date(held.body.expiresAt) > new Date(held.body.serverNow));
  await onlooker.until('seats 3 and 4 held', (states) => states[3] === 1 && states[4] === 1);

  const session = await call('GET', `/v1/events/${event}/session`, { auth });
  assert.equal(session.status, 200);
  assert.equal(session.body.holds.length, 1);

  const booked = await book(event, held.body, { auth });
  assert.equal(booked.status, 201, booked.raw.toString());
  assert.equal(booked.body.state, 'confirmed');
  assert.equal(booked.body.total, held.body.total);
  await onlooker.until('seats 3 and 4 sold', (states) => states[3] === 2 && states[4] === 2);
  onlooker.close();

  const mine = `Booking ${booked.body.accessToken}`;
  const read = await call('GET', `/v1/bookings/${booked.body.bookingId}`, { auth: mine });
  assert.equal(read.status, 200);
  assert.equal(read.body.state, 'confirmed');
  const svg = await call('GET', new URL(booked.body.tickets[0].qrUrl, env.HOLDFAST_URL).pathname, { auth: mine });
  assert.equal(svg.status, 200);
  assert.match(svg.headers['content-type'], /image\/svg\+xml/);

  const spent = await hold_seats(event, [9], { auth });
  assert.equal(spent.status, 403);
  assert.equal(spent.body.code, 'pass_spent');
  const { code, output } = await audit(event);
  assert.equal(code, 0, output);
});

test('a booking is shown to nobody without its access token', async () => {
  const event = await open_sale();
  const [a, b] = await Promise.all([hold_seats(event, [0]), hold_seats(event, [1])]);
  const [mine, yours] = await Promise.all([book(event, a.body), book(event, b.body)]);
  assert.equal(mine.status, 201, mine.raw.toString());
  assert.equal((await call('GET', `/v1/bookings/${mine.body.bookingId}`)).status, 401);
  const foreign = await call('GET', `/v1/bookings/${mine.body.bookingId}`, { auth: `Booking ${yours.body.accessToken}` });
  assert.ok([401, 404].includes(foreign.status), `${foreign.status}`);
  const forged = await call('GET', `/v1/bookings/${mine.body.bookingId}`, { auth: `Booking ${mine.body.accessToken.slice(0, -2)}AA` });
  assert.equal(forged.status, 401);
});

test('best available gives neighbours, and an area gives places', async () => {
  const event = await open_sale({
    layout: { sections: [{ id: 'A', name: 'A', rows: [{ name: '1', seats: Array.from({ length: 10 }, (_, i) => ({ label: `A-1-${i}`, x: i, y: 0, priceLevel: 'gold' })) }] }],
      areas: [{ id: 'floor', name: 'Floor', capacity: 50, priceLevel: 'bronze', x: 0, y: 5, w: 10, h: 5 }] },
  });
  const best = await hold(event, { bestAvailable: { quantity: 3 } });
  assert.equal(best.status, 201, best.raw.toString());
  const ids = best.body.tickets.map((ticket) => Number(ticket.id)).sort((x, y) => x - y);
  assert.deepEqual(ids, [ids[0], ids[0] + 1, ids[0] + 2]);
  const area = await hold(event, { area: { id: 'floor', quantity: 4 } });
  assert.equal(area.status, 201, area.raw.toString());
  assert.equal(area.body.total, 4 * 5000);
  const now = await counts(event);
  assert.deepEqual([now.free, now.held, now.sold, now.blocked], [53, 7, 0, 0]);
});

test('giving up a hold frees the seats, for everybody to see', async () => {
  const event = await open_sale({ queue: true });
  const auth = await enter(event);
  const held = await hold_seats(event, [7], { auth });
  const onlooker = await view(event);
  await onlooker.until('seat 7 held', (states) => states[7] === 1);
  assert.equal((await call('DELETE', `/v1/holds/${held.body.holdId}`, { auth, key: new_key() })).status, 204);
  assert.equal((await call('DELETE', `/v1/holds/${held.body.holdId}`, { auth, key: new_key() })).status, 204, 'again: 204');
  await onlooker.until('seat 7 free', (states) => states[7] === 0);
  onlooker.close();
  assert.equal((await call('DELETE', `/v1/events/${event}/session`, { auth, key: new_key() })).status, 204);
  assert.equal((await hold_seats(event, [7], { auth })).body.code, 'pass_spent');
});

test('an expired hold is free on the wire within its expiry + 5 s, and can no longer be booked', async () => {
  const event = await open_sale({ hold_seconds: 2 });
  const onlooker = await view(event);
  const held = await hold_seats(event, [11]);
  await onlooker.until('seat 11 held', (states) => states[11] === 1);
  await onlooker.until('seat 11 free again', (states) => states[11] === 0, 8);
  assert.ok(Date.now() - Date.parse(held.body.expiresAt) < 5500, 'late');
  onlooker.close();
  const late = await book(event, held.body);
  assert.equal(late.status, 410, late.raw.toString());
  assert.equal(late.body.code, 'hold_expired');
  assert.equal((await hold_seats(event, [11])).status, 201);
});

test('a viewer that comes back with its rev gets a delta, not the whole', async () => {
  const event = await open_sale({ seats: 2000 });
  const first = await view(event);
  await first.until('the map', (states) => states.length === 2000);
  const rev = first.rev;
  first.close();
  assert.equal((await hold_seats(event, [100])).status, 201);
  const second = await view(event, { since: rev });
  second.rev = rev;
  second.states = Array(2000).fill(0);
  await second.until('seat 100 held', (states) => states[100] === 1);
  // An empty one comes first when the hold has not reached the map yet.
  assert.ok(second.frames.every((frame) => frame === 'delta'), second.frames.join());
  second.close();
});

test('the map of an event that does not exist closes with 4404', async () => {
  const socket = await connect(`${env.HOLDFAST_URL}/v1/seatmaps/999999999`, { protocols: ['holdfast.seatmap.v1'] });
  assert.equal(await socket.closed(), 4404);
});

test('the stream of the queue tells everybody the same, and foreign pages nothing', async () => {
  const event = await open_sale({ queue: true });
  const streams = await Promise.all([0, 1].map(() => connect(`${env.HOLDFAST_URL}/v1/queues/${event}/stream`)));
  const first = JSON.parse(await streams[0].next());
  for (const name of ['serving', 'phase', 'ratePerMinute', 'waiting', 'seatsLeft', 'rev']) assert.ok(name in first, name);
  assert.equal(first.phase, 'open');
  await streams[1].next();
  for (const stream of streams) stream.close();
  await assert.rejects(connect(`${env.HOLDFAST_URL}/v1/queues/${event}/stream`, { headers: { origin: 'https://evil.example' } }), { status: 403 });
});

test('seats left and prices reach the public status of the line', async () => {
  const event = await open_sale({ queue: true, seats: 1000 });
  const auth = await enter(event);
  assert.equal((await hold_seats(event, [1, 2], { auth })).status, 201);
  const status = await until('seatsLeft 998', async () => {
    const { body } = await call('GET', `/v1/queues/${event}`);
    return body.seatsLeft === 998 && body;
  });
  assert.equal(status.priceFrom, 5000);
  assert.equal(status.priceTo, 9000);
  const { headers } = await call('GET', `/v1/queues/${event}`);
  const again = await call('GET', `/v1/queues/${event}`, { headers: { 'if-none-match': headers.etag } });
  assert.ok([200, 304].includes(again.status));
  assert.ok((await sql(`SELECT watermark FROM queue WHERE event_id = ${event}`))[0][0] >= 1, 'the watermark is in the truth');
});
