// The documents of docs/ as judges: what a server answered is held against what they say, and undocumented members are errors.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import YAML from 'yaml';
import { call, env } from './http.mjs';

export const root = fileURLToPath(new URL('../../../', import.meta.url));
const METHODS = ['get', 'put', 'post', 'patch', 'delete'];
// Which listener a document means, by the default port it names.
const LISTENERS = { 8080: 'HOLDFAST_URL', 9081: 'HOLDFAST_WAITROOM_OPS_URL', 9082: 'HOLDFAST_ENGINE_OPS_URL', 9083: 'HOLDFAST_SEATMAP_OPS_URL' };

/** Schemas are open, so that answers may gain members; here they are closed, so that none is forgotten in the document. */
function close_schemas(node) {
  if (node === null || typeof node !== 'object') return node;
  if (Array.isArray(node)) return node.map(close_schemas);
  const closed = Object.fromEntries(Object.entries(node).map(([name, value]) => [name, close_schemas(value)]));
  if (node.type === 'object' && node.properties) closed.additionalProperties ??= false;
  return closed;
}

const pointer = (...parts) => parts.map((part) => `/${encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');

export class Document {
  #ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false, formats: { binary: true } });
  #checks = new Map();

  constructor(name) {
    this.name = name;
    this.tree = YAML.parse(readFileSync(join(root, 'docs', name), 'utf8'));
    formats(this.#ajv);
    this.#ajv.addSchema(close_schemas(this.tree), name);
  }

  /** Follows the reference of a node, if it is one. Returns the node and where it is. */
  at(...path) {
    const node = path.reduce((from, part) => from?.[part], this.tree);
    if (!node?.$ref) return { node, path };
    return this.at(...node.$ref.slice(2).split('/').map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')));
  }

  /** What is wrong with the value by the schema at this place, as text; undefined when nothing is. */
  wrong(value, ...path) {
    const where = pointer(...path);
    if (!this.#checks.has(where)) this.#checks.set(where, this.#ajv.compile({ $ref: `${this.name}#${where}` }));
    const check = this.#checks.get(where);
    return check(value) ? undefined : this.#ajv.errorsText(check.errors.map((error) => ({ ...error, message: `${error.message} ${JSON.stringify(error.params)}` })), { separator: '\n  ' });
  }

  /** Every `examples` of the document with the place of its schema: OpenAPI's media types and AsyncAPI's messages. */
  * examples(node = this.tree, path = []) {
    if (node === null || typeof node !== 'object') return;
    if (node.examples && node.schema) for (const [name, example] of Object.entries(node.examples)) yield { name, value: example.value, path: [...path, 'schema'] };
    if (node.examples && node.payload) for (const example of node.examples) yield { name: path.at(-1), value: example.payload, path: [...path, 'payload'] };
    for (const [name, child] of Object.entries(node)) yield* this.examples(child, [...path, name]);
  }
}

export class Contract extends Document {
  seen = new Set();

  constructor() {
    super('openapi.yaml');
    this.operations = Object.entries(this.tree.paths).flatMap(([path, item]) => METHODS.filter((method) => item[method]).map((method) => ({
      id: item[method].operationId, method: method.toUpperCase(), path, node: item[method], place: ['paths', path, method],
      base: env[LISTENERS[new URL((item.servers ?? this.tree.servers)[0].url).port]],
      pattern: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
    })));
  }

  operation(id) {
    const found = this.operations.find((operation) => operation.id === id);
    assert.ok(found, `the document has no operation ${id}`);
    return found;
  }

  /** Marks a status that was seen outside of ask(): of a WebSocket. */
  saw(id, status) {
    assert.ok(this.operation(id).node.responses[status], `${id} does not document ${status}`);
    this.seen.add(`${id} ${status}`);
  }

  /** Calls an operation; its answer is held against the document. */
  async ask(id, path, options = {}) {
    const operation = this.operation(id);
    assert.match(new URL(path, 'http://x').pathname, operation.pattern, `${path} is not of ${id}`);
    const answer = await call(operation.method, path, { base: operation.base, ...options });
    this.#judge(operation, answer, options, `${operation.method} ${path}: ${answer.status} ${answer.headers['content-type'] ?? ''} ${answer.raw.subarray(0, 600)}`);
    return answer;
  }

