// @ts-check
/** Seats bucketed by place: which are near a point, which are in a box, without looking at all of them. */

/**
 * @typedef {object} seat_grid
 * @property {(x: number, y: number, reach: number) => number} nearest the seat, or -1
 * @property {(b: {x: number, y: number, w: number, h: number}, visit: (seat: number) => void) => void} each_in
 */

/** Seats of a cell, on average. */
const CELL_SEATS = 16;

/**
 * @param {import('../sdk/layout.js').layout} layout
 * @returns {seat_grid}
 */
export function create_seat_grid(layout) {
  const { x, y, box, seat_count } = layout;
  const area = Math.max(box.w, layout.pitch) * Math.max(box.h, layout.pitch);
  const cell = Math.max(layout.pitch, Math.sqrt(area * CELL_SEATS / Math.max(1, seat_count)));
  const columns = Math.floor(box.w / cell) + 1;
  const lines = Math.floor(box.h / cell) + 1;
  const start = new Uint32Array(columns * lines + 1);
  const seats = new Uint32Array(seat_count);

  /** @param {number} value @param {number} origin @param {number} count */
  const slot = (value, origin, count) => Math.min(count - 1, Math.max(0, Math.floor((value - origin) / cell)));
  /** @param {number} n */
  const cell_of = (n) => slot(y[n], box.y, lines) * columns + slot(x[n], box.x, columns);

  // Counting sort by cell.
  for (let n = 0; n < seat_count; n++) {
    start[cell_of(n) + 1]++;
  }
  for (let i = 1; i < start.length; i++) {
    start[i] += start[i - 1];
  }
  const fill = start.slice();
  for (let n = 0; n < seat_count; n++) {
    seats[fill[cell_of(n)]++] = n;
  }

  /** @type {seat_grid['each_in']} */
  function each_in(b, visit) {
    const left = slot(b.x, box.x, columns);
    const right = slot(b.x + b.w, box.x, columns);
    const bottom = slot(b.y + b.h, box.y, lines);
    for (let line = slot(b.y, box.y, lines); line <= bottom; line++) {
      const end = start[line * columns + right + 1];
      for (let i = start[line * columns + left]; i < end; i++) {
        visit(seats[i]);
      }
    }
  }

  return {
    each_in,
    nearest(px, py, reach) {
      let best = -1;
      let best_distance = reach;
      each_in({ x: px - reach, y: py - reach, w: 2 * reach, h: 2 * reach }, (n) => {
        const distance = Math.hypot(x[n] - px, y[n] - py);
        if (distance <= best_distance) {
          best = n;
          best_distance = distance;
        }
      });
      return best;
    },
  };
}
