// The launcher mends itself: stores of its own are killed in every way, a port is taken, a pid is recycled.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';

const root = process.env.HOLDFAST_ROOT;
const state = mkdtempSync('/tmp/holdfast-launcher-');
const parts = ['postgres', 'redis', 'kafka'];

/** Runs the launcher on this test's own state. @returns {{code: number | null, out: string, err: string}} */
function holdfast(...args) {
  const env = { ...process.env, HOLDFAST_STATE: state, HOLDFAST_PORT_BASE: 'auto' };
  const { status, stdout, stderr } = spawnSync(`${root}/holdfast`, args, { env, encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

const pid_of = (name, kind = 'pid') => Number(readFileSync(`${state}/run/${name}.${kind}`, 'utf8').split(' ')[0]);

/** A zombie whom nobody has buried yet does not run. */
function alive(pid) {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function must_be_ready() {
  const up = holdfast('up', '--infra-only');
  assert.equal(up.code, 0, up.err);
  const status = holdfast('status');
  assert.equal(status.code, 0, status.out);
  for (const name of parts) {
    assert.match(status.out, new RegExp(`^${name} .* ready$`, 'm'));
  }
  return up;
}

before(must_be_ready, { timeout: 180_000 });
after(() => {
  holdfast('down');
  rmSync(state, { recursive: true, force: true });
});

test('up twice changes nothing and prints the same addresses', () => {
  const pids = parts.map((name) => pid_of(name));
  const again = must_be_ready();
  assert.deepEqual(parts.map((name) => pid_of(name)), pids);
  assert.equal(again.out, readFileSync(`${state}/env`, 'utf8'));
  assert.match(again.out, /^PGHOST=/m);
});

test('servers killed with -9 come back by themselves', () => {
  const pids = parts.map((name) => pid_of(name));
  pids.forEach((pid) => process.kill(pid, 'SIGKILL'));
  must_be_ready();
  assert.ok(pids.every((pid) => !alive(pid)));
});

test('up mends what lost its supervisor, its server, or both', () => {
  process.kill(pid_of('postgres', 'sup'), 'SIGKILL');
  process.kill(pid_of('redis', 'sup'), 'SIGKILL');
  process.kill(pid_of('redis'), 'SIGKILL');
  assert.equal(holdfast('status').code, 1);
  must_be_ready();
});

test('a pid that belongs to somebody else now is left alone', () => {
  assert.equal(holdfast('down').code, 0);
  const stranger = spawn('sleep', ['300']);
  try {
    for (const name of parts) {
      writeFileSync(`${state}/run/${name}.pid`, `${stranger.pid} 1 0\n`);
      writeFileSync(`${state}/run/${name}.sup`, `${stranger.pid} 1 0\n`);
    }
    writeFileSync(`${state}/run/left.pid`, `${stranger.pid} 1 0\n`);
    must_be_ready();
    assert.equal(holdfast('down').code, 0);
    assert.ok(alive(stranger.pid) && stranger.exitCode === null && stranger.signalCode === null);
  } finally {
    stranger.kill('SIGKILL');
  }
});

test('down leaves nothing running, even when .holdfast/run is gone', () => {
  must_be_ready();
  const pids = parts.flatMap((name) => [pid_of(name), pid_of(name, 'sup')]);
  rmSync(`${state}/run`, { recursive: true });
  assert.equal(holdfast('down').code, 0);
  assert.deepEqual(pids.filter(alive), []);
});

test('a taken port is named, with who has it and what to do', async () => {
  const port = Number(readFileSync(`${state}/port-base`, 'utf8')) + 11;
  const server = net.createServer().listen(port, '127.0.0.1');
  await new Promise((resolve) => { server.once('listening', resolve); });
  try {
    const { code, err } = holdfast('up', '--infra-only');
    assert.equal(code, 1);
    assert.match(err, new RegExp(`port ${port}, wanted for redis, is taken by process ${process.pid} `));
    assert.match(err, /remedy: .*HOLDFAST_PORT_BASE=/);
  } finally {
    await new Promise((resolve) => { server.close(resolve); });
  }
});

test('what is not understood is refused with the usage, before anything starts', () => {
  for (const args of [['frobnicate'], ['up', '--bogus'], ['seed', '--color', 'red'], ['demo', '-x'],
    ['bench', 'frobnicate'], ['bench', 'polls', '--bogus'], ['bench', 'polls', '--threshold', 'poll.p99=5ms']]) {
    const { code, err } = holdfast(...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(err, /holdfast|bench/);
    assert.doesNotMatch(err, /the stack of/, args.join(' '));
  }
  assert.match(holdfast('seed', '--seats', 'many').err, /--seats is 'many'/);
});
