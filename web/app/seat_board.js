// @ts-check
/**
 * What every seat looks like right now, as one byte each, for map and list alike: the state from the stream,
 * overlaid with what this buyer has chosen or holds and with the price filter.
 */
import { SEAT_ACCESSIBLE } from '../sdk/layout.js';
import { FREE, HELD } from '../sdk/seatmap_frames.js';
import { LOOK_DIM, LOOK_MINE, LOOK_SQUARE } from './seat_look.js';

/**
 * @typedef {object} board_watcher
 * @property {(seats: Iterable<number>, first: number, end: number) => void} some looks in [first, end) changed
 * @property {() => void} all
 */

/** @typedef {ReturnType<typeof create_seat_board>} seat_board */

/** @param {import('../sdk/layout.js').layout} layout */
export function create_seat_board(layout) {
  const looks = new Uint8Array(layout.seat_count);
  /** @type {Uint8Array} */
  let states = new Uint8Array(layout.seat_count);
  let filter = -1;
  /** @type {Set<number>} */
  const chosen = new Set();
  /** @type {Set<number>} */
  let held = new Set();
  /** @type {board_watcher} */
  let watcher = { some() {}, all() {} };

  const is_mine = (/** @type {number} */ n) => chosen.has(n) || held.has(n);

  /** @param {number} n */
  function look_of(n) {
    const mine = is_mine(n);
    const dim = filter >= 0 && layout.level[n] !== filter && !mine;
    return (mine ? LOOK_MINE : states[n]) | (dim ? LOOK_DIM : 0)
      | (layout.flags[n] & SEAT_ACCESSIBLE ? LOOK_SQUARE : 0);
  }

  function all_changed() {
    for (let n = 0; n < looks.length; n++) {
      looks[n] = look_of(n);
    }
    watcher.all();
  }

  /** @param {Iterable<number>} seats */
  function some_changed(seats) {
    let first = looks.length;
    let end = 0;
    for (const n of seats) {
      looks[n] = look_of(n);
      first = Math.min(first, n);
      end = Math.max(end, n + 1);
    }
    if (first < end) {
      watcher.some(seats, first, end);
    }
  }

  return {
    looks,
    states: () => states,
    is_mine,
    watch(/** @type {board_watcher} */ next) {
      watcher = next;
      all_changed();
    },
    set_states(/** @type {Uint8Array} */ next) {
      states = next;
      all_changed();
    },
    /** The stream has changed these in the array given to `set_states`. */
    states_changed(/** @type {Uint32Array} */ seats) {
      some_changed(seats);
    },
    set_filter(/** @type {number} */ level) {
      filter = level;
      all_changed();
    },
    choose(/** @type {number[]} */ seats, /** @type {boolean} */ on) {
      seats.forEach((n) => (on ? chosen.add(n) : chosen.delete(n)));
      some_changed(seats);
    },
    set_held(/** @type {number[]} */ seats) {
      const touched = [...held, ...seats];
      held = new Set(seats);
      some_changed(touched);
    },
    chosen: () => [...chosen],
    /** Chosen but no longer to be had. */
    taken: () => [...chosen].filter((n) => states[n] !== FREE && !(held.has(n) && states[n] === HELD)),
    /** @param {number[]} seats */
    box_of(seats) {
      const xs = seats.map((n) => layout.x[n]);
      const ys = seats.map((n) => layout.y[n]);
      const x = Math.min(...xs);
      const y = Math.min(...ys);
      return { x, y, w: Math.max(...xs) - x, h: Math.max(...ys) - y };
    },
  };
}
