// Each server is killed with -9 in the middle of a sale. Its supervisor starts it again; what was promised must hold all the same.
import { test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { env, until } from './lib/http.mjs';
import { during_a_sale, kill, sold, sold_part, take_away } from './lib/chaos.mjs';

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
