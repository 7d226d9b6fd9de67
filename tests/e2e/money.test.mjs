// Money follows the seats: one purchase, one charge; no sale, no charge.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { new_key, until } from './lib/http.mjs';
import { audit, book, booking_body, hold_seats, open_sale, sql } from './lib/sale.mjs';
import { call } from './lib/http.mjs';

const payments = (event) => sql(`SELECT state, captured, refunded FROM payment WHERE event_id = ${event} ORDER BY updated_at`);

test('double submit with one key: one booking, one charge, the same answer', async () => {
  const event = await open_sale();
  const held = (await hold_seats(event, [1])).body;
  const key = new_key();
  const answers = await Promise.all(Array.from({ length: 5 }, () => book(event, held, { key })));
  assert.ok(answers.some((answer) => answer.status === 201));
  assert.ok(answers.every((answer) => answer.status === 201 || answer.body.code === 'idempotency_in_flight'), answers.map((a) => a.raw).join());
  const replay = await book(event, held, { key });
  assert.equal(replay.status, 201);
  const first = answers.find((answer) => answer.status === 201);
  assert.equal(replay.raw.toString(), first.raw.toString());
  const captured = await until('captured', async () => (await payments(event)).filter(([state]) => state === 'captured'));
  assert.equal(captured.length, 1);
  assert.deepEqual(await sql(`SELECT count(*) FROM booking WHERE event_id = ${event}`), [['1']]);
});

test('double click with two keys charges once', async () => {
  const event = await open_sale();
  const held = (await hold_seats(event, [2])).body;
  const answers = await Promise.all([book(event, held), book(event, held), book(event, held)]);
  assert.equal(answers.filter((answer) => answer.status === 201).length, 1, answers.map((a) => `${a.status} ${a.raw}`).join('\n'));
  await until('money at rest', async () => (await audit(event)).code === 0, 30);
  const [[captured]] = await sql(`SELECT sum(captured - refunded) FROM payment WHERE event_id = ${event}`);
  assert.equal(Number(captured), held.total);
});

test('a declined card is told, charges nothing, and another card works on the same hold', async () => {
  const event = await open_sale();
  const held = (await hold_seats(event, [3])).body;
  const declined = await book(event, held, { token: 'tok_declined' });
  assert.equal(declined.status, 402, declined.raw.toString());
  assert.equal(declined.body.code, 'payment_declined');
  assert.equal((await book(event, held)).status, 201);
});

test('the commit loses: the seat went elsewhere, the authorisation is voided, nothing is charged', async () => {
  const event = await open_sale();
  const held = (await hold_seats(event, [4])).body;
  const key = new_key();
  const answer = book(event, held, { key, token: 'tok_slow' });
  await until('the provider is being asked', async () => (await payments(event)).length === 1);
  await sql(`UPDATE event_seat SET version = version + 1 WHERE event_id = ${event} AND seat = 4`);
  await answer;
  const lost = await until('an end', async () => { const replay = await book(event, held, { key, token: 'tok_slow' }); return replay.status !== 202 && replay.body.code !== 'idempotency_in_flight' && replay; });
  assert.equal(lost.status, 409, lost.raw.toString());
  assert.equal(lost.body.code, 'seat_taken');
  const rows = await until('voided', async () => { const all = await payments(event); return all.some(([state]) => state === 'voided') && all; });
  assert.ok(rows.every(([, captured]) => captured === '0'));
});

test('the buyer does not name the price', async () => {
  const event = await open_sale();
  const held = (await hold_seats(event, [5])).body;
  const cheap = await call('POST', `/v1/bookings/${event}`, { key: new_key(), body: { ...booking_body(held), expectedTotal: 1 } });
  assert.equal(cheap.status, 409);
  assert.equal(cheap.body.code, 'price_changed');
  assert.equal((await payments(event)).filter(([state]) => state === 'captured').length, 0);
});

test('an answer that was lost at the provider still ends in one sale and one charge', async () => {
  const event = await open_sale();
  for (const [seat, token] of [[6, 'tok_timeout'], [7, 'tok_capture_timeout'], [8, 'tok_webhook_twice']]) {
    const held = (await hold_seats(event, [seat])).body;
    const key = new_key();
    await until(`${token} is confirmed`, async () => {
      const answer = await book(event, held, { key, token });
      assert.ok([201, 202, 409].includes(answer.status), `${token}: ${answer.status} ${answer.raw}`);
      return answer.status === 201;
    }, 40);
  }
  await until('money at rest', async () => (await audit(event)).code === 0, 60);
  const [[captured]] = await sql(`SELECT sum(captured) FROM payment WHERE event_id = ${event}`);
  const [[price]] = await sql(`SELECT sum(price) FROM ticket WHERE event_id = ${event} AND live`);
  assert.equal(captured, price);
});

test("another hold's key does not return that person's order", async () => {
  const event = await open_sale();
  const [a, b] = (await Promise.all([hold_seats(event, [20]), hold_seats(event, [21])])).map((answer) => answer.body);
  const key = 'a-key-that-both-chose';
  const first = await book(event, a, { key });
  const second = await book(event, b, { key });
  assert.equal(first.status, 201);
  assert.equal(second.status, 201, second.raw.toString());
  assert.notEqual(first.body.bookingId, second.body.bookingId);
});

test('a replay needs no hold: the key is looked at before it', async () => {
  for (const charge of [true, false]) {
    const event = await open_sale({ charge });
    const held = (await hold_seats(event, [30])).body;
    const key = new_key(), body = { ...booking_body(held), ...(charge ? {} : { paymentDetails: undefined }) };
    const send = () => call('POST', `/v1/bookings/${event}`, { key, body });
    const first = await send();
    assert.equal(first.status, 201, first.raw.toString());
    await until('the hold is over', async () => (await call('GET', `/v1/holds/${held.holdId}`)).status !== 200);
    const replay = await send();
    assert.equal(replay.status, 201, replay.raw.toString());
    assert.equal(replay.raw.toString(), first.raw.toString(), 'the first answer, byte for byte');
  }
});

test('the same key with other content is refused, not replayed as a success', async () => {
  const event = await open_sale();
  const held = (await hold_seats(event, [31])).body;
  const key = new_key();
  const first = await book(event, held, { key });
  assert.equal(first.status, 201);
  const other = await book(event, held, { key, customer: { email: 'other@example.org', name: 'Another' } });
  assert.equal(other.status, 422, other.raw.toString());
  assert.equal(other.body.code, 'idempotency_mismatch');
  assert.equal(other.body.bookingId, undefined);
});

test('nothing is confirmed without a payment', async () => {
  const event = await open_sale();
  const held = (await hold_seats(event, [32])).body;
  for (const paymentDetails of [undefined, null, {}, { provider: 'none', token: 'x' }]) {
    const answer = await call('POST', `/v1/bookings/${event}`, { key: new_key(), body: { ...booking_body(held), paymentDetails } });
    assert.equal(answer.status, 422, `${JSON.stringify(paymentDetails)}: ${answer.status} ${answer.raw}`);
  }
  assert.deepEqual(await sql(`SELECT count(*) FROM booking WHERE event_id = ${event}`), [['0']]);
  assert.equal((await book(event, held)).status, 201, 'the hold is as it was');
});
