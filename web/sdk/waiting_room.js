// @ts-check
/**
 * One visitor's way through the waiting room: join, wait, be called, take the pass.
 *
 * The place belongs to the ticket, which is kept in the browser's lasting storage under the event, so a
 * reload, a second tab or tomorrow finds the same place. The join id is stored before the first attempt:
 * a join whose answer was lost is repeated with it and gives the same ticket.
 *
 *   line     the one small public document, pushed over WebSocket or polled; it moves `serving`
 *   own      GET tickets/me at the pace the server dictates; it is the sign of presence, and the truth
 *   pass     asked for as soon as the own number is below `serving`
 *
 * How many are ahead is computed from the own number and `serving` and is never shown growing.
 */
import { api_error, random_uuid } from './api.js';
import { backoff_delay, sleep } from './backoff.js';
import { lasting_store, tab_store } from './store.js';

/** @typedef {'prequeue' | 'waiting' | 'called' | 'admitted' | 'missed'} place_state */

/**
 * @typedef {object} queue_line the public state of the queue
 * @property {string} phase idle, prequeue, draw, open, paused or closed
 * @property {number} serving
 * @property {number} [issued]
 * @property {number} waiting
 * @property {number} ratePerMinute
 * @property {string | null} [opensAt]
 * @property {number | null} [seatsLeft]
 * @property {number | null} [priceFrom]
 * @property {number | null} [priceTo]
 * @property {string | null} [currency]
 * @property {object | null} [draw] null where numbers follow the order of arrival
 */

/**
 * @typedef {object} waiting_view what a page shows
 * @property {queue_line | null} line
 * @property {place_state | 'joining' | 'refused'} place
 * @property {number | null} number
 * @property {number | null} ahead
 * @property {number | null} ahead_at_start for a measure of progress
 * @property {{low: number, high: number} | null} eta seconds
 * @property {'connecting' | 'live' | 'polling' | 'offline'} link
 * @property {string | null} refusal code of the error that ended the attempt to join
 */

/**
 * @typedef {object} waiting_room
 * @property {() => waiting_view} view
 * @property {() => void} rejoin gives up a missed turn and joins at the end of the line
 * @property {() => void} close
 */

/**
 * @typedef {object} waiting_options
 * @property {string} event_id
 * @property {import('./api.js').api_client} api
 * @property {(view: waiting_view) => void} on_view
 * @property {(pass: stored_pass) => void} on_pass
 * @property {(url: string) => WebSocket} [open_socket]
 * @property {string} [origin]
 * @property {() => number} [random]
 * @property {import('./store.js').json_store} [store]
 * @property {import('./store.js').json_store} [pass_store]
 */

/** @typedef {{pass: string, expiresAt: string}} stored_pass */
/**
 * @typedef {object} stored_place
 * @property {string} join_id
 * @property {string | null} ticket
 * @property {number | null} number
 * @property {number | null} ahead the least ever shown
 * @property {number | null} ahead_at_start
 */

/** Pauses are the server's to choose, within reason. */
const POLL_MIN_MS = 500;
const POLL_MAX_MS = 60_000;
/** A pushed frame comes at most once a second; a socket silent for this long is not trusted alone. */
const STREAM_SILENT_MS = 15_000;
/** Numbers exist once the sale has opened; they are asked for over this long. */
const OPENING_SPREAD_MS = 2000;
/** A missed turn stays missed; only joining again ends this rest early. */
const MISSED_REST_MS = 3_600_000;

/** @param {string} event_id */
const place_key = (event_id) => `holdfast.place.${event_id}`;
/** @param {string} event_id */
const pass_key = (event_id) => `holdfast.pass.${event_id}`;

/** @param {string} event_id @param {import('./store.js').json_store} [store] @returns {stored_pass | null} */
export function pass_load(event_id, store = tab_store) {
  return store.get(pass_key(event_id));
}

/**
 * A spent or expired pass takes its place with it: the next visit joins anew.
 *
 * @param {string} event_id
 */
export function pass_forget(event_id) {
  tab_store.remove(pass_key(event_id));
  lasting_store.remove(place_key(event_id));
}

/**
 * @param {number | null} number
 * @param {number} serving
 * @param {number | null} shown the least shown so far
 * @returns {number | null} people ahead, never more than `shown`
 */
export function people_ahead(number, serving, shown) {
  if (number === null) {
    return null;
  }
  const ahead = Math.max(0, number - serving);
  return shown === null ? ahead : Math.min(ahead, shown);
}

