// A sale under load, and what can be done to the servers below it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { env, until } from './http.mjs';
import { audit, counts, open_sale, sql } from './sale.mjs';
import { Onlooker } from './seatmap.mjs';

const GENERATOR_WAS_SLOW = 97;


/** The harness plays the fans of a new event; `ended` resolves with {code, output} when the last one has left. */
export async function crowd({ seats = 300, fans = 600, think_ms = 400, ...more } = {}) {
  const event = await open_sale({ seats, queue: true, hold_seconds: 5, paymentSeconds: 20, rate: fans * 12, max_active: fans, ...more });
  const out = mkdtempSync('/tmp/holdfast-crowd-');
  const args = ['onsale', '--event', event, '--users', fans, '--arrive-ms', 1500, '--think-ms', think_ms, '--out', out, '--quiet'].map(String);
  const bench = spawn(`${env.HOLDFAST_BUILD_DIR}/bench/bench`, args, { env });
  let output = '';
  for (const stream of [bench.stdout, bench.stderr]) stream.on('data', (text) => { output += text; });
  const sale = { event, seats, confirmed: `${out}/confirmed.txt`, over: false };
  sale.ended = new Promise((resolve) => { bench.on('close', (code) => { sale.over = true; resolve({ code, output }); }); });
  sale.clear = () => { bench.kill('SIGKILL'); rmSync(out, { recursive: true, force: true }); };
  return sale;
}

/** How many seats the truth has sold. */
export const sold = async (event) => Number((await sql(`SELECT count(*) FROM event_seat WHERE event_id = ${event} AND status = 2`))[0][0]);

/** Waits until so large a part of the seats is sold; the sale must still be going on then. */
export async function sold_part(sale, part) {
  await until(`${part} of the seats sold`, async () => sale.over || (await sold(sale.event)) >= sale.seats * part, 60);
  if (sale.over) throw new Error('the sale was over before anything could be done to it');
}

const run_file = (name, kind) => `${env.HOLDFAST_STATE}/run/${name}.${kind}`;
const pid_in = (file) => Number(readFileSync(file, 'utf8').split(' ')[0]);

/** One that is dead already, its supervisor about to start another, is no error. */
function kill_now(pid) {
  try { process.kill(pid, 'SIGKILL'); } catch (error) { if (error.code !== 'ESRCH') throw error; }
}

/** kill -9; resolves when the supervisor has started another one. */
export async function kill(name) {
  const pid = pid_in(run_file(name, 'pid'));
  kill_now(pid);
  await until(`another ${name}`, () => pid_in(run_file(name, 'pid')) !== pid);
}

/** kill -9, and nobody starts it again until the returned function is called: its supervisor is stopped as long. */
export function take_away(name) {
  const supervisor = pid_in(run_file(name, 'sup'));
  const bring_back = () => { process.off('exit', bring_back); process.kill(supervisor, 'SIGCONT'); };
  process.on('exit', bring_back); // also when the test dies
  process.kill(supervisor, 'SIGSTOP');
  kill_now(pid_in(run_file(name, 'pid')));
  return bring_back;
}

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
export async function during_a_sale(harm, options) {
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
