// @ts-check
/** A seat in words: for labels, tips and screen readers. */
import { SEAT_ACCESSIBLE, SEAT_COMPANION, SEAT_PLACE, SEAT_RESTRICTED_VIEW } from '../sdk/layout.js';
import { BLOCKED, FREE, HELD, SOLD } from '../sdk/seatmap_frames.js';
import { format_money } from './format.js';
import { seat_number } from './map_labels.js';

/** @typedef {{id: string, name: string, amount: number}} price_level */

/** @type {Record<number, string>} */
const STATE_WORDS = {
  [FREE]: 'available', [HELD]: 'in somebody’s basket', [SOLD]: 'sold', [BLOCKED]: 'not on sale',
};

/** @param {number} state */
export function state_words(state) {
  return STATE_WORDS[state] ?? 'unknown';
}

/**
 * @param {import('../sdk/layout.js').layout} layout
 * @param {number} seat
 */
export function seat_place(layout, seat) {
  const row = layout.rows[layout.row[seat]];
  if (layout.flags[seat] & SEAT_PLACE) {
    return layout.label[seat];
  }
  return `${layout.sections[row.section].name}, row ${row.name}, seat ${seat_number(layout.label[seat])}`;
}

/** @param {number} flags */
export function flag_words(flags) {
  const words = [];
  if (flags & SEAT_ACCESSIBLE) {
    words.push('wheelchair place');
  }
  if (flags & SEAT_COMPANION) {
    words.push('companion of a wheelchair place');
  }
  if (flags & SEAT_RESTRICTED_VIEW) {
    words.push('restricted view');
  }
  return words;
}

/**
 * @param {import('../sdk/layout.js').layout} layout
 * @param {price_level[]} levels
 * @param {string} currency
 * @param {number} seat
 */
export function seat_price(layout, levels, currency, seat) {
  return format_money(levels[layout.level[seat]].amount, currency);
}
