// @ts-check
/**
 * Seats side by side, found on the map as it is shown. A proposal only: the server decides who gets them.
 */
import { SEAT_ACCESSIBLE, SEAT_AISLE, SEAT_COMPANION } from '../sdk/layout.js';
import { FREE } from '../sdk/seatmap_frames.js';

/**
 * @typedef {object} block_wish
 * @property {number} quantity
 * @property {number} [level] only seats of this price level
 * @property {{x: number, y: number}} [near] the nearer the better; without it, spread over all good ones
 * @property {() => number} [random]
 */

/**
 * Runs of free neighbours in a row; an aisle parts them.
 *
 * @param {import('../sdk/layout.js').layout} layout
 * @param {Uint32Array} seats
 * @param {(seat: number) => boolean} usable
 * @returns {number[][]}
 */
function free_runs(layout, seats, usable) {
  /** @type {number[][]} */
  const runs = [];
  let run = [];
  for (const seat of seats) {
    if (usable(seat)) {
      run.push(seat);
    }
    if (run.length > 0 && (!usable(seat) || (layout.flags[seat] & SEAT_AISLE) !== 0)) {
      runs.push(run);
      run = [];
    }
  }
  if (run.length > 0) {
    runs.push(run);
  }
  return runs;
}

/** A seat left alone between taken ones is hard to sell. @param {number} length @param {number} at @param {number} k */
function orphans(length, at, k) {
  return Number(at === 1) + Number(length - at - k === 1);
}

/**
 * @param {import('../sdk/layout.js').layout} layout
 * @param {Uint8Array} states
 * @param {block_wish} wish
 * @returns {number[]} empty if no row has that many side by side
 */
export function find_block(layout, states, wish) {
  const { quantity, level, near, random = Math.random } = wish;
  // Places for wheelchair users and those with them are not offered to everybody.
  const usable = (/** @type {number} */ n) => states[n] === FREE
    && (layout.flags[n] & (SEAT_ACCESSIBLE | SEAT_COMPANION)) === 0
    && (level === undefined || layout.level[n] === level);
  /** @type {number[]} */
  let best = [];
  let best_cost = Infinity;
  for (const row of layout.rows) {
    for (const run of free_runs(layout, row.seats, usable)) {
      for (let at = 0; at + quantity <= run.length; at++) {
        const middle = run[at + (quantity >> 1)];
        const distance = near
          ? Math.hypot(layout.x[middle] - near.x, layout.y[middle] - near.y) / layout.pitch
          : random() * 100;
        const cost = distance + 1000 * orphans(run.length, at, quantity);
        if (cost < best_cost) {
          best_cost = cost;
          best = run.slice(at, at + quantity);
        }
      }
    }
  }
  return best;
}
