// The harness against a running stack: what it finds, writes and decides. The figures themselves depend on the machine and are not judged.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { env } from './lib/http.mjs';
import { sql } from './lib/sale.mjs';

const scratch = mkdtempSync('/tmp/holdfast-bench-');
after(() => rmSync(scratch, { recursive: true, force: true }));
const pid = (name) => readFileSync(`${env.HOLDFAST_STATE}/run/${name}.pid`, 'utf8').split(' ')[0];

/** Runs a scenario, small. @returns {{code: number | null, output: string, out: string, summary: any, figure: (name: string) => any}} */
function bench(name, ...args) {
  const out = `${scratch}/${name}`;
  const { status, stdout, stderr } = spawnSync(`${env.HOLDFAST_BUILD_DIR}/bench/bench`,
    [...args, '--out', out, '--connections', '16', '--quiet'], {
      env: { ...env, HOLDFAST_PROCESSES: `engine=${pid('engine')},redis=${pid('redis')},postgres=${pid('postgres')},paysim=${pid('paysim')}` },
      encoding: 'utf8',
    });
  const summary = existsSync(`${out}/summary.json`) ? JSON.parse(readFileSync(`${out}/summary.json`, 'utf8')) : undefined;
  return { code: status, output: stdout + stderr, out, summary, figure: (wanted) => summary.figures.find((f) => f.name === wanted) };
}

test('holds takes turns with the sides it is given, and tells medians, ratios, costs and latencies', () => {
  const toy = `${scratch}/toy.sh`;
  spawnSync('sh', ['-c', `printf '#!/bin/sh\\necho "$HOLDFAST_BENCH_OPERATIONS $*" >>${scratch}/asked\\necho name=toy rate=$((100 + $(wc -l <${scratch}/asked))) redis_us=7 p99_us=2000\\n' >${toy}; chmod +x ${toy}`]);
  const run = bench('holds', 'holds', '--users', '200', '--runs', '3', '--against', toy, '--core', `${toy} core`);
  assert.equal(run.code, 0, run.output);
  assert.equal(run.summary.schema, 'holdfast.bench/2');
  assert.deepEqual([run.summary.scenario, run.summary.config.users, run.summary.config.runs], ['holds', 200, 3]);
  // The two sides have the same name here, so: http, core as `toy`, comparator as `toy`.
  const http = run.figure('http holds/s');
  assert.equal(http.rounds, 3);
  assert.ok(http.min > 0 && http.min <= http.value && http.value <= http.max);
  assert.ok(run.figure('http/toy').value > 0);
  // Servers are told when they used more than the clock of processes can tell; the load's maker always.
  assert.ok(run.figure('http: generator cpu each').value > 0);
  assert.equal(run.figure('toy: redis cpu each').value, 7);
  assert.equal(run.figure('toy half load p99').value, 2);
  assert.ok(run.figure('http half load p99').value > 0);
  // Rounds go forth, back and forth again; then each at half.
  const asked = readFileSync(`${scratch}/asked`, 'utf8').trim().split('\n');
  assert.deepEqual(asked.slice(0, 6), ['200 core', '200 ', '200 ', '200 core', '200 core', '200 ']);
  assert.match(asked[6], /^200 core --rate \d+$/);
  assert.match(asked[7], /^200 --rate \d+$/);
  const steps = Object.fromEntries(run.summary.steps.map((step) => [step.name, step]));
  assert.deepEqual(steps.hold.outcomes, { 201: 600 });
  assert.deepEqual(steps.half.outcomes, { 201: 200 });
  assert.match(readFileSync(`${run.out}/report.html`, 'utf8'), /http\/toy.*lowest|lowest.*http\/toy/s);
});

test('bookings sells what it says, with and without charge', async () => {
  const before = Number((await sql('SELECT max(event_id) FROM event'))[0][0]);
  const free = bench('bookings', 'bookings', '--users', '100', '--runs', '1');
  assert.equal(free.code, 0, free.output);
  assert.equal(free.figure('http/pgbench'), undefined);
  const paid = bench('charged', 'bookings', '--users', '50', '--runs', '1', '--charge');
  assert.equal(paid.code, 0, paid.output);
  assert.equal(paid.summary.config.charge, true);
  const sales = await sql(`SELECT charge, count(*) FROM event JOIN booking USING (event_id)
    WHERE event_id > ${before} AND state = 'confirmed' GROUP BY charge ORDER BY charge`);
  assert.deepEqual(sales.map((row) => Number(row[1])), [200, 100]);
});

test('a threshold that does not hold, a side that fails and a wrong option have exit codes of their own', () => {
  const small = ['holds', '--named', '--users', '20', '--runs', '1'];
  assert.equal(bench('good', ...small, '--threshold', 'http holds/s>0,hold.failed<1').code, 0);
  assert.equal(bench('slow', ...small, '--threshold', 'http holds/s>1000000000').code, 99);
  const broken = bench('broken', ...small, '--against', 'echo rate=5; exit 3');
  assert.equal(broken.code, 2);
  assert.match(broken.output, /exit 3' failed/);
  assert.equal(bench('none', ...small, '--against', 'none', '--core', 'none').code, 0);
  assert.equal(bench('huge', 'holds', '--users', '1000000').code, 2);
});
