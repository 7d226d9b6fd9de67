// The topic of the seat changes, read whole by Kafka's own consumer, and what it says of each event.
import { spawn, execFile } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { env, until } from './http.mjs';
import { sql } from './sale.mjs';

const run = promisify(execFile);
const EPOCH = 2 ** 40;
const BYTES = { free: '0', held: '1', sold: '2', blocked: '3' };

export const redis = async (...args) => (await run('redis-cli', ['-p', env.HOLDFAST_REDIS_PORT, ...args.map(String)], { maxBuffer: 1 << 26 })).stdout.trim();

/** What the changes alone say of one event. Repeats are allowed; what is not: a rev that is missing, or that comes after a later one. */
export class Story {
  last = 0;
  changes = 0;
  repeats = 0;
  wrong = [];

  constructor(seats) { this.states = Buffer.alloc(seats, '0'); }

  hear({ rev, state, seats }) {
    const next = this.last ? rev === this.last + 1 : rev % EPOCH === 1;
    if (rev <= this.last) { this.repeats++; return; }
    if (!next && this.wrong.length < 20) this.wrong.push(`${rev} after ${this.last}`);
    for (const seat of seats) this.states.write(BYTES[state], seat);
    this.last = rev;
    this.changes++;
  }
}

const java = (main, ...args) => ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', `${env.HOLDFAST_ROOT}/.holdfast/kafka/libs/*`,
  `-Dlog4j2.configurationFile=${env.HOLDFAST_ROOT}/deploy/kafka-log4j2.properties`, main, '--bootstrap-server', env.HOLDFAST_KAFKA, ...args];

export async function create_topic(name, partitions, config = {}) {
  const settings = Object.entries(config).flatMap(([key, value]) => ['--config', `${key}=${value}`]);
  await run('java', java('org.apache.kafka.tools.TopicCommand', '--create', '--topic', name, '--partitions', String(partitions), '--replication-factor', '1', ...settings));
}

const consume = (topic, ...more) => java('org.apache.kafka.tools.consumer.ConsoleConsumer', '--topic', topic, '--from-beginning',
  ...['key', ...more].flatMap((part) => ['--formatter-property', `print.${part}=true`]));

/** The keys of a topic: until all that are wanted have come, or nothing comes for five seconds (half a minute before the first message). */
export async function read_keys(topic, wanted) {
  const keys = new Set(), missing = new Set(wanted);
  const consumer = spawn('java', consume(topic), { stdio: ['ignore', 'pipe', 'ignore'] });
  const end = () => consumer.kill('SIGKILL');
  let silence = setTimeout(end, 30_000);
  for await (const line of createInterface({ input: consumer.stdout })) {
    if (!line.includes('\t')) continue;
    const key = line.slice(0, line.indexOf('\t'));
    keys.add(key);
    clearTimeout(silence);
    if (missing.delete(key) && missing.size === 0) { end(); break; }
    silence = setTimeout(end, 5000);
  }
  clearTimeout(silence);
  return keys;
}

/** Reads holdfast.seat-changes from its beginning until every event's last rev in Redis has come. @returns {Promise<Map<string, Story>>} */
export async function read_changes(events, seats, { seconds = 120 } = {}) {
  const stories = new Map(events.map((event) => [event, new Story(seats)]));
  const wanted = new Map(await Promise.all(events.map(async (event) => [event, Number(await redis('GET', `{e${event}}:rev`))])));
  const consumer = spawn('java', consume('holdfast.seat-changes', 'partition', 'offset'), { stdio: ['ignore', 'pipe', 'ignore'] });
  const offsets = [];
  createInterface({ input: consumer.stdout }).on('line', (line) => {
    const [partition, offset, key, value] = line.split('\t');
    const p = Number(partition.slice('Partition:'.length)), at = Number(offset.slice('Offset:'.length));
    if (at <= (offsets[p] ?? -1)) return; // a consumer that had to join again begins again
    offsets[p] = at;
    stories.get(key)?.hear(JSON.parse(value));
  });
  try {
    await until('the consumer has read all changes', () => [...stories].every(([event, story]) => story.last >= wanted.get(event)), seconds)
      .catch((error) => { throw new Error(`${error.message}: ${[...stories].map(([event, story]) => `event ${event}: ${story.last} of ${wanted.get(event)}`).join(', ')}`); });
    await new Promise((resolve) => { setTimeout(resolve, 300); }); // what would be there beyond
  } finally {
    consumer.kill('SIGKILL');
  }
  return stories;
}

/** The seats of an event as a string of states, in each store. */
export const truth = async (event) => (await sql(`SELECT string_agg(status::text, '' ORDER BY seat) FROM event_seat WHERE event_id = ${event}`))[0][0];
export const opinion = (event) => redis('GET', `{e${event}}:state`);
export const log_length = async (event) => Number(await redis('XLEN', `{e${event}}:log`));
export const outbox_rows = async () => Number((await sql('SELECT count(*) FROM outbox WHERE parked_at IS NULL'))[0][0]);

/** Waits until no seat is held and all news is sent. */
export async function all_is_told(events, seconds = 60) {
  await until('no seat is held', async () => (await Promise.all(events.map(opinion))).every((states) => !states.includes('1')), seconds);
  await until('no news waits', async () => (await outbox_rows()) === 0 && (await Promise.all(events.map(log_length))).every((length) => length === 0), seconds);
}

/** What is wrong with the change log of the events, [] when nothing is; and the sums. */
export async function prove_changes(events, seats, options) {
  const stories = await read_changes(events, seats, options), wrong = [];
  let changes = 0, repeats = 0;
  for (const [event, story] of stories) {
    const states = story.states.toString();
    changes += story.changes;
    repeats += story.repeats;
    wrong.push(...story.wrong.map((what) => `event ${event}: rev ${what}`));
    const rev = Number(await redis('GET', `{e${event}}:rev`));
    if (story.last !== rev) wrong.push(`event ${event}: the topic ends at ${story.last}, Redis at ${rev}`);
    if (states !== await truth(event)) wrong.push(`event ${event}: the topic says otherwise than PostgreSQL`);
    if (states !== await opinion(event)) wrong.push(`event ${event}: the topic says otherwise than Redis`);
  }
  return { wrong, changes, repeats };
}
