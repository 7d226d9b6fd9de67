// @ts-check
/** The confirmation: one stub per ticket with its QR code. */
import { make } from './dom.js';
import { format_money } from './format.js';

/**
 * @param {HTMLElement} root
 * @param {object} shown
 * @param {import('../sdk/box_office.js').booking} shown.booking
 * @param {string} shown.event_name
 * @param {string} shown.when
 * @param {string} shown.where
 * @param {(label: string, id: string) => string} shown.place_of
 * @param {(ticket: import('../sdk/box_office.js').booked_ticket) => Promise<string>} shown.image_of
 */
export function show_tickets(root, { booking, event_name, when, where, place_of, image_of }) {
  const stubs = booking.tickets.map((ticket) => {
    const image = make('img', { class: 'qr', alt: `QR code of ticket ${ticket.label}`, width: '176', height: '176' });
    image_of(ticket).then((url) => {
      image.setAttribute('src', url);
    }, () => {
      image.replaceWith(make('p', { class: 'qr qr-missing' }, 'The code could not be loaded. Reload this page.'));
    });
    return make('li', { class: 'stub' },
      make('div', { class: 'stub-body' },
        make('p', { class: 'stub-event' }, event_name),
        make('p', { class: 'stub-seat' }, ticket.label),
        make('p', { class: 'stub-place' }, place_of(ticket.label, ticket.id)),
        make('p', { class: 'stub-when' }, [when, where].filter(Boolean).join(' · '))),
      make('div', { class: 'stub-code' }, image, make('p', { class: 'code' }, ticket.code)));
  });
  root.replaceChildren(
    make('div', { class: 'done-head' },
      make('p', { class: 'eyebrow' }, 'Booking confirmed'),
      make('h1', { id: 'done-title', tabindex: '-1' }, booking.tickets.length === 1
        ? 'Your ticket is here.' : `Your ${booking.tickets.length} tickets are here.`),
      make('p', { class: 'done-facts' },
        `Paid ${format_money(booking.total, booking.currency)}. Booking `,
        make('span', { class: 'code', id: 'booking-id' }, booking.bookingId), '.'),
      make('p', { class: 'hint' }, 'Show one code per person at the door. This page stays available in this browser.')),
    make('ul', { class: 'stubs' }, ...stubs));
}
