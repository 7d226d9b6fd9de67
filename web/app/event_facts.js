// @ts-check
/** What every page says about an event: where, when, at which prices. */
import { format_date_time } from './format.js';

/**
 * @typedef {object} event
 * @property {string} eventId
 * @property {string} name
 * @property {string} [startsAt]
 * @property {string} currency
 * @property {{name?: string, city?: string, timeZone?: string}} [venue]
 * @property {import('./seat_words.js').price_level[]} priceLevels
 * @property {{state: string, charge?: boolean}} sale
 * @property {boolean} queue
 * @property {{maxSeats: number, maxHolds: number, holdSeconds: number}} limits
 * @property {number} seatCount
 * @property {string} layoutUrl
 * @property {string} availabilityUrl
 */

/** @param {event} event */
export function event_when(event) {
  return event.startsAt ? format_date_time(event.startsAt, event.venue?.timeZone) : '';
}

/** @param {event} event */
export function event_where(event) {
  return [event.venue?.name, event.venue?.city].filter(Boolean).join(', ');
}

/** @param {event} event */
export function event_line(event) {
  return [event_when(event), event_where(event)].filter(Boolean).join(' · ');
}

/** @param {import('../sdk/api.js').api_client} api @param {string} event_id @returns {Promise<event>} */
export async function read_event(api, event_id) {
  return (await api.call(`/v1/events/${encodeURIComponent(event_id)}`)).body;
}
