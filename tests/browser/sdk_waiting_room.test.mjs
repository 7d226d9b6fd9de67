// The way through the waiting room, against a scripted server.
import './lib/globals.mjs';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api_error } from '../../web/sdk/api.js';
import { open_waiting_room, people_ahead } from '../../web/sdk/waiting_room.js';

function memory_store() {
  const kept = new Map();
  return {
    get: (key) => structuredClone(kept.get(key) ?? null),
    set: (key, value) => kept.set(key, structuredClone(value)),
    remove: (key) => kept.delete(key),
  };
}

/** A queue whose state the test changes; calls are recorded. */
function fake_queue(initial = {}) {
  const queue = { serving: 100, number: 105, phase: 'open', poll_ms: 500, calls: [], fail: {}, ...initial };
  const own = () => ({
    number: queue.number, position: queue.number === null ? null : queue.number - queue.serving, phase: queue.phase,
    etaSeconds: { low: 1, high: 9 }, nextPollMs: queue.poll_ms,
  });
  queue.api = {
    async call(path, request = {}) {
      const name = `${request.method ?? 'GET'} ${path.replace(/^\/v1\/queues\/7\/?/, '')}`;
      queue.calls.push({ name, ...request });
      const failure = queue.fail[name];
      if (failure) {
        throw failure;
      }
      const reply = (status, body) => ({ status, body, headers: new Headers() });
      switch (name) {
        case 'POST tickets': return reply(201, { ticket: 'T', ...own() });
        case 'GET tickets/me': return reply(200, { ...own(), state: queue.number < queue.serving ? 'called' : 'waiting' });
        case 'POST passes': return queue.number < queue.serving
          ? reply(201, { pass: 'P', expiresAt: '2030-01-01T00:00:00.000Z' }) : reply(202, own());
        default: return reply(200, { phase: queue.phase, serving: queue.serving, waiting: 9, nextPollMs: queue.poll_ms });
      }
    },
  };
  return queue;
}

function enter(queue, more = {}) {
  const seen = { views: [], pass: null };
  const sockets = [];
  const store = more.store ?? memory_store();
  const pass_store = memory_store();
  const room = open_waiting_room({
    event_id: '7', api: queue.api, origin: 'ws://x', random: () => 0, store, pass_store,
    open_socket: () => {
      const socket = { readyState: 1, close() {} };
      sockets.push(socket);
      return socket;
    },
    on_view: (view) => seen.views.push(view),
    on_pass: (pass) => { seen.pass = pass; },
  });
  return { room, seen, sockets, store, pass_store };
}

async function until(condition) {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'condition not reached');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('people ahead never grow', () => {
  assert.equal(people_ahead(null, 5, null), null);
  assert.equal(people_ahead(10, 5, null), 5);
  assert.equal(people_ahead(10, 4, 5), 5);
  assert.equal(people_ahead(10, 9, 5), 1);
  assert.equal(people_ahead(10, 50, 5), 0);
});

test('joins, is told the place by the stream, and takes the pass when called', async () => {
  // Polls are too far apart to be what brings the news.
  const queue = fake_queue({ poll_ms: 60_000 });
  const { room, seen, sockets, store, pass_store } = enter(queue);
  await until(() => room.view().ahead === 5);
  assert.equal(store.get('holdfast.place.7').ticket, 'T');
  const push = (frame) => sockets[0].onmessage({ data: JSON.stringify(frame) });
  push({ serving: 103, phase: 'open', waiting: 2 });
  assert.equal(room.view().ahead, 2);
  push({ serving: 101, phase: 'open', waiting: 4 });
  assert.equal(room.view().ahead, 2, 'an older frame moves nothing back');
  assert.equal(room.view().line.serving, 103);
  queue.serving = 106;
  push({ serving: 106, phase: 'open', waiting: 0 });
  await until(() => seen.pass !== null);
  assert.equal(seen.pass.pass, 'P');
  assert.equal(pass_store.get('holdfast.pass.7').pass, 'P');
  assert.equal(queue.calls.filter(({ name }) => name === 'POST passes').length, 1);
});

test('a join whose answer is lost is repeated with the same join id', async () => {
  const queue = fake_queue();
  queue.fail['POST tickets'] = new api_error('network', 'cut');
  const { room, store } = enter(queue);
  await until(() => queue.calls.some(({ name }) => name === 'POST tickets'));
  delete queue.fail['POST tickets'];
  await until(() => room.view().ahead === 5);
  const joins = queue.calls.filter(({ name }) => name === 'POST tickets').map(({ body }) => body.joinId);
  assert.ok(joins.length >= 2);
  assert.equal(new Set(joins).size, 1);
  assert.equal(store.get('holdfast.place.7').join_id, joins[0]);
  room.close();
});

test('a reload keeps ticket and place and does not join again', async () => {
  const queue = fake_queue();
  const first = enter(queue);
  await until(() => first.room.view().ahead === 5);
  first.room.close();
  queue.calls.length = 0;
  const second = enter(queue, { store: first.store });
  assert.equal(second.room.view().ahead, 5, 'shown before any answer');
  await until(() => queue.calls.some(({ name }) => name === 'GET tickets/me'));
  assert.ok(!queue.calls.some(({ name }) => name === 'POST tickets'));
  assert.equal(queue.calls.find(({ name }) => name === 'GET tickets/me').authorization, 'Ticket T');
  second.room.close();
});

test('before the draw there is no number; it comes when the sale opens', async () => {
  const queue = fake_queue({ phase: 'prequeue', number: null });
  const { room, sockets } = enter(queue);
  await until(() => room.view().place === 'prequeue' && room.view().line !== null);
  assert.equal(room.view().ahead, null);
  queue.phase = 'open';
  queue.number = 140;
  sockets[0].onmessage({ data: JSON.stringify({ serving: 100, phase: 'open', waiting: 50 }) });
  await until(() => room.view().ahead === 40);
  room.close();
});

test('a missed turn is said and joining again takes a new place', async () => {
  const queue = fake_queue({ number: 50 });
  queue.fail['POST passes'] = new api_error('turn_missed', 'late', { status: 410 });
  const { room, seen } = enter(queue);
  await until(() => room.view().place === 'missed');
  delete queue.fail['POST passes'];
  queue.number = 200;
  room.rejoin();
  await until(() => room.view().ahead === 100);
  const joins = queue.calls.filter(({ name }) => name === 'POST tickets').map(({ body }) => body.joinId);
  assert.equal(new Set(joins).size, 2);
  assert.equal(seen.pass, null);
  room.close();
});

test('an invalid ticket is joined for again, under the same join id', async () => {
  const queue = fake_queue();
  const first = enter(queue);
  await until(() => first.room.view().ahead === 5);
  first.room.close();
  const { join_id } = first.store.get('holdfast.place.7');
  queue.calls.length = 0;
  queue.fail['GET tickets/me'] = new api_error('ticket_invalid', 'no', { status: 401 });
  const second = enter(queue, { store: first.store });
  await until(() => queue.calls.some(({ name }) => name === 'POST tickets'));
  assert.equal(queue.calls.find(({ name }) => name === 'POST tickets').body.joinId, join_id);
  second.room.close();
});

test('a queue that does not exist is said, not retried fast', async () => {
  const queue = fake_queue();
  queue.fail['POST tickets'] = new api_error('not_found', 'no', { status: 404 });
  const { room } = enter(queue);
  await until(() => room.view().place === 'refused');
  assert.equal(room.view().refusal, 'not_found');
  assert.equal(queue.calls.filter(({ name }) => name === 'POST tickets').length, 1);
  room.close();
});
