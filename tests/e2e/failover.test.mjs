// Redis fails over in mid-sale, on real parts: a replica that has not heard from the primary for a while takes its port, and later the old primary takes it back, which by
// then is the older of the two. It may cost holds, nothing else.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { env, until } from './lib/http.mjs';
import { during_a_sale, sold, sold_part, take_away } from './lib/chaos.mjs';

const free_port = () => new Promise((resolve) => { const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => resolve(port)); }); });
const redis = (port, ...args) => execFileSync('redis-cli', ['-h', '127.0.0.1', '-p', String(port), ...args.map(String)], { stdio: ['ignore', 'pipe', 'ignore'] }).toString().trim();
const says = (port, section, pattern) => { try { return pattern.test(redis(port, 'INFO', section)); } catch { return false; } };
const PRIMARY = env.HOLDFAST_REDIS_PORT;

/** A replica of the stack's Redis that has caught up with it. */
class Replica {
  async start() {
    this.port = await free_port();
    this.dir = mkdtempSync('/tmp/holdfast-replica-');
    this.process = spawn('redis-server', ['--port', this.port, '--bind', '127.0.0.1', '--dir', this.dir, '--save', '', '--appendonly', 'no', '--replicaof', '127.0.0.1', PRIMARY].map(String), { stdio: 'ignore' });
    this.ended = new Promise((resolve) => { this.process.on('exit', resolve); });
    await until('the replica has caught up', () => says(this.port, 'replication', /master_link_status:up/), 30);
    return this;
  }

  ask = (...args) => redis(this.port, ...args);

  /** It still is a replica and believes in its primary, but hears nothing any more. */
  cut() { this.ask('REPLICAOF', '127.0.0.1', 1); }

  /** The operator, or a sentinel, makes it the primary, under the address that everybody knows. */
  async take_over() {
    this.ask('REPLICAOF', 'NO', 'ONE');
    await until('the port is free', () => { try { return this.ask('CONFIG', 'SET', 'port', PRIMARY) === 'OK'; } catch { return false; } }, 10);
    this.port = PRIMARY;
  }

  async stop() {
    this.process.kill('SIGKILL');
    await this.ended;
    rmSync(this.dir, { recursive: true, force: true });
  }
}

const sold_in = (states) => [...states].filter((byte) => byte === '2').length;

test('Redis fails over to a stale replica in mid-sale, and back', async () => {
  const replica = await new Replica().start();
  let bring_back;
  const harm = async (sale) => {
    replica.cut();
    await sold_part(sale, 0.4);
    const stale = sold_in(replica.ask('GET', `{e${sale.event}}:state`)), run = replica.ask('GET', `{e${sale.event}}:run`);
    bring_back = take_away('redis');
    await replica.take_over();
    const truth = await sold(sale.event);
    assert.ok(stale < truth, `the replica is stale: it has ${stale} sold seats of ${truth}`);
    await until('the sale goes on over the replica', async () => sale.over || (await sold(sale.event)) > truth + 10, 60);
    assert.ok(!sale.over, 'and is not over yet');
    assert.notEqual(replica.ask('GET', `{e${sale.event}}:run`), run, 'the mirror was built anew');
    assert.ok(sold_in(replica.ask('GET', `{e${sale.event}}:state`)) >= truth, 'from the truth');
    const before = await sold(sale.event);
    await replica.stop();
    bring_back();
    bring_back = undefined;
    await until('the sale goes on over the old primary', async () => sale.over || (await sold(sale.event)) > before, 60);
  };
  try {
    // Let in slowly, so that there is a sale to fail over in on any machine.
    await during_a_sale(harm, { seats: 900, fans: 1000, think_ms: 600, rate: 2400 });
  } finally {
    await replica.stop();
    bring_back?.();
  }
});
