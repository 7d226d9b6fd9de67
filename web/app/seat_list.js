// @ts-check
/**
 * The same seats as a list: section, row, seat, as an ARIA grid of one section at a time. Arrow keys move,
 * Home and End go to the ends of a row, Enter or Space chooses. One cell is in the tab order.
 */
import { FREE } from '../sdk/seatmap_frames.js';
import { make, set_text } from './dom.js';
import { format_count } from './format.js';
import { seat_number } from './map_labels.js';
import { LOOK_KIND, LOOK_MINE } from './seat_look.js';
import { flag_words, seat_place, seat_price, state_words } from './seat_words.js';

/**
 * @typedef {object} seat_list
 * @property {(seats: Iterable<number>) => void} seats_changed
 * @property {() => void} all_changed
 * @property {(section: number) => void} show_section
 */

/** Section names are re-counted at most this often while seats change. */
const COUNT_EVERY_MS = 1000;

/**
 * @param {object} options
 * @param {HTMLSelectElement} options.picker
 * @param {HTMLElement} options.grid
 * @param {import('../sdk/layout.js').layout} options.layout
 * @param {Uint8Array} options.looks
 * @param {import('./seat_words.js').price_level[]} options.levels
 * @param {string} options.currency
 * @param {(seat: number) => void} options.on_pick
 * @param {(section: number) => void} options.on_section
 * @returns {seat_list}
 */
export function create_seat_list({ picker, grid, layout, looks, levels, currency, on_pick, on_section }) {
  /** @type {Map<number, HTMLElement>} cells of the section shown */
  let cells = new Map();
  let section = -1;
  let count_timer = 0;

  /** @param {number} s */
  function rows_of(s) {
    const { first_row, row_count } = layout.sections[s];
    return layout.rows.slice(first_row, first_row + row_count);
  }

  function count_sections() {
    count_timer = 0;
    layout.sections.forEach((described, s) => {
      let free = 0;
      for (const row of rows_of(s)) {
        for (const n of row.seats) {
          free += Number((looks[n] & LOOK_KIND) === FREE);
        }
      }
      set_text(picker.options[s], `${described.name} · ${format_count(free)} free`);
    });
  }

  /** @param {number} n @param {HTMLElement} cell */
  function describe(n, cell) {
    const kind = looks[n] & LOOK_KIND;
    const words = kind === LOOK_MINE ? 'chosen' : state_words(kind);
    cell.setAttribute('aria-label', [
      seat_place(layout, n), seat_price(layout, levels, currency, n), ...flag_words(layout.flags[n]), words,
    ].join(', '));
    cell.setAttribute('aria-selected', String(kind === LOOK_MINE));
    cell.setAttribute('aria-disabled', String(kind !== FREE && kind !== LOOK_MINE));
    cell.dataset.state = String(kind);
  }

  /** @param {number} n */
  function make_cell(n) {
    const cell = make('button', { type: 'button', role: 'gridcell', tabindex: '-1', class: 'cell' },
      seat_number(layout.label[n]));
    cell.dataset.seat = String(n);
    cell.dataset.level = String(layout.level[n] % 8);
    describe(n, cell);
    return cell;
  }

  /** @param {number} s */
  function show_section(s) {
    section = s;
    picker.selectedIndex = s;
    cells = new Map();
    const rows = rows_of(s).map((row, i) => {
      const line = make('div', { role: 'row', class: 'grid-row', 'aria-rowindex': String(i + 1) },
        make('span', { role: 'rowheader', class: 'row-name' }, row.name));
      const seats = make('span', { role: 'presentation', class: 'row-seats' });
      for (const n of row.seats) {
        const cell = make_cell(n);
        cells.set(n, cell);
        seats.append(cell);
      }
      line.append(seats);
      return line;
    });
    grid.replaceChildren(...rows);
    grid.setAttribute('aria-label', `Seats of ${layout.sections[s].name}`);
    grid.setAttribute('aria-rowcount', String(rows.length));
    cells.values().next().value?.setAttribute('tabindex', '0');
  }

  /** @param {HTMLElement} cell */
  function focus_cell(cell) {
    grid.querySelector('[tabindex="0"]')?.setAttribute('tabindex', '-1');
    cell.setAttribute('tabindex', '0');
    cell.focus();
  }

  /** @param {HTMLElement} cell @param {string} key @returns {HTMLElement | null} where the key leads */
  function cell_towards(cell, key) {
    const n = Number(cell.dataset.seat);
    const rows = rows_of(section);
    const line = rows.findIndex((row) => row.seats.includes(n));
    const at = rows[line].seats.indexOf(n);
    const in_line = (/** @type {number} */ l, /** @type {number} */ i) => {
      const seats = rows[l]?.seats;
      return seats ? cells.get(seats[Math.min(seats.length - 1, Math.max(0, i))]) ?? null : null;
    };
    switch (key) {
      case 'ArrowLeft': return in_line(line, at - 1);
      case 'ArrowRight': return in_line(line, at + 1);
      case 'ArrowUp': return in_line(line - 1, at);
      case 'ArrowDown': return in_line(line + 1, at);
      case 'Home': return in_line(line, 0);
      case 'End': return in_line(line, Infinity);
      case 'PageUp': return in_line(Math.max(0, line - 5), at);
      case 'PageDown': return in_line(Math.min(rows.length - 1, line + 5), at);
      default: return null;
    }
  }

  grid.addEventListener('keydown', (event) => {
    const cell = event.target instanceof HTMLElement ? event.target.closest('.cell') : null;
    const next = cell instanceof HTMLElement ? cell_towards(cell, event.key) : null;
    if (next) {
      event.preventDefault();
      focus_cell(next);
    }
  });
  grid.addEventListener('click', (event) => {
    const cell = event.target instanceof HTMLElement ? event.target.closest('.cell') : null;
    if (cell instanceof HTMLElement) {
      focus_cell(cell);
      on_pick(Number(cell.dataset.seat));
    }
  });
  picker.addEventListener('change', () => {
    show_section(picker.selectedIndex);
    on_section(picker.selectedIndex);
  });

  picker.replaceChildren(...layout.sections.map(({ name }) => make('option', {}, name)));
  show_section(0);
  return {
    show_section,
    seats_changed(seats) {
      for (const n of seats) {
        const cell = cells.get(n);
        if (cell) {
          describe(n, cell);
        }
      }
      count_timer ||= window.setTimeout(count_sections, COUNT_EVERY_MS);
    },
    all_changed() {
      cells.forEach((cell, n) => describe(n, cell));
      count_sections();
    },
  };
}
