// @ts-check
/**
 * The server's time as seen from here. Expiries are absolute and the buyer's clock may be wrong by hours,
 * so every reply that carries `serverNow` is an observation, and the one with the shortest round trip wins
 * (its error is at most half of that). Between observations the monotonic clock runs on.
 */

/**
 * @typedef {object} server_clock
 * @property {() => number} now milliseconds since 1970, server's time
 * @property {(server_now: string | undefined, sent_at: number, received_at: number) => void} observe
 *   takes `serverNow` of a reply and when, by `monotonic`, it was asked for and arrived
 * @property {(instant: string | number) => number} remaining milliseconds until the instant, never negative
 * @property {() => number} monotonic
 */

/** An observation this old is replaced by any newer one: clocks drift, and machines sleep. */
const STALE_MS = 5 * 60_000;

/**
 * @param {{monotonic?: () => number, wall?: () => number}} [source]
 * @returns {server_clock}
 */
export function create_server_clock(source = {}) {
  const monotonic = source.monotonic ?? (() => performance.now());
  const wall = source.wall ?? (() => Date.now());
  let offset = wall() - monotonic();
  let best_round_trip = Infinity;
  let observed_at = -Infinity;

  const now = () => monotonic() + offset;
  return {
    now,
    monotonic,
    observe(server_now, sent_at, received_at) {
      const at = server_now === undefined ? NaN : Date.parse(server_now);
      const round_trip = received_at - sent_at;
      const fresh = received_at - observed_at < STALE_MS;
      if (!Number.isFinite(at) || round_trip < 0 || (fresh && round_trip > best_round_trip)) {
        return;
      }
      offset = at - (sent_at + received_at) / 2;
      best_round_trip = round_trip;
      observed_at = received_at;
    },
    remaining(instant) {
      const at = typeof instant === 'number' ? instant : Date.parse(instant);
      return Math.max(0, at - now());
    },
  };
}
