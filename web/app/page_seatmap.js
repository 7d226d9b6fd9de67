// @ts-check
/** The seat page: ties event, map, list, basket, checkout and confirmation together. */
import { api_error, create_api } from '../sdk/api.js';
import { open_box_office } from '../sdk/box_office.js';
import { create_server_clock } from '../sdk/clock.js';
import { layout_read } from '../sdk/layout.js';
import { FREE } from '../sdk/seatmap_frames.js';
import { open_seatmap_stream } from '../sdk/seatmap_stream.js';
import { pass_forget, pass_load } from '../sdk/waiting_room.js';
import { create_basket } from './basket.js';
import { create_checkout } from './checkout.js';
import { by_id, page_url, set_text, url_param } from './dom.js';
import { event_line, event_when, event_where, read_event } from './event_facts.js';
import { format_clock } from './format.js';
import { create_price_filter } from './price_filter.js';
import { create_seat_board } from './seat_board.js';
import { create_seat_list } from './seat_list.js';
import { create_seat_map } from './seat_map.js';
import { flag_words, seat_place, seat_price, state_words } from './seat_words.js';
import { show_tickets } from './tickets_view.js';

/** @typedef {'loading' | 'choose' | 'checkout' | 'done' | 'ended'} step */

const LINK_WORDS = {
  connecting: 'Connecting', live: 'Live', polling: 'Updated every few seconds', gone: 'Not on sale here',
};
/** Codes that say: this shopping session is over. */
const SESSION_OVER = new Set(['pass_required', 'pass_invalid', 'pass_spent', 'pass_expired']);
const TOAST_MS = 5000;

const event_id = url_param('event') ?? '';
const clock = create_server_clock();
const api = create_api({ clock });
const pass = pass_load(event_id);
const office = open_box_office({ event_id, api, pass: pass?.pass ?? null });
const element = (/** @type {string} */ id) => by_id(id, HTMLElement);

let toast_timer = 0;

/** @param {string} text */
function toast(text) {
  clearTimeout(toast_timer);
  element('toast').hidden = false;
  set_text(element('toast'), text);
  toast_timer = window.setTimeout(() => { element('toast').hidden = true; }, TOAST_MS);
}

/** @param {step} step */
function enter(step) {
  document.body.dataset.step = step;
  element('done').hidden = step !== 'done';
  element('ended').hidden = step !== 'ended';
}

/** @param {string} title @param {string} text @param {string} link @param {string} href */
function show_end(title, text, link, href) {
  enter('ended');
  set_text(element('ended-title'), title);
  set_text(element('ended-text'), text);
  const way_out = by_id('ended-link', HTMLAnchorElement);
  way_out.href = href;
  set_text(way_out, link);
  element('ended-title').focus();
}

function show_session_over() {
  pass_forget(event_id);
  office.forget_hold();
  show_end('Your time here is over', 'The place you had inside has gone to the next in line. You can join the line again.',
    'Join the line', page_url('/wait.html', event_id));
}

/** @param {unknown} error @returns {boolean} whether the error ended the session and has been shown */
function ended_by(error) {
  if (error instanceof api_error && SESSION_OVER.has(error.code)) {
    show_session_over();
    return true;
  }
  return false;
}

/** @param {import('./event_facts.js').event} event @param {import('../sdk/layout.js').layout | null} layout
 *  @param {import('../sdk/box_office.js').booking} booking */
function show_booking(event, layout, booking) {
  enter('done');
  show_tickets(element('done'), {
    booking, event_name: event.name, when: event_when(event), where: event_where(event),
    place_of: (label, id) => (layout ? seat_place(layout, Number(id)) : label),
    image_of: (ticket) => office.ticket_image(booking, ticket),
  });
  document.title = `Your tickets – ${event.name}`;
  element('done-title').focus();
  if (url_param('booking') === null) {
    history.replaceState(null, '', `${location.href}&booking=mine`);
  }
}

