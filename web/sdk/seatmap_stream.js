// @ts-check
/**
 * The live state of every seat of an event, kept current over a WebSocket and never shown going backwards.
 *
 * A snapshot replaces everything unless it is older than what is known. A delta [fromRev, toRev] carries the
 * state at toRev of every seat that changed since fromRev, so it applies if fromRev <= rev < toRev, is skipped
 * if toRev <= rev, and otherwise something is missing: the socket is opened again with `since=rev`.
 * While no socket can be had, availability is polled over HTTP, which carries the same snapshot frame.
 */
import { backoff_delay, sleep } from './backoff.js';
import { delta_unpack, frame_error, frame_parse, snapshot_unpack } from './seatmap_frames.js';

/** @typedef {'connecting' | 'live' | 'polling' | 'gone'} stream_state */

/**
 * @typedef {object} seatmap_stream
 * @property {() => Uint8Array} states one byte per seat; the same array until a snapshot replaces it
 * @property {() => number} rev -1 before the first snapshot
 * @property {() => stream_state} state
 * @property {() => void} close
 */

/**
 * @typedef {object} seatmap_handlers
 * @property {(states: Uint8Array) => void} on_snapshot everything may have changed
 * @property {(seats: Uint32Array, states: Uint8Array) => void} on_delta after `states()` has been updated
 * @property {(state: stream_state) => void} [on_state]
 */

/**
 * @typedef {object} seatmap_options
 * @property {string} event_id
 * @property {import('./api.js').api_client} api
 * @property {seatmap_handlers} handlers
 * @property {string} [availability_url]
 * @property {(url: string, protocol: string) => WebSocket} [open_socket]
 * @property {string} [origin] ws:// or wss://
 * @property {() => number} [random]
 * @property {number} [poll_ms]
 */

const PROTOCOL = 'holdfast.seatmap.v1';
const CLOSE_RESTART = 1012;
const CLOSE_TOO_SLOW = 1013;
const CLOSE_NO_EVENT = 4404;
const CLOSE_RESYNC = 4000;
/** Without a socket for this long, start polling. */
const POLL_AFTER_MS = 2500;

/**
 * @param {Uint8Array} body zlib format (RFC 1950)
 * @param {number} limit bytes it may inflate to
 * @returns {Promise<Uint8Array>}
 */
export async function inflate(body, limit) {
  const stream = new Blob([/** @type {BlobPart} */ (body)]).stream()
    .pipeThrough(new DecompressionStream('deflate'));
  const reader = stream.getReader();
  const out = new Uint8Array(limit);
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return out.subarray(0, length);
      }
      if (length + value.length > limit) {
        throw new frame_error('inflates beyond its seat count');
      }
      out.set(value, length);
      length += value.length;
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error instanceof frame_error ? error : new frame_error('deflate data is damaged');
  }
}

/**
 * The server's own wish, if the close reason names one ("... retry-after-ms=1500"), else full jitter.
 *
 * @param {number} code
 * @param {string} reason
 * @param {number} attempt
 * @param {() => number} random
 * @returns {number} milliseconds to wait before connecting again
 */
export function reconnect_delay(code, reason, attempt, random) {
  const hint = /retry-after-ms=(\d{1,6})/.exec(reason);
  if (hint) {
    return Number(hint[1]);
  }
  if (code === CLOSE_RESYNC) {
    return 0;
  }
  if (code === CLOSE_RESTART) {
    return random() * 5000;
  }
  if (code === CLOSE_TOO_SLOW) {
    return 1000 + random() * 4000;
  }
  return backoff_delay(attempt, { base_ms: 400, cap_ms: 15_000, random });
}

/**
 * What the frames add up to. Frames are applied strictly in the order given, though inflating takes a while.
 *
 * @param {{on_snapshot: seatmap_handlers['on_snapshot'], on_delta: seatmap_handlers['on_delta']}} handlers
 */
