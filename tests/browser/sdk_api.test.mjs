// Calls: errors, deadlines, and retries that cannot do a thing twice.
import './lib/globals.mjs';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api_error, create_api, idempotency_key, random_uuid, retry_after_ms } from '../../web/sdk/api.js';
import { backoff_delay } from '../../web/sdk/backoff.js';
import { create_server_clock } from '../../web/sdk/clock.js';

const json = (status, body, headers = {}) => new Response(body === null ? null : JSON.stringify(body), {
  status, headers: { 'content-type': status < 400 ? 'application/json' : 'application/problem+json', ...headers },
});

/** @param {(Response | Error)[]} answers one per attempt */
function scripted(answers) {
  const seen = [];
  const fetch_fn = async (url, init) => {
    seen.push({ url, ...init });
    const answer = answers[seen.length - 1];
    if (answer instanceof Error) {
      throw answer;
    }
    return answer;
  };
  return { seen, api: create_api({ fetch: fetch_fn, random: () => 0 }) };
}

test('a problem becomes an error with its code, status and document', async () => {
  const { api } = scripted([json(409, { code: 'seat_unavailable', detail: 'gone', unavailable: [{ id: '4' }] })]);
  await assert.rejects(api.call('/x', { method: 'POST', body: {}, idempotency_key: 'k' }), (error) => {
    assert.ok(error instanceof api_error);
    assert.equal(error.code, 'seat_unavailable');
    assert.equal(error.status, 409);
    assert.equal(error.message, 'gone');
    assert.deepEqual(error.problem.unavailable, [{ id: '4' }]);
    return true;
  });
});

test('an error page that is no problem document is an error all the same', async () => {
  const { api } = scripted([new Response('<h1>no</h1>', { status: 403, headers: { 'content-type': 'text/html' } })]);
  await assert.rejects(api.call('/x'), { code: 'http_403' });
});

test('a write is retried with the same key', async () => {
  const { seen, api } = scripted([new TypeError('cut'), json(503, {}), json(201, { ok: 1 })]);
  const reply = await api.call('/x', { method: 'POST', body: { a: 1 }, idempotency_key: 'key-1' });
  assert.equal(reply.status, 201);
  assert.deepEqual(seen.map((s) => s.headers['idempotency-key']), ['key-1', 'key-1', 'key-1']);
  assert.deepEqual(new Set(seen.map((s) => s.body)).size, 1);
});

test('a POST without a key is never retried', async () => {
  const { seen, api } = scripted([new TypeError('cut'), json(201, {})]);
  await assert.rejects(api.call('/x', { method: 'POST', body: {} }), { code: 'network' });
  assert.equal(seen.length, 1);
});

test('a refusal is not retried', async () => {
  const { seen, api } = scripted([json(404, { code: 'not_found' }), json(200, {})]);
  await assert.rejects(api.call('/x'), { code: 'not_found' });
  assert.equal(seen.length, 1);
});

test('a server that asks for a long pause is reported, not waited for', async () => {
  const { seen, api } = scripted([json(503, { code: 'overloaded' }, { 'retry-after': '60' })]);
  await assert.rejects(api.call('/x'), { code: 'overloaded', retry_after_ms: 60_000 });
  assert.equal(seen.length, 1);
});

test('a deadline and a caller who gives up are told apart', async () => {
  const hang = (url, init) => new Promise((_, reject) => {
    init.signal.addEventListener('abort', () => reject(new DOMException('x', 'AbortError')));
  });
  const api = create_api({ fetch: hang });
  await assert.rejects(api.call('/x', { timeout_ms: 5, attempts: 1 }), { code: 'timeout' });
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 5);
  await assert.rejects(api.call('/x', { signal: stop.signal }), { code: 'aborted' });
});

test('Retry-After is read in both of its forms', () => {
  const of = (value) => retry_after_ms(new Headers({ 'retry-after': value }), Date.UTC(2030, 0, 1));
  assert.equal(of('3'), 3000);
  assert.equal(of('Tue, 01 Jan 2030 00:00:05 GMT'), 5000);
  assert.equal(of('soon'), null);
});

test('keys are visible ASCII and differ; uuids have their version', () => {
  assert.match(idempotency_key(), /^[0-9a-f]{32}$/);
  assert.notEqual(idempotency_key(), idempotency_key());
  assert.match(random_uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('waits grow to their cap and are spread', () => {
  assert.equal(backoff_delay(0, { random: () => 1 }), 250);
  assert.equal(backoff_delay(3, { random: () => 1 }), 2000);
  assert.equal(backoff_delay(50, { random: () => 1 }), 15_000);
  assert.equal(backoff_delay(3, { random: () => 0 }), 25);
});

test('the clock follows the server, not the wall', () => {
  let tick = 1000;
  const clock = create_server_clock({ monotonic: () => tick, wall: () => 0 });
  clock.observe('2030-01-01T00:00:10.000Z', 900, 1000);
  const at = Date.UTC(2030, 0, 1, 0, 0, 10) + 50;
  assert.equal(clock.now(), at);
  tick += 500;
  assert.equal(clock.remaining('2030-01-01T00:00:11.000Z'), 1000 - 550);
  assert.equal(clock.remaining('2030-01-01T00:00:09.000Z'), 0);
});

test('a slower answer does not spoil a better observation', () => {
  let tick = 0;
  const clock = create_server_clock({ monotonic: () => tick, wall: () => 0 });
  clock.observe('2030-01-01T00:00:00.000Z', 0, 10);
  const before = clock.now();
  clock.observe('2030-01-01T00:00:09.000Z', 0, 4000);
  assert.equal(clock.now(), before);
  clock.observe('rubbish', 0, 1);
  assert.equal(clock.now(), before);
});
