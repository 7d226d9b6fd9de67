// @ts-check
/**
 * Calls Holdfast's HTTP API. Every call has a deadline; errors are `api_error`, whose `code` is that of the
 * problem+json body (RFC 9457) or one of `timeout`, `network`, `aborted`. A call is retried only if doing it
 * twice is the same as doing it once: GET, PUT, DELETE, or a POST that carries an Idempotency-Key or names
 * itself repeatable. All attempts of a write carry the same key.
 */
import { backoff_delay, sleep } from './backoff.js';

/**
 * @typedef {object} api_request
 * @property {'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'} [method]
 * @property {unknown} [body] sent as JSON
 * @property {string} [authorization] the whole header value
 * @property {string} [idempotency_key]
 * @property {boolean} [repeatable] the server makes repeats of this POST harmless by other means
 * @property {string} [accept]
 * @property {number} [timeout_ms] of one attempt
 * @property {number} [attempts]
 * @property {AbortSignal} [signal]
 */

/**
 * @typedef {object} api_reply
 * @property {number} status 2xx
 * @property {Headers} headers
 * @property {any} body parsed JSON, an ArrayBuffer for binary content, null if there is none
 */

/**
 * @typedef {object} api_client
 * @property {(path: string, request?: api_request) => Promise<api_reply>} call
 */

export class api_error extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{status?: number, problem?: any, retry_after_ms?: number | null}} [more]
   */
  constructor(code, message, more = {}) {
    super(message);
    this.name = 'api_error';
    this.code = code;
    /** HTTP status, 0 if there was no answer. */
    this.status = more.status ?? 0;
    /** The problem document, or {}. */
    this.problem = more.problem ?? {};
    this.retry_after_ms = more.retry_after_ms ?? null;
  }
}

/** A fresh Idempotency-Key: 128 random bits. Works on plain HTTP too, where randomUUID does not exist. */
export function idempotency_key() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** A version 4 UUID (RFC 9562 section 5.4). */
export function random_uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * @param {Headers} headers
 * @param {number} [now_ms]
 * @returns {number | null} Retry-After in milliseconds (RFC 9110 section 10.2.3), null if absent or unreadable
 */
export function retry_after_ms(headers, now_ms = Date.now()) {
  const value = headers.get('retry-after')?.trim();
  if (!value) {
    return null;
  }
  if (/^\d+$/.test(value)) {
    return Number(value) * 1000;
  }
  const at = Date.parse(value);
  return Number.isFinite(at) ? Math.max(0, at - now_ms) : null;
}

const RETRY_STATUS = new Set([429, 502, 503, 504]);
/** A server that asks for a longer pause than this is reported to the caller instead. */
const RETRY_AFTER_LIMIT_MS = 10_000;

/** @param {api_request} request */
function is_repeatable(request) {
  const method = request.method ?? 'GET';
  return method === 'GET' || method === 'PUT' || method === 'DELETE'
    || request.idempotency_key !== undefined || request.repeatable === true;
}

/** @param {api_error} error */
function is_passing(error) {
  return error.code === 'timeout' || error.code === 'network'
    || error.code === 'idempotency_in_flight' || RETRY_STATUS.has(error.status);
}

/** @param {Response} response */
async function read_body(response) {
  if (response.status === 204 || response.status === 304) {
    return null;
  }
  const type = response.headers.get('content-type') ?? '';
  if (/[/+]json\b/.test(type)) {
    const text = await response.text();
    return text === '' ? null : JSON.parse(text);
  }
  return response.arrayBuffer();
}

/** @param {Response} response @param {any} body */
function problem_error(response, body) {
  const problem = body !== null && typeof body === 'object' && !(body instanceof ArrayBuffer) ? body : {};
  const code = typeof problem.code === 'string' ? problem.code : `http_${response.status}`;
  const message = problem.detail ?? problem.title ?? `The server answered ${response.status}`;
  return new api_error(code, message, {
    status: response.status, problem, retry_after_ms: retry_after_ms(response.headers),
  });
}

/**
 * @param {typeof fetch} fetch_fn
 * @param {string} url
 * @param {api_request} request
 * @returns {Promise<api_reply>}
 */
async function attempt_call(fetch_fn, url, request) {
  /** @type {Record<string, string>} */
  const headers = { accept: request.accept ?? 'application/json' };
  if (request.authorization) {
    headers.authorization = request.authorization;
  }
  if (request.idempotency_key) {
    headers['idempotency-key'] = request.idempotency_key;
  }
  if (request.body !== undefined) {
    headers['content-type'] = 'application/json';
  }
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), request.timeout_ms ?? 10_000);
  const give_up = () => deadline.abort();
  request.signal?.addEventListener('abort', give_up);
  try {
    const response = await fetch_fn(url, {
      method: request.method ?? 'GET',
      headers,
      body: request.body === undefined ? undefined : JSON.stringify(request.body),
      signal: deadline.signal,
    });
    const body = await read_body(response);
    if (!response.ok) {
      throw problem_error(response, body);
    }
    return { status: response.status, headers: response.headers, body };
  } catch (error) {
    if (error instanceof api_error) {
      throw error;
    }
    if (request.signal?.aborted) {
      throw new api_error('aborted', 'The call was given up');
    }
    if (deadline.signal.aborted) {
      throw new api_error('timeout', 'The server did not answer in time');
    }
    throw new api_error('network', 'The server could not be reached');
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener('abort', give_up);
  }
}

/**
 * @param {{origin?: string, fetch?: typeof fetch, clock?: import('./clock.js').server_clock,
 *          random?: () => number}} [options] `clock` learns from every `serverNow` that passes by
 * @returns {api_client}
 */
export function create_api(options = {}) {
  const origin = options.origin ?? '';
  const fetch_fn = options.fetch ?? ((input, init) => fetch(input, init));
  const clock = options.clock;

  return {
    async call(path, request = {}) {
      const attempts = is_repeatable(request) ? request.attempts ?? 3 : 1;
      for (let attempt = 0; ; attempt++) {
        try {
          const sent_at = clock?.monotonic() ?? 0;
          const reply = await attempt_call(fetch_fn, origin + path, request);
          if (reply.body && typeof reply.body.serverNow === 'string') {
            clock?.observe(reply.body.serverNow, sent_at, clock.monotonic());
          }
          return reply;
        } catch (error) {
          const failure = /** @type {api_error} */ (error);
          const pause = failure.retry_after_ms ?? backoff_delay(attempt, { random: options.random });
          if (attempt + 1 >= attempts || !is_passing(failure) || pause > RETRY_AFTER_LIMIT_MS) {
            throw failure;
          }
          await sleep(pause, request.signal);
          if (request.signal?.aborted) {
            throw new api_error('aborted', 'The call was given up');
          }
        }
      }
    },
  };
}
