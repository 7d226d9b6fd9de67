// @ts-check
/**
 * A venue's layout as typed arrays: what drawing, picking and the seat list share. The only module that
 * knows the shape of the layout document.
 */

/** Bits of `flags`, for the words the document uses. */
export const SEAT_ACCESSIBLE = 1;
export const SEAT_COMPANION = 2;
export const SEAT_RESTRICTED_VIEW = 4;
/** A gap follows in the row. */
export const SEAT_AISLE = 8;
/** A place of a general-admission area: which one it is means nothing. */
export const SEAT_PLACE = 16;

/** @type {Record<string, number>} */
const FLAG_BITS = {
  accessible: SEAT_ACCESSIBLE, companion: SEAT_COMPANION, restricted_view: SEAT_RESTRICTED_VIEW,
  aisle: SEAT_AISLE,
};

/**
 * @typedef {object} layout_section
 * @property {string} id
 * @property {string} name
 * @property {number} first_row index into `rows`
 * @property {number} row_count
 * @property {number} seat_count
 * @property {{x: number, y: number, w: number, h: number}} box
 */
/**
 * @typedef {object} layout_row
 * @property {string} name
 * @property {number} section index into `sections`
 * @property {Uint32Array} seats from one end of the row to the other
 */
/**
 * @typedef {object} layout
 * @property {number} seat_count
 * @property {Float32Array} x
 * @property {Float32Array} y
 * @property {Uint8Array} level index into the event's price levels
 * @property {Uint8Array} flags
 * @property {Uint32Array} row index into `rows`
 * @property {string[]} label
 * @property {layout_section[]} sections
 * @property {layout_row[]} rows
 * @property {{x: number, y: number, w: number, h: number}} box around all seats
 * @property {number} pitch the usual distance between neighbours in a row
 */

/** @param {Float32Array} x @param {Float32Array} y @param {Iterable<number>} seats */
function box_around(x, y, seats) {
  let left = Infinity;
  let top = Infinity;
  let right = -Infinity;
  let bottom = -Infinity;
  for (const n of seats) {
    left = Math.min(left, x[n]);
    right = Math.max(right, x[n]);
    top = Math.min(top, y[n]);
    bottom = Math.max(bottom, y[n]);
  }
  return left > right ? { x: 0, y: 0, w: 0, h: 0 } : { x: left, y: top, w: right - left, h: bottom - top };
}

/** @param {layout_row[]} rows @param {Float32Array} x @param {Float32Array} y */
function usual_pitch(rows, x, y) {
  const gaps = [];
  const stride = Math.max(1, Math.floor(rows.length / 200));
  for (let r = 0; r < rows.length; r += stride) {
    const seats = rows[r].seats;
    for (let i = 1; i < seats.length; i++) {
      gaps.push(Math.hypot(x[seats[i]] - x[seats[i - 1]], y[seats[i]] - y[seats[i - 1]]));
    }
  }
  gaps.sort((a, b) => a - b);
  return gaps.length > 0 && gaps[gaps.length >> 1] > 0 ? gaps[gaps.length >> 1] : 1;
}

/** @param {string[]} names */
function index_by(names) {
  return new Map(names.map((name, i) => [name, i]));
}

/** @param {string[] | undefined} words */
function flag_bits(words) {
  return (words ?? []).reduce((bits, word) => bits | (FLAG_BITS[word] ?? 0), 0);
}

/** @param {number} first @param {number} count */
function run_of(first, count) {
  return Uint32Array.from({ length: count }, (_, i) => first + i);
}

/**
 * Spreads an area's places over its rectangle, so that it is drawn and picked from like seats.
 *
 * @param {any} area
 * @param {layout} layout
 * @param {number} row
 * @param {number} level
 */
function place_area(area, layout, row, level) {
  const columns = Math.max(1, Math.round(Math.sqrt(area.capacity * area.w / Math.max(area.h, 0.001))));
  const lines = Math.ceil(area.capacity / columns);
  for (let i = 0; i < area.capacity; i++) {
    const n = area.first + i;
    layout.x[n] = area.x + (i % columns + 0.5) * area.w / columns;
    layout.y[n] = area.y + (Math.floor(i / columns) + 0.5) * area.h / lines;
    layout.level[n] = level;
    layout.flags[n] = SEAT_PLACE;
    layout.row[n] = row;
    layout.label[n] = `${area.name} ${i + 1}`;
  }
}

/** @param {layout} layout */
function describe_sections(layout) {
  layout.sections.forEach((section, s) => {
    const own = layout.rows.filter((row) => row.section === s);
    const seats = own.flatMap((row) => Array.from(row.seats));
    section.first_row = Math.max(0, layout.rows.findIndex((row) => row.section === s));
    section.row_count = own.length;
    section.seat_count = seats.length;
    section.box = box_around(layout.x, layout.y, seats);
  });
}

/** @param {any} document @returns {layout} sections and rows named, areas as sections of one row; no seats yet */
function blank_layout(document) {
  const count = document.seatCount;
  const areas = document.areas ?? [];
  const blank = { first_row: 0, row_count: 0, seat_count: 0, box: { x: 0, y: 0, w: 0, h: 0 } };
  const named = [...document.sections, ...areas];
  const section_index = index_by(document.sections.map((/** @type {any} */ s) => s.id));
  const seated = document.rows.map((/** @type {any} */ row) => ({
    name: row.name, section: section_index.get(row.section) ?? 0, seats: run_of(row.first, row.count),
  }));
  const standing = areas.map((/** @type {any} */ area, /** @type {number} */ i) => ({
    name: area.name, section: document.sections.length + i, seats: run_of(area.first, area.capacity),
  }));
  return {
    seat_count: count,
    x: new Float32Array(count), y: new Float32Array(count),
    level: new Uint8Array(count), flags: new Uint8Array(count),
    row: new Uint32Array(count), label: new Array(count).fill(''),
    sections: named.map(({ id, name }) => ({ id, name, ...blank })),
    rows: [...seated, ...standing].sort((a, b) => a.section - b.section),
    box: { x: 0, y: 0, w: 0, h: 0 }, pitch: 1,
  };
}

/**
 * @param {any} document the body of GET /v1/events/{eventId}/layout
 * @param {string[]} level_ids the event's price levels, in order
 * @returns {layout}
 */
export function layout_read(document, level_ids) {
  const layout = blank_layout(document);
  const levels = index_by(level_ids);
  layout.rows.forEach((row, i) => row.seats.forEach((n) => { layout.row[n] = i; }));
  for (const seat of document.seats) {
    layout.x[seat.n] = seat.x;
    layout.y[seat.n] = seat.y;
    layout.level[seat.n] = levels.get(seat.priceLevel) ?? 0;
    layout.flags[seat.n] = flag_bits(seat.flags);
    layout.label[seat.n] = seat.label;
  }
  for (const area of document.areas ?? []) {
    place_area(area, layout, layout.row[area.first], levels.get(area.priceLevel) ?? 0);
  }
  describe_sections(layout);
  layout.box = box_around(layout.x, layout.y, layout.label.keys());
  layout.pitch = usual_pitch(layout.rows, layout.x, layout.y);
  return layout;
}
