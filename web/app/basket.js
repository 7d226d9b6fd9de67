// @ts-check
/** The seats chosen so far, before anything is held: choosing is free, holding is a race. */
import { by_id, make, set_text } from './dom.js';
import { format_money, format_plural } from './format.js';
import { find_block } from './seat_blocks.js';
import { show_seat_lines } from './seat_lines.js';

/** @typedef {import('../sdk/api.js').api_error} api_error */

/** What went wrong, in the buyer's words, for errors that do not name seats. */
const TROUBLE = /** @type {Record<string, string>} */ ({
  timeout: 'The box office did not answer in time. Nothing is held yet; try again.',
  network: 'The connection is lost. Nothing is held yet; try again.',
});

/**
 * @param {object} options
 * @param {import('../sdk/layout.js').layout} options.layout
 * @param {import('./seat_board.js').seat_board} options.board
 * @param {(seat: number) => number} options.price_of
 * @param {string} options.currency
 * @param {number} options.max_seats
 * @param {(max: number) => void} options.on_full
 * @param {(seats: number[]) => Promise<void>} options.on_hold
 * @param {(seats: number[]) => void} options.on_show
 */
export function create_basket({ layout, board, price_of, currency, max_seats, on_full, on_hold, on_show }) {
  const element = (/** @type {string} */ id) => by_id(id, HTMLElement);
  const hold_button = by_id('hold', HTMLButtonElement);
  const quantity = by_id('together-count', HTMLSelectElement);
  let busy = false;
  let level = -1;

  function show() {
    const seats = board.chosen();
    const total = seats.reduce((sum, n) => sum + price_of(n), 0);
    set_text(element('basket-empty'), seats.length > 0 ? ''
      : `Choose up to ${format_plural(max_seats, 'seat')} on the map or in the list.`);
    element('basket-empty').hidden = seats.length > 0;
    element('together').hidden = seats.length > 0;
    element('basket-foot').hidden = seats.length === 0;
    show_seat_lines(element('chosen'), { layout, seats, currency, price_of, on_remove: remove });
    set_text(element('basket-count'), format_plural(seats.length, 'seat'));
    set_text(element('basket-total'), format_money(total, currency));
    hold_button.disabled = busy;
    set_text(hold_button, busy ? 'Holding…' : seats.length === 1 ? 'Hold this seat' : 'Hold these seats');
  }

  /** @param {string} text @param {{label: string, act: () => void}} [offer] */
  function notify(text, offer) {
    const notice = element('basket-notice');
    notice.hidden = text === '';
    notice.replaceChildren(text);
    if (offer) {
      const button = make('button', { type: 'button', class: 'button', id: 'take-offer' }, offer.label);
      button.addEventListener('click', offer.act);
      notice.append(button);
    }
  }

  /** @param {number} n */
  function add(n) {
    if (board.chosen().length >= max_seats) {
      on_full(max_seats);
      return;
    }
    notify('');
    board.choose([n], true);
    show();
  }

  /** @param {number} n */
  function remove(n) {
    board.choose([n], false);
    show();
  }

  /** @param {number[]} seats */
  function replace(seats) {
    board.choose(board.chosen(), false);
    board.choose(seats, true);
    notify('');
    show();
    on_show(seats);
  }

  /** Names seats that went to somebody else and proposes others like them. @param {number[]} lost @param {number[]} [others] */
  function tell_taken(lost, others = []) {
    const kept = board.chosen().filter((n) => !lost.includes(n));
    const wanted = lost.length + kept.length;
    const names = lost.map((n) => layout.label[n]).join(', ');
    const proposal = others.length === wanted ? others : find_block(layout, board.states(), {
      quantity: wanted, level: layout.level[lost[0]], near: { x: layout.x[lost[0]], y: layout.y[lost[0]] },
    });
    board.choose(lost, false);
    show();
    notify(`${names} ${lost.length === 1 ? 'was' : 'were'} taken by somebody else just now.`, proposal.length > 0
      ? { label: `Take ${proposal.map((n) => layout.label[n]).join(', ')} instead`, act: () => replace(proposal) }
      : undefined);
  }

  async function hold_all() {
    if (busy) {
      return;
    }
    busy = true;
    notify('');
    show();
    try {
      await on_hold(board.chosen());
    } finally {
      busy = false;
      show();
    }
  }

  function find_together() {
    const wish = { quantity: Number(quantity.value), level: level < 0 ? undefined : level };
    const seats = find_block(layout, board.states(), wish);
    if (seats.length === 0) {
      notify(`No row has ${wish.quantity} free seats side by side${level < 0 ? '' : ' at this price'}.`);
      return;
    }
    replace(seats);
    hold_button.focus();
  }

  for (let n = 1; n <= max_seats; n++) {
    quantity.append(make('option', { value: String(n) }, format_plural(n, 'seat')));
  }
  quantity.value = String(Math.min(2, max_seats));
  hold_button.addEventListener('click', hold_all);
  element('together-go').addEventListener('click', find_together);
  show();

  return {
    has: (/** @type {number} */ n) => board.chosen().includes(n),
    add, remove, notify,
    clear() {
      board.choose(board.chosen(), false);
      notify('');
      show();
    },
    set_level(/** @type {number} */ next) {
      level = next;
    },
    /** Called on every change of the map: what is no longer free leaves the basket at once. */
    drop_taken() {
      const lost = busy ? [] : board.taken();
      if (lost.length > 0) {
        tell_taken(lost);
      }
    },
    /** @param {api_error} error of the attempt to hold */
    explain(error) {
      const unavailable = error.problem.unavailable;
      if (Array.isArray(unavailable) && unavailable.length > 0) {
        tell_taken(unavailable.map(({ id }) => Number(id)), (error.problem.alternative ?? []).map(Number));
        return;
      }
      // A refused limit comes with the reason in words: seats, holds, or a pause after too many left to expire.
      notify(error.code === 'hold_limit' ? error.message
        : TROUBLE[error.code] ?? `The seats could not be held: ${error.message}`);
    },
  };
}
