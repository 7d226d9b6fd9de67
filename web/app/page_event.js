// @ts-check
/** The page of one event: what, where, how much, how many seats are left, and the way in. */
import { api_error, create_api } from '../sdk/api.js';
import { lasting_store } from '../sdk/store.js';
import { by_id, make, page_url, set_text, url_param } from './dom.js';
import { event_when, event_where, read_event } from './event_facts.js';
import { format_count, format_money } from './format.js';

const REFRESH_MS = 5000;

const api = create_api();
const event_id = url_param('event') ?? '';
const element = (/** @type {string} */ id) => by_id(id, HTMLElement);

/** @param {import('./event_facts.js').event} event */
function show_event(event) {
  document.title = `${event.name} – Holdfast`;
  set_text(element('when'), event_when(event));
  set_text(element('title'), event.name);
  set_text(element('where'), event_where(event));
  element('prices').replaceChildren(...event.priceLevels.map((level, i) => make('li', { 'data-level': String(i % 8) },
    make('span', { class: 'swatch', 'aria-hidden': 'true' }), level.name,
    make('b', {}, format_money(level.amount, event.currency)))));
  const go = by_id('go', HTMLAnchorElement);
  go.href = page_url(event.queue ? '/wait.html' : '/seatmap.html', event_id);
  set_text(go, event.queue ? 'Join the line' : 'Choose seats');
  set_text(element('go-hint'), event.queue
    ? 'There is a waiting room. You get a number, and choose your seats when it is called.' : '');
  if (lasting_store.get(`holdfast.booking.${event_id}`)) {
    element('own').hidden = false;
    by_id('own-link', HTMLAnchorElement).href = `${page_url('/seatmap.html', event_id)}&booking=mine`;
  }
  element('offer').hidden = false;
}

/** @param {import('./event_facts.js').event} event */
async function show_stock(event) {
  const { body } = await api.call(event.availabilityUrl, { attempts: 1 });
  const { free, held, sold, blocked } = body.counts;
  const total = free + held + sold + blocked;
  set_text(element('left'), free === 0 && held === 0 ? 'Sold out' : format_count(free));
  set_text(element('left-words'), free === 0 && held === 0 ? ''
    : `of ${format_count(total)} seats free${held > 0 ? `, ${format_count(held)} in baskets` : ''}`);
  element('left-bar').style.setProperty('--share', String(total === 0 ? 0 : free / total));
}

async function start() {
  try {
    const event = await read_event(api, event_id);
    show_event(event);
    const refresh = () => {
      if (!document.hidden) {
        show_stock(event).catch(() => {});
      }
    };
    refresh();
    setInterval(refresh, REFRESH_MS);
  } catch (error) {
    const missing = error instanceof api_error && error.status === 404;
    set_text(element('title'), missing ? 'No such event' : 'This event cannot be reached');
    set_text(element('trouble'), missing ? 'The link may be incomplete, or the event is over.'
      : 'The box office does not answer. Reload the page in a moment.');
    element('trouble').hidden = false;
  }
}

start();