export function create_seat_states(handlers) {
  /** @type {Uint8Array} */
  let states = new Uint8Array(0);
  let rev = -1;

  /** @param {import('./seatmap_frames.js').snapshot_frame} frame */
  async function take_snapshot(frame) {
    if (frame.rev < rev) {
      return true;
    }
    const size = Math.ceil(frame.seat_count / 4);
    const body = frame.deflated ? await inflate(frame.body, size) : frame.body;
    states = snapshot_unpack(body, frame.seat_count);
    rev = frame.rev;
    handlers.on_snapshot(states);
    return true;
  }

  /** @param {import('./seatmap_frames.js').delta_frame} frame */
  function take_delta(frame) {
    if (frame.to_rev <= rev) {
      return true;
    }
    // Before the first snapshot rev is -1: every delta is ahead of it.
    if (frame.from_rev > rev) {
      return false;
    }
    const changed = delta_unpack(frame, states.length);
    changed.seats.forEach((seat, i) => { states[seat] = changed.states[i]; });
    rev = frame.to_rev;
    handlers.on_delta(changed.seats, changed.states);
    return true;
  }

  return {
    states: () => states,
    rev: () => rev,
    /**
     * @param {ArrayBuffer | Uint8Array} bytes
     * @returns {Promise<boolean>} false: a change is missing, ask again with `since`
     */
    async take(bytes) {
      const frame = frame_parse(bytes);
      switch (frame.type) {
        case 'snapshot': return take_snapshot(frame);
        case 'delta': return take_delta(frame);
        case 'counts': return true;
      }
    },
  };
}

/**
 * @param {seatmap_options} options
 * @returns {seatmap_stream}
 */
export function open_seatmap_stream(options) {
  const random = options.random ?? Math.random;
  const open_socket = options.open_socket ?? ((url, protocol) => new WebSocket(url, protocol));
  const origin = options.origin ?? location.origin.replace(/^http/, 'ws');
  const event = encodeURIComponent(options.event_id);
  const availability_url = options.availability_url ?? `/v1/events/${event}/availability`;
  const stop = new AbortController();
  const seats = create_seat_states(options.handlers);
  /** @type {stream_state} */
  let state = 'connecting';
  /** @type {WebSocket | null} */
  let socket = null;
  let last_live = performance.now();

  /** @param {stream_state} next */
  function enter(next) {
    if (next !== state) {
      state = next;
      options.handlers.on_state?.(next);
    }
  }

  function stream_url() {
    const since = seats.rev() >= 0 ? `?since=${seats.rev()}` : '';
    return `${origin}/v1/seatmaps/${event}${since}`;
  }

  /** Lives as long as one socket. @returns {Promise<{code: number, reason: string, had_frames: boolean}>} */
  function run_socket() {
    return new Promise((resolve) => {
      const current = open_socket(stream_url(), PROTOCOL);
      let had_frames = false;
      let queue = Promise.resolve();
      socket = current;
      current.binaryType = 'arraybuffer';
      current.onmessage = (message) => {
        queue = queue.then(async () => {
          const fits = await seats.take(message.data);
          if (!fits) {
            current.close(CLOSE_RESYNC, 'gap');
            return;
          }
          had_frames = true;
          enter('live');
        }).catch(() => current.close(CLOSE_RESYNC, 'bad frame'));
      };
      current.onclose = (close) => {
        socket = null;
        last_live = performance.now();
        resolve({ code: close.code, reason: close.reason, had_frames });
      };
    });
  }

  async function keep_socket() {
    for (let attempt = 0; !stop.signal.aborted; attempt++) {
      const ended = await run_socket();
      if (stop.signal.aborted) {
        return;
      }
      if (ended.code === CLOSE_NO_EVENT) {
        stop.abort();
        enter('gone');
        return;
      }
      if (ended.had_frames) {
        attempt = 0;
      }
      enter(state === 'polling' ? 'polling' : 'connecting');
      // A resync that brought nothing must not become a busy loop.
      const code = ended.had_frames || ended.code !== CLOSE_RESYNC ? ended.code : 0;
      await sleep(reconnect_delay(code, ended.reason, attempt, random), stop.signal);
    }
  }

  async function poll_once() {
    try {
      const reply = await options.api.call(availability_url, {
        accept: 'application/octet-stream', signal: stop.signal, attempts: 1,
      });
      if (state !== 'live' && reply.body instanceof ArrayBuffer) {
        await seats.take(reply.body);
        enter('polling');
      }
    } catch {
      // The next turn asks again; the page shows that the picture is not live.
    }
  }

  async function keep_polling() {
    while (!stop.signal.aborted) {
      if (state !== 'live' && performance.now() - last_live > POLL_AFTER_MS) {
        await poll_once();
      }
      await sleep((options.poll_ms ?? 2000) * (0.75 + random() / 2), stop.signal);
    }
  }

  keep_socket();
  keep_polling();
  return {
    states: seats.states,
    rev: seats.rev,
    state: () => state,
    close() {
      stop.abort();
      socket?.close(1000);
    },
  };
}
