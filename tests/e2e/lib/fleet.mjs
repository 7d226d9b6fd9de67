// More engines beside the launcher's, on its port (SO_REUSEPORT) or on ports of their own; one that dies is started again unless it is told to stay dead.
import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { env, until } from './http.mjs';

const pid_of = (name) => Number(readFileSync(`${env.HOLDFAST_STATE}/run/${name}.pid`, 'utf8').split(' ')[0]);
const words = (file) => readFileSync(file, 'utf8').split('\0').filter(Boolean);
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function free_port() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => { server.once('listening', resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

/** Whether it runs; a zombie whom nobody has buried yet does not. */
export function alive(pid) {
  try { return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8')); } catch { return false; }
}

/** Resident memory of a process in MiB, 0 when it is gone. */
export function resident(pid) {
  try { return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024; } catch { return 0; }
}

/** The launcher's engine: its supervisor starts it again. */
class First {
  url = env.HOLDFAST_ENGINE_URL;
  ops = env.HOLDFAST_ENGINE_OPS_URL;
  get pid() { return pid_of('engine'); }
  signal(name) { try { process.kill(this.pid, name); } catch (error) { if (error.code !== 'ESRCH' && error.code !== 'ENOENT') throw error; } }
}

/** One of ours, with the launcher's command line and environment but for the ports. */
class Another {
  #over = false;
  #quick = 0;

  constructor(number, port, ops_port, { command, environment, log, flags }) {
    Object.assign(this, { number, url: `http://127.0.0.1:${port}`, ops: `http://127.0.0.1:${ops_port}` });
    const args = command.slice(1);
    args[args.indexOf('--port') + 1] = String(port);
    args[args.indexOf('--ops-port') + 1] = String(ops_port);
    args.push(...flags);
    this.spawn = () => spawn(command[0], args, { env: environment, stdio: ['ignore', log, log] });
    process.on('exit', () => this.child.kill('SIGKILL')); // also when the test dies
    this.#run();
  }

  #run() {
    const began = Date.now();
    this.child = this.spawn();
    this.gone = new Promise((resolve) => {
      this.child.once('exit', async () => {
        resolve();
        this.#quick = Date.now() - began < 10_000 ? this.#quick + 1 : 0;
        await pause(Math.min(50 * 2 ** this.#quick, 2000));
        if (!this.#over) this.#run();
      });
    });
  }

  get pid() { return this.child.pid; }
  signal(name) { this.child.kill(name); }

  /** Does not come back; resolves when it is gone. */
  async end(signal = 'SIGKILL') {
    this.#over = true;
    this.child.kill('SIGCONT');
    this.child.kill(signal);
    await this.gone;
  }
}

export class Fleet {
  members = [new First()];

  /** `count` engines in all, ready; those beside the launcher's with more `flags`. */
  static async start(count, { own_ports = false, flags = [] } = {}) {
    const fleet = new Fleet(), pid = pid_of('engine');
    const how = { command: words(`/proc/${pid}/cmdline`), environment: Object.fromEntries(words(`/proc/${pid}/environ`).map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)])) };
    const shared = Number(new URL(env.HOLDFAST_ENGINE_URL).port);
    for (let i = 1; i < count; i++) {
      const log = openSync(`${env.HOLDFAST_STATE}/log/engine-beside-${i}.log`, 'a');
      fleet.members.push(new Another(i, own_ports ? await free_port() : shared, await free_port(), { ...how, log, flags }));
    }
    await fleet.ready();
    return fleet;
  }

  async ready(seconds = 60) {
    for (const { ops } of this.members)
      await until(`${ops} is ready`, () => fetch(`${ops}/readyz`).then((answer) => answer.ok, () => false), seconds);
  }

  /** The sum of a metric over the engines that answer. */
  async metric(name) {
    const pages = await Promise.all(this.members.map(({ ops }) => fetch(`${ops}/metrics`).then((answer) => answer.text(), () => '')));
    return pages.reduce((sum, page) => sum + Number(new RegExp(`^${name} (\\S+)`, 'm').exec(page)?.[1] ?? 0), 0);
  }

  resident() { return this.members.map(({ pid }) => resident(pid)); }

  async end() { await Promise.all(this.members.slice(1).map((member) => member.end('SIGTERM'))); }
}
