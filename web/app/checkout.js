// @ts-check
/** The checkout: what is held and for how long, who buys, how it is paid, and every way that can end. */
import { by_id, set_text } from './dom.js';
import { format_clock, format_money } from './format.js';
import { show_seat_lines } from './seat_lines.js';

/** @typedef {import('../sdk/api.js').api_error} api_error */
/** @typedef {import('../sdk/box_office.js').hold} hold */

/** From here on the clock asks to hurry. */
const HURRY_MS = 30_000;
const LOST = /** @type {Record<string, string>} */ ({
  hold_expired: 'Your time for these seats ran out, so they are back on sale. Nothing was charged.',
  seat_taken: 'These seats went to somebody else. Nothing was charged.',
});
const RETRY = /** @type {Record<string, string>} */ ({
  payment_declined: 'The card was declined. Your seats are still held: try another card.',
  timeout: 'The box office has not answered yet. Press Pay again: you will not be charged twice.',
  network: 'The connection is lost. Press Pay again: you will not be charged twice.',
  price_changed: 'The price has changed. Nothing was charged: look at the new total before you pay.',
  idempotency_in_flight: 'This payment is still being worked on. Press Pay again in a moment.',
});

/** @param {HTMLInputElement} input @returns {string} what is wrong, or nothing */
function fault_of(input) {
  if (input.value.trim() === '') {
    return input.type === 'email' ? 'Enter the email address the tickets go to.' : 'Enter the name for the booking.';
  }
  return input.validity.typeMismatch ? 'This does not look like an email address.' : '';
}

/**
 * @param {object} options
 * @param {import('../sdk/box_office.js').box_office} options.office
 * @param {import('../sdk/clock.js').server_clock} options.clock
 * @param {import('../sdk/layout.js').layout} options.layout
 * @param {(seat: number) => number} options.price_of
 * @param {number} options.hold_seconds
 * @param {boolean} options.charge
 * @param {(booking: import('../sdk/box_office.js').booking) => void} options.on_booked
 * @param {(reason: string) => void} options.on_lost the seats are no longer ours
 * @param {(error: unknown) => boolean} options.ended_by
 */
export function create_checkout({ office, clock, layout, price_of, hold_seconds, charge, on_booked, on_lost, ended_by }) {
  const element = (/** @type {string} */ id) => by_id(id, HTMLElement);
  const form = by_id('pay-form', HTMLFormElement);
  const pay_button = by_id('pay', HTMLButtonElement);
  const inputs = [by_id('name', HTMLInputElement), by_id('email', HTMLInputElement)];
  /** @type {hold | null} */
  let hold = null;
  let timer = 0;
  let paying = false;
  let span_ms = hold_seconds * 1000;

  function show_pay_button() {
    pay_button.disabled = paying;
    set_text(pay_button, paying ? 'Paying…' : hold && charge ? `Pay ${format_money(hold.total, hold.currency)}` : 'Book');
  }

  /** @param {string} text */
  function complain(text) {
    element('pay-error').hidden = text === '';
    set_text(element('pay-error'), text);
    if (text !== '') {
      pay_button.scrollIntoView({ block: 'nearest' });
    }
  }

  function tick() {
    if (hold === null) {
      return;
    }
    const left = clock.remaining(hold.expiresAt);
    span_ms = Math.max(span_ms, left);
    set_text(element('held-clock'), format_clock(left));
    element('held-bar').style.setProperty('--share', String(left / span_ms));
    element('held').dataset.hurry = left <= HURRY_MS ? 'yes' : 'no';
    // While a payment is under way the server decides whether it came in time.
    if (left === 0 && !paying) {
      lose(LOST.hold_expired);
    }
  }

  /** @param {string} reason */
  function lose(reason) {
    clearInterval(timer);
    hold = null;
    office.forget_hold();
    on_lost(reason);
  }

  /** @param {HTMLInputElement} input @param {string} fault */
  function mark(input, fault) {
    const note = element(`${input.id}-error`);
    note.hidden = fault === '';
    set_text(note, fault);
    input.setAttribute('aria-invalid', String(fault !== ''));
    if (fault === '') {
      input.removeAttribute('aria-describedby');
    } else {
      input.setAttribute('aria-describedby', note.id);
    }
  }

  /** @returns {boolean} marks what is wrong and goes to the first of it */
  function is_filled_in() {
    const faults = inputs.map(fault_of);
    inputs.forEach((input, i) => mark(input, faults[i]));
    inputs.find((_, i) => faults[i] !== '')?.focus();
    return faults.every((fault) => fault === '');
  }

  /** @param {hold} current */
  function order_of(current) {
    const data = new FormData(form);
    return {
      hold: current,
      customer: { name: String(data.get('name')).trim(), email: String(data.get('email')).trim() },
      token: String(data.get('token')),
    };
  }

  /** @param {hold} current @param {api_error} error */
  async function explain(current, error) {
    if (ended_by(error)) {
      clearInterval(timer);
      return;
    }
    if (LOST[error.code]) {
      lose(LOST[error.code]);
      return;
    }
    complain(RETRY[error.code] ?? `The booking did not go through: ${error.message}`);
    try {
      // A payment extends the hold, so its clock may read differently now.
      hold = await office.refresh_hold(current);
    } catch (gone) {
      const code = /** @type {api_error} */ (gone).code;
      if (code === 'hold_expired' || code === 'not_found') {
        lose(LOST.hold_expired);
      }
    }
  }

  async function pay() {
    if (paying || hold === null || !is_filled_in()) {
      return;
    }
    const current = hold;
    paying = true;
    complain('');
    show_pay_button();
    try {
      const booking = await office.book(order_of(current));
      clearInterval(timer);
      hold = null;
      on_booked(booking);
    } catch (error) {
      await explain(current, /** @type {api_error} */ (error));
    } finally {
      paying = false;
      show_pay_button();
    }
  }

  async function give_up() {
    if (paying || hold === null) {
      return;
    }
    const released = hold;
    lose('');
    await office.release_hold(released).catch(ended_by);
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    pay();
  });
  inputs.forEach((input) => input.addEventListener('input', () => mark(input, '')));
  element('give-up').addEventListener('click', give_up);

  return {
    /** @param {hold} next */
    begin(next) {
      hold = next;
      span_ms = hold_seconds * 1000;
      show_seat_lines(element('held-seats'), {
        layout, seats: next.tickets.map(({ id }) => Number(id)), currency: next.currency,
        price_of: (n) => next.tickets.find(({ id }) => Number(id) === n)?.price ?? price_of(n),
      });
      set_text(element('held-total'), format_money(next.total, next.currency));
      complain('');
      show_pay_button();
      clearInterval(timer);
      timer = window.setInterval(tick, 250);
      tick();
      element('checkout-title').focus();
    },
  };
}
