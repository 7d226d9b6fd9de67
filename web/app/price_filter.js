// @ts-check
/** The price levels as a legend that is also a filter: one pressed, the rest of the map steps back. */
import { make } from './dom.js';
import { format_money } from './format.js';

/**
 * @param {object} options
 * @param {HTMLElement} options.root
 * @param {import('./seat_words.js').price_level[]} options.levels
 * @param {string} options.currency
 * @param {(level: number) => void} options.on_filter -1: all
 */
export function create_price_filter({ root, levels, currency, on_filter }) {
  let chosen = -1;
  const buttons = levels.map((level, i) => {
    const button = make('button', { type: 'button', 'aria-pressed': 'false', 'data-level': String(i % 8) },
      make('span', { class: 'swatch', 'aria-hidden': 'true' }),
      `${level.name} ${format_money(level.amount, currency)}`);
    button.addEventListener('click', () => {
      chosen = chosen === i ? -1 : i;
      buttons.forEach((b, k) => b.setAttribute('aria-pressed', String(k === chosen)));
      on_filter(chosen);
    });
    return button;
  });
  root.replaceChildren(...buttons);
}