/** @param {unknown} ms @param {() => number} random */
function pause_of(ms, random) {
  const wanted = typeof ms === 'number' && Number.isFinite(ms) ? ms : 5000;
  return Math.min(POLL_MAX_MS, Math.max(POLL_MIN_MS, wanted)) * (0.9 + random() * 0.2);
}

/** @param {unknown} error @returns {api_error} */
function as_api_error(error) {
  return error instanceof api_error ? error : new api_error('bug', String(error));
}

/**
 * @param {waiting_options} options
 * @returns {waiting_room}
 */
export function open_waiting_room(options) {
  const { event_id, api } = options;
  const random = options.random ?? Math.random;
  const store = options.store ?? lasting_store;
  const pass_store = options.pass_store ?? tab_store;
  const origin = options.origin ?? location.origin.replace(/^http/, 'ws');
  const open_socket = options.open_socket ?? ((url) => new WebSocket(url));
  const base = `/v1/queues/${encodeURIComponent(event_id)}`;
  const stop = new AbortController();

  /** @type {stored_place} */
  let place = store.get(place_key(event_id)) ?? fresh_place();
  /** @type {waiting_view} */
  const view = {
    line: null, place: 'joining', number: place.number, ahead: place.ahead,
    ahead_at_start: place.ahead_at_start, eta: null, link: 'connecting', refusal: null,
  };
  /** Cut short to look again at once. */
  let nap = new AbortController();
  let pass_asked_again_at = 0;
  let pass_pending = false;
  let last_frame = -Infinity;
  /** @type {WebSocket | null} */
  let socket = null;

  /** @returns {stored_place} */
  function fresh_place() {
    return { join_id: random_uuid(), ticket: null, number: null, ahead: null, ahead_at_start: null };
  }

  function publish() {
    if (!stop.signal.aborted) {
      options.on_view({ ...view });
    }
  }

  /** @param {number} ms */
  async function rest(ms) {
    nap = new AbortController();
    await sleep(ms, AbortSignal.any ? AbortSignal.any([nap.signal, stop.signal]) : nap.signal);
  }

  /** Places the own number against the line. @param {number | null} [serving] */
  function recount(serving = view.line?.serving ?? null) {
    view.number = place.number;
    if (place.number !== null && serving !== null) {
      place.ahead = people_ahead(place.number, serving, place.ahead);
      place.ahead_at_start ??= place.ahead;
      store.set(place_key(event_id), place);
    }
    view.ahead = place.ahead;
    view.ahead_at_start = place.ahead_at_start;
    if (place.number !== null && serving !== null && place.number < serving
        && (view.place === 'waiting' || view.place === 'called')) {
      view.place = 'called';
      take_pass();
    }
  }

  /** @param {Partial<queue_line>} news */
  function take_line(news) {
    const before = view.line;
    const was_open = before?.phase === 'open' || before?.phase === 'paused';
    const serving = Math.max(before?.serving ?? 0, news.serving ?? 0);
    view.line = /** @type {queue_line} */ ({ ...before, ...news, serving });
    if (!was_open && view.line.phase === 'open' && place.ticket !== null && place.number === null) {
      // Everybody hears of the opening in the same second; they need not all ask in it.
      setTimeout(() => nap.abort(), random() * OPENING_SPREAD_MS);
    }
    recount();
    publish();
  }

  /** @param {any} body of a join or of tickets/me */
  function take_own(body) {
    if (typeof body.number === 'number') {
      place.number = body.number;
    }
    view.eta = body.etaSeconds ?? null;
    if (body.state) {
      view.place = body.state;
    } else if (body.phase) {
      view.place = body.number === null ? 'prequeue' : 'waiting';
    }
    if (typeof body.position === 'number' && place.number !== null) {
      recount(Math.max(view.line?.serving ?? 0, place.number - body.position));
    } else {
      recount();
    }
    if (view.place === 'called' || view.place === 'admitted') {
      take_pass();
    }
    publish();
  }

  async function join() {
    store.set(place_key(event_id), place);
    const reply = await api.call(`${base}/tickets`, {
      method: 'POST', body: { joinId: place.join_id }, repeatable: true, signal: stop.signal,
    });
    place.ticket = reply.body.ticket;
    store.set(place_key(event_id), place);
    take_own(reply.body);
    return reply.body.nextPollMs;
  }

  const authorization = () => `Ticket ${place.ticket}`;

  async function look_up() {
    const reply = await api.call(`${base}/tickets/me`, {
      authorization: authorization(), signal: stop.signal, attempts: 1,
    });
    take_own(reply.body);
    return reply.body.nextPollMs;
  }

  /** Never two at once; a "not yet" is asked again no sooner than the server said. */
  async function take_pass() {
    if (pass_pending || stop.signal.aborted || performance.now() < pass_asked_again_at) {
      return;
    }
    pass_pending = true;
    try {
      const reply = await api.call(`${base}/passes`, {
        method: 'POST', authorization: authorization(), repeatable: true, signal: stop.signal,
      });
      if (reply.status === 202) {
        pass_asked_again_at = performance.now() + (reply.body?.nextPollMs ?? 1000);
        return;
      }
      const pass = { pass: reply.body.pass, expiresAt: reply.body.expiresAt };
      pass_store.set(pass_key(event_id), pass);
      view.place = 'admitted';
      publish();
      close();
      options.on_pass(pass);
    } catch (error) {
      const failure = as_api_error(error);
      pass_asked_again_at = performance.now() + (failure.retry_after_ms ?? 1000);
      if (failure.code === 'turn_missed') {
        view.place = 'missed';
        publish();
      }
    } finally {
      pass_pending = false;
    }
  }

  /** @param {api_error} failure @returns {boolean} whether it makes sense to go on */
  function take_failure(failure) {
    if (failure.code === 'ticket_invalid' && place.ticket !== null) {
      place.ticket = null;
      return true;
    }
    if (failure.code === 'ticket_expired') {
      place = fresh_place();
      return true;
    }
    const final = failure.status === 404 || failure.status === 403 || failure.status === 422;
    if (final) {
      view.place = 'refused';
      view.refusal = failure.code;
    } else {
      view.link = 'offline';
    }
    publish();
    return !final;
  }

  async function keep_place() {
    for (let failures = 0; !stop.signal.aborted;) {
      try {
        const next_ms = place.ticket === null ? await join() : await look_up();
        failures = 0;
        if (view.link === 'offline') {
          view.link = 'polling';
          publish();
        }
        const soon = view.place === 'called' || (place.number === null && view.line?.phase === 'open');
        await rest(pause_of(soon ? OPENING_SPREAD_MS : next_ms, random));
      } catch (error) {
        const failure = as_api_error(error);
        if (stop.signal.aborted) {
          return;
        }
        const go_on = take_failure(failure);
        // A closed or unknown queue may open yet; that is asked for, but rarely.
        const pause = go_on ? backoff_delay(failures++, { base_ms: 1000, cap_ms: 15_000, random }) : 10_000;
        await rest(Math.max(failure.retry_after_ms ?? 0, pause));
      }
      if (view.place === 'missed' && view.line?.phase !== 'closed') {
        await rest(MISSED_REST_MS);
      }
    }
  }

  async function keep_line() {
    while (!stop.signal.aborted) {
      let next_ms = 2000;
      const quiet = performance.now() - last_frame > STREAM_SILENT_MS;
      if (view.line === null || socket?.readyState !== WebSocket.OPEN || quiet) {
        try {
          const reply = await api.call(base, { signal: stop.signal, attempts: 1 });
          next_ms = reply.body.nextPollMs;
          if (socket?.readyState !== WebSocket.OPEN) {
            view.link = 'polling';
          }
          take_line(reply.body);
        } catch (error) {
          take_failure(as_api_error(error));
        }
      }
      await sleep(pause_of(next_ms, random), stop.signal);
    }
  }

  async function keep_stream() {
    for (let attempt = 0; !stop.signal.aborted; attempt++) {
      await new Promise((resolve) => {
        const current = open_socket(`${origin}${base}/stream`);
        socket = current;
        current.onmessage = (message) => {
          attempt = 0;
          last_frame = performance.now();
          view.link = 'live';
          take_line(JSON.parse(message.data));
        };
        current.onclose = resolve;
      });
      if (view.link === 'live') {
        view.link = 'connecting';
        publish();
      }
      await sleep(backoff_delay(attempt, { base_ms: 1000, cap_ms: 30_000, random }), stop.signal);
    }
  }

  function close() {
    stop.abort();
    nap.abort();
    socket?.close(1000);
  }

  keep_line();
  keep_place();
  keep_stream();
  return {
    view: () => ({ ...view }),
    rejoin() {
      place = fresh_place();
      Object.assign(view, { place: 'joining', number: null, ahead: null, ahead_at_start: null, eta: null });
      store.set(place_key(event_id), place);
      publish();
      nap.abort();
    },
    close,
  };
}
