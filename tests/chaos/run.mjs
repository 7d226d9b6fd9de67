// By hand, for as long as you like, against the stack that `./holdfast up` has started: node tests/chaos/run.mjs NAME [--OPTION NUMBER]...
//
//   storm        engines, relays and broker killed at random, then the change log is proved       --seconds 600 --seed 7 --engines 3 --rate 250
//   broker-away  the broker is away under a full sale                                             --seconds 600 --events 16 --seats 100000 --rate 0 --every 10
//   heal         each server is killed under a steady sale: how soon is it what it was?           --rate 500 --rounds 1
//
// Exit code 98 when something is wrong.
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const state = process.env.HOLDFAST_STATE ?? `${root}/.holdfast`;
for (const line of readFileSync(`${state}/env`, 'utf8').split('\n').filter(Boolean)) process.env[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1);
Object.assign(process.env, { HOLDFAST_STATE: state, HOLDFAST_ROOT: root, HOLDFAST_BUILD_DIR: process.env.HOLDFAST_BUILD_DIR ?? `${root}/build` });

const programs = {
  storm: async () => (await import('../e2e/lib/storm.mjs')).storm,
  'broker-away': async () => (await import('../e2e/lib/broker_away.mjs')).broker_away,
  heal: async () => (await import('../e2e/lib/heal.mjs')).heal,
};
const [name, ...words] = process.argv.slice(2);
const options = {};
for (let i = 0; i < words.length; i += 2) options[words[i].replace(/^--/, '')] = Number(words[i + 1]);
if (!programs[name] || Object.values(options).some(Number.isNaN)) {
  process.stderr.write(`usage: node tests/chaos/run.mjs ${Object.keys(programs).join('|')} [--OPTION NUMBER]...\n`);
  process.exit(2);
}
const began = Date.now();
const result = await (await programs[name]())({ ...options, tell: (text) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(7)} s  ${text}`) });
delete result.looks;
console.log(JSON.stringify({ ...options, ...result }, null, 1));
process.exit(result.wrong.length ? 98 : 0);
