// The stack that the tests run against: the one the environment names, else one of their own, started with the
// launcher in a directory of its own and stopped afterwards.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../../../holdfast', import.meta.url));

/** @param {string} verb @param {Record<string, string | undefined>} env @returns {Promise<string>} its stdout */
function launch(verb, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(launcher, [verb], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (text) => { output += text; });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`./holdfast ${verb}: exit ${code}`))));
  });
}

/** @param {string} text KEY=VALUE lines */
function parse_env(text) {
  return Object.fromEntries(text.split('\n').filter((line) => /^[A-Z_]+=/.test(line))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** @returns {Promise<{env: Record<string, any>, close: () => Promise<void>}>} */
export async function open_stack() {
  if (process.env.HOLDFAST_URL) {
    return { env: process.env, close: async () => {} };
  }
  const state = await mkdtemp(join(tmpdir(), 'holdfast-browser-'));
  const own = { ...process.env, HOLDFAST_STATE: state, HOLDFAST_PORT_BASE: 'auto' };
  const close = async () => {
    await launch('down', own);
    await rm(state, { recursive: true, force: true });
  };
  try {
    return { env: { ...own, ...parse_env(await launch('up', own)) }, close };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
}

/** @param {Record<string, any>} env @param {string} method @param {string} url @param {unknown} body */
async function admin(env, method, url, body) {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${env.HOLDFAST_ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`${method} ${url}: ${response.status} ${text}`);
  }
  return JSON.parse(text);
}

const instant = (/** @type {number} */ seconds_ahead) => new Date(Date.now() + seconds_ahead * 1000).toISOString();

/**
 * @param {Record<string, any>} env
 * @param {{seats?: number, queue?: boolean, hold_seconds?: number, opens_in?: number, rate?: number}} [wish]
 * @returns {Promise<string>} the event's id
 */
export async function seed_event(env, wish = {}) {
  const { seats = 400, queue = false, hold_seconds = 120, opens_in = -1, rate = 6000 } = wish;
  const { eventId } = await admin(env, 'POST', `${env.HOLDFAST_ENGINE_OPS_URL}/admin/v1/events`, {
    name: 'The Tidal Choir', venue: { name: 'Harbour Arena', city: 'Rotterdam' }, startsAt: instant(86_400 * 90),
    currency: 'EUR', queue, charge: true, maxSeats: 6, holdSeconds: hold_seconds,
    priceLevels: [
      { id: 'gold', name: 'Gold', amount: 12_500 }, { id: 'silver', name: 'Silver', amount: 8500 },
      { id: 'bronze', name: 'Bronze', amount: 4550 },
    ],
    arena: { seats },
  });
  if (queue) {
    await admin(env, 'PUT', `${env.HOLDFAST_WAITROOM_OPS_URL}/admin/v1/queues/${eventId}`, {
      ratePerMinute: rate, maxActive: 100, prequeueAt: instant(-10), opensAt: instant(opens_in),
      closesAt: instant(86_400), claimSeconds: 60, proof: 'off',
    });
  }
  return eventId;
}

/** @param {Record<string, any>} env @param {string} event_id @param {'pause' | 'resume' | 'close'} what */
export async function command_queue(env, event_id, what) {
  await admin(env, 'POST', `${env.HOLDFAST_WAITROOM_OPS_URL}/admin/v1/queues/${event_id}/${what}`, {});
}
