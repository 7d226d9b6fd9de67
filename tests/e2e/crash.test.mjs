// Each server is killed with -9 in the middle of a sale. Its supervisor starts it again; what was promised must hold all the same.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { env, until } from './lib/http.mjs';
import { audit, counts } from './lib/sale.mjs';
import { crowd, kill, sold, sold_part, take_away } from './lib/chaos.mjs';
import { Onlooker } from './lib/seatmap.mjs';

const GENERATOR_WAS_SLOW = 97;

/** What must be so when the servers are back and the fans have left. */
async function aftermath(sale, onlooker) {
  const { code, output } = await sale.ended;
  assert.ok(code === 0 || code === GENERATOR_WAS_SLOW, `bench: ${code}\n${output}`);
  const now = await until('no seat is held any more', async () => {
    const seats = await counts(sale.event).catch(() => undefined);
    return seats?.held === 0 && seats;
  }, 60);
  assert.equal(now.free + now.sold, sale.seats);
  assert.ok(now.free === 0 || /sold out/.test(output), 'the seats are sold, or free for the next fan');
  assert.equal(await sold(sale.event), now.sold);
  await until('the onlooker sees the truth', () => onlooker.states.length === sale.seats &&
    onlooker.states.filter((state) => state === 2).length === now.sold && !onlooker.states.includes(1), 30);
  assert.deepEqual(onlooker.wrong, []);
  const verdict = await audit(sale.event, '--confirmed', sale.confirmed);
  assert.equal(verdict.code, 0, verdict.output);
  return now;
}

/** A sale of its own, `harm` done to it in the middle, and the aftermath. */
async function during_a_sale(harm, options) {
  const sale = await crowd(options);
  const onlooker = new Onlooker(sale.event);
  try {
    await sold_part(sale, 0.2);
    await harm(sale, onlooker);
    return await aftermath(sale, onlooker);
  } finally {
    sale.clear();
    await onlooker.leave();
  }
}

for (const name of ['engine', 'waitroom', 'seatmap-ws', 'paysim', 'haproxy', 'redis', 'postgres', 'kafka']) {
  test(`${name} is killed in mid-sale`, () => during_a_sale(async (sale, onlooker) => {
    await kill(name);
    if (name === 'seatmap-ws' || name === 'haproxy') await until('the onlooker comes back', () => onlooker.connections > 1, 30);
    const before = await sold(sale.event).catch(() => 0);
    await until('the sale goes on', async () => sale.over || (await sold(sale.event).catch(() => 0)) > before, 60);
  }));
}

test('Redis loses everything in mid-sale', () => during_a_sale(async () => {
  execFileSync('redis-cli', ['-p', env.HOLDFAST_REDIS_PORT, 'FLUSHALL']);
}));

test('Kafka is away for 20 s: the sale goes on without it, and afterwards nothing of it is missing', () => during_a_sale(async (sale) => {
  const away = Date.now(), bring_back = take_away('kafka');
  try {
    await sold_part({ ...sale, over: false }, 0.6);
    await until('20 s are over', () => Date.now() - away > 20_000, 30);
  } finally { bring_back(); }
}));
