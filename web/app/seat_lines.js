// @ts-check
/** Chosen or held seats, one line each. */
import { make } from './dom.js';
import { format_money } from './format.js';
import { seat_place } from './seat_words.js';

/**
 * @param {HTMLElement} root
 * @param {object} shown
 * @param {import('../sdk/layout.js').layout} shown.layout
 * @param {number[]} shown.seats
 * @param {string} shown.currency
 * @param {(seat: number) => number} shown.price_of
 * @param {(seat: number) => void} [shown.on_remove]
 */
export function show_seat_lines(root, { layout, seats, currency, price_of, on_remove }) {
  root.replaceChildren(...seats.map((n) => {
    const line = make('li', { 'data-level': String(layout.level[n] % 8) },
      make('span', { class: 'swatch', 'aria-hidden': 'true' }),
      make('span', { class: 'seat-name' }, make('b', {}, layout.label[n]), make('span', {}, seat_place(layout, n))),
      make('span', {}, format_money(price_of(n), currency)));
    if (on_remove) {
      const remove = make('button', { type: 'button', 'aria-label': `Remove ${layout.label[n]}` }, '×');
      remove.addEventListener('click', () => on_remove(n));
      line.append(remove);
    }
    return line;
  }));
}
