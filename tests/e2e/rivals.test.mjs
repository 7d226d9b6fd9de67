// Many want the same: exactly one gets it, the others are told.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { new_key } from './lib/http.mjs';
import { audit, book, counts, enter, hold, hold_seats, open_sale, sql } from './lib/sale.mjs';

test('two buyers race for one seat: one 201, one 409 that names the seat', async () => {
  const event = await open_sale({ queue: true });
  const [a, b] = await Promise.all([enter(event), enter(event)]);
  const answers = await Promise.all([hold_seats(event, [5], { auth: a }), hold_seats(event, [5], { auth: b })]);
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, 409]);
  const refused = answers.find((answer) => answer.status === 409).body;
  assert.equal(refused.code, 'seat_unavailable');
  assert.deepEqual(refused.unavailable, [{ id: '5', reason: 'held' }]);
});

test('200 clients want one seat: one winner, one booking, one live ticket', async () => {
  const event = await open_sale();
  const answers = await Promise.all(Array.from({ length: 200 }, () => hold_seats(event, [42])));
  const winners = answers.filter((answer) => answer.status === 201);
  assert.equal(winners.length, 1);
  assert.equal(answers.filter((answer) => answer.status === 409).length, 199);
  assert.equal((await book(event, winners[0].body)).status, 201);
  assert.deepEqual(await sql(`SELECT count(*) FROM ticket WHERE event_id = ${event} AND live`), [['1']]);
});

test('all or nothing: a hold with one taken seat takes none', async () => {
  const event = await open_sale();
  assert.equal((await hold_seats(event, [10])).status, 201);
  const refused = await hold_seats(event, [9, 10, 11]);
  assert.equal(refused.status, 409);
  assert.deepEqual(refused.body.unavailable.map((seat) => seat.id), ['10']);
  const now = await counts(event);
  assert.equal(now.held, 1);
});

test('300 rivals ask for the best two of 400 seats at once: every one is served, nothing twice', async () => {
  const event = await open_sale({ seats: 800 });
  const answers = await Promise.all(Array.from({ length: 300 }, () => hold(event, { bestAvailable: { quantity: 2 } })));
  const granted = answers.filter((answer) => answer.status === 201);
  assert.ok(granted.length >= 297, `${granted.length} of 300 served`);
  const seats = granted.flatMap((answer) => answer.body.tickets.map((ticket) => ticket.id));
  assert.equal(new Set(seats).size, seats.length, 'a seat was given twice');
});

test('a small hall sells out under 60 buyers, each seat once, and the audit holds', async () => {
  const event = await open_sale({ queue: true, seats: 40 });
  const buy = async () => {
    const auth = await enter(event);
    for (let tries = 0; tries < 10; tries++) {
      const held = await hold(event, { bestAvailable: { quantity: 1 } }, { auth });
      if (held.status === 409) return null;
      if (held.status !== 201) continue;
      const booked = await book(event, held.body, { auth });
      if (booked.status === 201) return booked.body;
    }
    return null;
  };
  const bookings = (await Promise.all(Array.from({ length: 60 }, buy))).filter(Boolean);
  const seats = bookings.flatMap((booking) => booking.tickets.map((ticket) => ticket.id));
  assert.equal(new Set(seats).size, seats.length);
  const { code, output } = await audit(event);
  assert.equal(code, 0, output);
});

test('the limit of a session holds against one large call and against many small ones', async () => {
  const event = await open_sale({ queue: true, maxSeats: 4, maxHolds: 3 });
  const auth = await enter(event);
  const large = await hold_seats(event, [0, 1, 2, 3, 4], { auth });
  assert.equal(large.status, 409, large.raw.toString());
  assert.equal(large.body.code, 'hold_limit');
  const small = await Promise.all(Array.from({ length: 8 }, (_, i) => hold_seats(event, [20 + i], { auth })));
  assert.equal(small.filter((answer) => answer.status === 201).length, 3);
  assert.ok(small.filter((answer) => answer.status !== 201).every((answer) => answer.body.code === 'hold_limit'));
});

test('a hold that is repeated with its key is the same hold; the key with another body is refused', async () => {
  const event = await open_sale({ queue: true });
  const auth = await enter(event);
  const key = new_key();
  const first = await hold_seats(event, [30], { auth, key });
  const again = await hold_seats(event, [30], { auth, key });
  assert.equal(again.status, 201);
  assert.equal(again.body.holdId, first.body.holdId);
  assert.equal(again.raw.toString(), first.raw.toString(), 'the first answer, byte for byte');
  const other = await hold_seats(event, [31], { auth, key });
  assert.equal(other.status, 422);
  assert.equal(other.body.code, 'idempotency_mismatch');
});