/** @param {import('./event_facts.js').event} event */
async function load_layout(event) {
  const { body } = await api.call(event.layoutUrl, { timeout_ms: 30_000 });
  return layout_read(body, event.priceLevels.map(({ id }) => id));
}

/** Runs down the pass. */
function watch_turn() {
  if (pass === null) {
    return;
  }
  element('turn').hidden = false;
  const tick = () => {
    const left = clock.remaining(pass.expiresAt);
    set_text(element('turn-clock'), format_clock(left));
    if (left === 0 && (document.body.dataset.step === 'choose' || document.body.dataset.step === 'checkout')) {
      clearInterval(timer);
      show_session_over();
    }
  };
  const timer = setInterval(tick, 500);
  tick();
}

/** @param {'map' | 'list'} view */
function show_view(view) {
  document.body.dataset.view = view;
  element('view-map').setAttribute('aria-pressed', String(view === 'map'));
  element('view-list').setAttribute('aria-pressed', String(view === 'list'));
}

/** @param {import('./event_facts.js').event} event @param {import('../sdk/layout.js').layout} layout */
function open_hall(event, layout) {
  const { priceLevels: levels, currency } = event;
  const board = create_seat_board(layout);
  const price_of = (/** @type {number} */ n) => levels[layout.level[n]].amount;
  const refuse = (/** @type {number} */ n) => {
    toast(`${layout.label[n]} is ${state_words(board.states()[n])}.`);
  };

  const basket = create_basket({
    layout, board, price_of, currency, max_seats: event.limits?.maxSeats ?? 8,
    on_full: (max) => toast(`You can take up to ${max} seats.`),
    on_hold: hold_chosen,
    on_show(seats) {
      map.show(board.box_of(seats));
      list.show_section(layout.rows[layout.row[seats[0]]].section);
    },
  });
  const checkout = create_checkout({
    office, clock, layout, price_of, hold_seconds: event.limits?.holdSeconds ?? 120,
    charge: event.sale?.charge !== false,
    on_booked(booking) {
      // The session ended with the booking: pass and place are spent.
      pass_forget(event_id);
      stream.close();
      show_booking(event, layout, booking);
    },
    on_lost(reason) {
      board.set_held([]);
      enter('choose');
      basket.notify(reason);
      element('basket-title').focus();
    },
    ended_by,
  });

  function pick(/** @type {number} */ n) {
    if (document.body.dataset.step !== 'choose') {
      return;
    }
    if (basket.has(n)) {
      basket.remove(n);
    } else if (board.states()[n] !== FREE) {
      refuse(n);
    } else {
      basket.add(n);
    }
  }

  const map = create_seat_map({
    surface: element('map'), seats: by_id('seats', HTMLCanvasElement), labels: by_id('labels', HTMLCanvasElement),
    layout, looks: board.looks, on_pick: pick, on_point: show_tip,
    painter_wish: url_param('painter'),
  });
  element('map').dataset.painter = map.painter;
  const list = create_seat_list({
    picker: by_id('section-picker', HTMLSelectElement), grid: element('grid'), layout, looks: board.looks,
    levels, currency, on_pick: pick,
    on_section: (s) => map.show(layout.sections[s].box),
  });
  board.watch({
    some(seats, first, end) {
      map.looks_changed(first, end);
      list.seats_changed(seats);
    },
    all() {
      map.looks_changed(0, layout.seat_count);
      list.all_changed();
    },
  });
  create_price_filter({
    root: element('prices'), levels, currency,
    on_filter(level) {
      board.set_filter(level);
      basket.set_level(level);
    },
  });

  /** @param {number} seat @param {number} px @param {number} py */
  function show_tip(seat, px, py) {
    const tip = element('tip');
    const surface = element('map');
    tip.hidden = seat < 0;
    surface.dataset.pointing = seat < 0 ? 'no' : 'yes';
    if (seat < 0) {
      return;
    }
    const words = [seat_price(layout, levels, currency, seat), levels[layout.level[seat]].name,
      ...flag_words(layout.flags[seat])];
    const state = board.is_mine(seat) ? 'your choice' : state_words(board.states()[seat]);
    const title = document.createElement('b');
    title.textContent = seat_place(layout, seat);
    tip.replaceChildren(title, `${words.join(' · ')} · ${state}`);
    const x = Math.min(px + 14, surface.clientWidth - tip.offsetWidth - 8);
    const y = py + 18 + tip.offsetHeight > surface.clientHeight ? py - tip.offsetHeight - 12 : py + 18;
    tip.style.setProperty('--x', `${Math.round(Math.max(8, x))}px`);
    tip.style.setProperty('--y', `${Math.round(y)}px`);
  }

  /** @param {number[]} seats */
  async function hold_chosen(seats) {
    try {
      const hold = await office.hold_seats(seats);
      basket.clear();
      begin_checkout(hold);
    } catch (error) {
      if (!ended_by(error)) {
        basket.explain(/** @type {api_error} */ (error));
      }
    }
  }

  /** @param {import('../sdk/box_office.js').hold} hold */
  function begin_checkout(hold) {
    board.set_held(hold.tickets.map(({ id }) => Number(id)));
    enter('checkout');
    checkout.begin(hold);
  }

  const stream = open_seatmap_stream({
    event_id, api, availability_url: event.availabilityUrl,
    handlers: {
      on_snapshot(states) {
        if (states.length !== layout.seat_count) {
          location.reload();
          return;
        }
        board.set_states(states);
        basket.drop_taken();
        if (document.body.dataset.step === 'loading') {
          enter('choose');
        }
      },
      on_delta(seats) {
        board.states_changed(seats);
        map.announce(seats);
        basket.drop_taken();
      },
      on_state(state) {
        element('live').dataset.link = state;
        set_text(element('live-text'), LINK_WORDS[state]);
      },
    },
  });

  element('zoom-in').addEventListener('click', () => map.zoom_by(1.8));
  element('zoom-out').addEventListener('click', () => map.zoom_by(1 / 1.8));
  element('zoom-fit').addEventListener('click', () => map.show(null));
  element('view-map').addEventListener('click', () => show_view('map'));
  element('view-list').addEventListener('click', () => show_view('list'));
  element('skip').addEventListener('click', () => show_view('list'));
  return { begin_checkout };
}