  #judge(operation, answer, options, what) {
    assert.ok(operation.node.responses[answer.status], `undocumented status. ${what}`);
    const { node, path } = this.at(...operation.place, 'responses', String(answer.status));
    this.seen.add(`${operation.id} ${answer.status}`);
    this.#judge_headers(node.headers ?? {}, path, answer, what);
    if (!node.content) assert.equal(answer.raw.length, 0, `a body that is not documented. ${what}`);
    else this.#judge_body(node, path, answer, what);
    if (answer.status < 300 && options.body !== undefined && operation.node.requestBody && typeof options.body === 'object') {
      const wrong = this.wrong(options.body, ...operation.place, 'requestBody', 'content', 'application/json', 'schema');
      assert.equal(wrong, undefined, `the document forbids a body that the server takes: ${wrong}\n${what}`);
    }
  }

  #judge_headers(headers, path, answer, what) {
    for (const name of Object.keys(headers)) {
      const { path: place } = this.at(...path, 'headers', name);
      const value = answer.headers[name.toLowerCase()];
      assert.ok(value !== undefined, `the header ${name} is missing. ${what}`);
      assert.equal(this.wrong(value, ...place, 'schema'), undefined, `the header ${name} is ${value}. ${what}`);
    }
  }

  #judge_body(node, path, answer, what) {
    const type = answer.headers['content-type'], media = node.content[type];
    assert.ok(media, `undocumented content type. ${what}`);
    if (!media.schema) return;
    const wrong = this.wrong(answer.body, ...path, 'content', type, 'schema');
    assert.equal(wrong, undefined, `${wrong}\n${what}`);
    if (type !== 'application/problem+json') return;
    assert.equal(answer.body.status, answer.status, what);
    assert.equal(answer.body.type, `/problems/${answer.body.code}`, what);
    assert.equal(answer.body.requestId, answer.headers['x-request-id'], what);
    assert.ok(node['x-codes'].includes(answer.body.code), `undocumented code. ${what}`);
  }
}

function* sources(dir, suffix) {
  for (const entry of readdirSync(join(root, dir), { withFileTypes: true })) {
    if (entry.isDirectory()) yield* sources(join(dir, entry.name), suffix);
    else if (entry.name.endsWith(suffix)) yield readFileSync(join(root, dir, entry.name), 'utf8');
  }
}

/** Every route in the tables of the daemons, parameters without their names: "GET /v1/queues/{}". */
export function registered_routes() {
  const routes = new Set();
  for (const dir of ['engine', 'waitroom', 'seatmap-ws']) {
    for (const text of sources(dir, '.c')) {
      for (const [, method, path] of text.matchAll(/\{HTTP_([A-Z]+)_,\s*"(\/[^"]*)",\s*\w+/g)) routes.add(`${method} ${without_names(path)}`);
    }
  }
  return routes;
}

export const without_names = (path) => path.replace(/\{[^}]*\}(\.\w+)?/g, '{}');

/** code -> status of the problem table. */
export function problem_table() {
  const text = readFileSync(join(root, 'engine/net/problem.h'), 'utf8');
  return new Map([...text.matchAll(/X\([A-Z_]+, "([a-z_]+)", (\d+),/g)].map(([, code, status]) => [code, Number(status)]));
}

/** Names on the wire of all metrics that the headers declare. */
export function declared_metrics() {
  const names = new Set();
  for (const dir of ['engine', 'waitroom', 'seatmap-ws']) {
    for (const text of sources(dir, '.h')) {
      for (const [table] of text.matchAll(/^#define \w+METRICS\(X\)(?:[^\n]*\\\n)+[^\n]*/gm)) {
        for (const [, kind, name] of table.matchAll(/X\((COUNTER|GAUGE|HISTOGRAM),\s*(\w+)/g)) names.add(`holdfast_${kind === 'HISTOGRAM' ? name.replace(/_us$/, '_seconds') : name}`);
      }
    }
  }
  return names;
}
