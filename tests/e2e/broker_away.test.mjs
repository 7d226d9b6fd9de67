// Kafka is away under a full sale: nothing grows but the two places where news waits, and afterwards all of it is told, in order. Ten minutes of it by hand:
// docs/operations.md, "Breaking it on purpose".
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { broker_away } from './lib/broker_away.mjs';
import { env } from './lib/http.mjs';

const seconds = Number(env.HOLDFAST_AWAY_SECONDS ?? 15);
const SANITIZER_MIB = env.HOLDFAST_SANITIZER_LOG ? 600 : 0; // what AddressSanitizer keeps of freed memory

test(`the broker is away for ${seconds} s: the engines stay small, and afterwards every change and every sale is told in order`, async (t) => {
  const result = await broker_away({ seconds });
  t.diagnostic(JSON.stringify(result));
  assert.deepEqual(result.wrong, []);
  assert.ok(result.waiting.outbox > 500 && result.waiting.log > 500, 'there was something to catch up');
  const [first, last] = [result.looks[0], result.waiting].map(({ engines_mib }) => Math.max(...engines_mib));
  assert.ok(last < first * 1.5 + 32 + SANITIZER_MIB, `an engine grew from ${first} to ${last} MiB`);
});