/** @param {ReturnType<typeof open_hall>} hall a reload in mid-checkout finds the hold again */
async function resume_hold(hall) {
  const kept = office.current_hold();
  if (kept === null) {
    return;
  }
  try {
    hall.begin_checkout(await office.refresh_hold(kept));
  } catch (error) {
    office.forget_hold();
    ended_by(error);
  }
}

async function start() {
  const event = await read_event(api, event_id);
  document.title = `${event.name} – Holdfast`;
  set_text(element('event-name'), event.name);
  set_text(element('event-facts'), event_line(event));

  const booked = office.last_booking();
  if (url_param('booking') !== null && booked) {
    const [layout, booking] = await Promise.all([load_layout(event).catch(() => null), office.read_booking(booked)]);
    show_booking(event, layout, booking);
    return;
  }
  if (event.queue && (pass === null || clock.remaining(pass.expiresAt) === 0)) {
    location.replace(page_url('/wait.html', event_id));
    return;
  }
  const layout = await load_layout(event);
  watch_turn();
  await resume_hold(open_hall(event, layout));
}

start().catch((error) => {
  const missing = error instanceof api_error && error.status === 404;
  show_end(missing ? 'No such event' : 'The seat map cannot be shown',
    missing ? 'The link may be incomplete, or the event is over.' : 'The box office does not answer. Your place is kept.',
    missing ? 'To the front page' : 'Try again', missing ? '/' : location.href);
});
