// @ts-check
/** The front page: passes on to the event it is asked for, otherwise lists what is on sale. */
import { api_error, create_api } from '../sdk/api.js';
import { by_id, make, page_url, set_text, url_param } from './dom.js';
import { format_date_time } from './format.js';

const api = create_api();
const note = by_id('note', HTMLElement);

/** @param {string} event_id */
async function enter_event(event_id) {
  try {
    const { body } = await api.call(`/v1/events/${encodeURIComponent(event_id)}`);
    location.replace(page_url(body.queue ? '/wait.html' : '/seatmap.html', event_id));
  } catch (error) {
    const missing = error instanceof api_error && error.status === 404;
    set_text(by_id('title', HTMLElement), missing ? 'No such event' : 'This event cannot be reached');
    set_text(note, missing ? 'The link may be incomplete, or the event is over.' : 'Reload the page in a moment.');
  }
}

/** @param {any} event */
function event_line(event) {
  const facts = [event.startsAt && format_date_time(event.startsAt), event.venue?.name, event.venue?.city];
  return make('li', {}, make('a', { href: page_url('/event.html', event.eventId) },
    make('span', {}, event.name, make('br'), make('span', { class: 'hint' }, facts.filter(Boolean).join(' · ')))));
}

async function list_events() {
  try {
    const { body } = await api.call('/v1/events/search?sort=date', { attempts: 1 });
    by_id('events', HTMLElement).replaceChildren(...body.events.map(event_line));
    set_text(note, body.events.length === 0 ? 'Nothing is on sale at the moment.' : '');
  } catch {
    set_text(by_id('title', HTMLElement), 'Welcome to the box office');
    set_text(note, 'To buy seats, follow the link of an event. Its address ends in “event.html?event=” and a number.');
  }
}

const wanted = url_param('event');
if (wanted === null) {
  list_events();
} else {
  set_text(by_id('title', HTMLElement), 'One moment…');
  set_text(note, '');
  enter_event(wanted);
}
