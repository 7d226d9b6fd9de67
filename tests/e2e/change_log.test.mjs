// A consumer proves the change log: whatever happens to engines, relays and broker, the topic has every rev of every event, in order. How to let it run for
// longer: docs/operations.md, "Breaking it on purpose".
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { env } from './lib/http.mjs';
import { storm } from './lib/storm.mjs';

const seconds = Number(env.HOLDFAST_STORM_SECONDS ?? 25), seed = Number(env.HOLDFAST_STORM_SEED ?? randomInt(2 ** 31));

test(`change log: engines, relays and the broker killed at random for ${seconds} s (HOLDFAST_STORM_SEED=${seed})`, async (t) => {
  const result = await storm({ seconds, seed });
  t.diagnostic(JSON.stringify({ seed, ...result }));
  assert.deepEqual(result.wrong, []);
  assert.ok(result.changes > 1000, 'there was a sale to speak of');
  assert.equal(result.load.unsettled, 0, 'every buyer learns how the purchase ended');
});
