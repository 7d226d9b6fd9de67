// Calls of the wire contract, as a client in any language would make them.
import http from 'node:http';
import { randomUUID } from 'node:crypto';

export const env = process.env;
const agent = new http.Agent({ keepAlive: true, maxSockets: 512 });

/**
 * One call. `body` is sent as JSON unless it is a string or Buffer. Resolves with what came, whatever its status.
 * @returns {Promise<{status: number, headers: http.IncomingHttpHeaders, body: any, raw: Buffer}>}
 */
export function call(method, path, { auth, key, body, headers = {}, base = env.HOLDFAST_URL } = {}) {
  const url = new URL(path, base);
  const payload = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const fields = { ...headers };
  if (auth) fields.authorization = auth;
  if (key) fields['idempotency-key'] = key;
  if (payload !== undefined) {
    fields['content-type'] ??= 'application/json';
    fields['content-length'] = Buffer.byteLength(payload);
  }
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers: fields, agent }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const raw = Buffer.concat(parts);
        const json = /json/.test(response.headers['content-type'] ?? '');
        resolve({ status: response.statusCode, headers: response.headers, raw, body: json && raw.length ? JSON.parse(raw) : raw });
      });
    });
    request.on('error', reject);
    request.end(payload);
  });
}

/** An admin call on an ops listener. */
export async function admin(base, method, path, body) {
  const answer = await call(method, path, { base, body, auth: `Bearer ${env.HOLDFAST_ADMIN_TOKEN}` });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.raw}`);
  return answer.body;
}

export const new_key = () => randomUUID();

/** Waits until `look` gives something true; fails with `what` after `seconds`. */
export async function until(what, look, seconds = 20) {
  const end = Date.now() + seconds * 1000 * Number(process.env.HOLDFAST_TEST_PATIENCE ?? 1);
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`did not happen within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
