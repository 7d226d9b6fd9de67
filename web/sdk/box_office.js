// @ts-check
/**
 * The buying calls of one shopping session: hold, give up, book. A write keeps its Idempotency-Key until an
 * answer to it is known, across reloads of the page too, so pressing "pay" twice books and charges once.
 */
import { api_error, idempotency_key } from './api.js';
import { lasting_store, tab_store } from './store.js';

/** @typedef {{id: string, label: string, version: number, price: number}} held_ticket */
/**
 * @typedef {object} hold
 * @property {string} holdId
 * @property {held_ticket[]} tickets
 * @property {number} total minor units
 * @property {string} currency
 * @property {string} expiresAt
 */
/** @typedef {{id: string, label: string, code: string, qrUrl: string}} booked_ticket */
/**
 * @typedef {object} booking
 * @property {string} bookingId
 * @property {string} state
 * @property {booked_ticket[]} tickets
 * @property {number} total
 * @property {string} currency
 * @property {string} accessToken
 */
/**
 * @typedef {object} payment_order
 * @property {hold} hold
 * @property {{name: string, email: string}} customer
 * @property {string} token of the payment provider
 */

/** How long a payment that the provider is still deciding on is followed. */
const DECISION_LIMIT_MS = 120_000;
const DECISION_POLL_MS = 1000;

/** @param {string} event_id */
const hold_key = (event_id) => `holdfast.hold.${event_id}`;
/** @param {string} event_id */
const pending_key = (event_id) => `holdfast.pending.${event_id}`;
/** @param {string} event_id */
const booking_key = (event_id) => `holdfast.booking.${event_id}`;

/**
 * @param {{event_id: string, api: import('./api.js').api_client, pass: string | null}} options
 */
export function open_box_office({ event_id, api, pass }) {
  const event = encodeURIComponent(event_id);
  const authorization = pass === null ? undefined : `Bearer ${pass}`;

  /**
   * The key of the write that is under way, if it is the same write, else a new one.
   *
   * @param {string} what a fingerprint of the request
   */
  function key_of(what) {
    const pending = tab_store.get(pending_key(event_id));
    if (pending?.what === what) {
      return pending.key;
    }
    const key = idempotency_key();
    tab_store.set(pending_key(event_id), { what, key });
    return key;
  }

  /** @param {unknown} error an answer was received: the key has done its work */
  function settle_key(error = null) {
    const answered = !(error instanceof api_error) || (error.status >= 400 && error.status < 500
      && error.code !== 'idempotency_in_flight' && error.status !== 429);
    if (answered) {
      tab_store.remove(pending_key(event_id));
    }
  }

  /** @param {string} path @param {import('./api.js').api_request} request @param {string} what */
  async function write(path, request, what) {
    try {
      const reply = await api.call(path, { authorization, idempotency_key: key_of(what), ...request });
      settle_key();
      return reply;
    } catch (error) {
      settle_key(error);
      throw error;
    }
  }

  /** @param {string} location @param {string | undefined} token @returns {Promise<booking>} */
  async function follow(location, token) {
    const until = performance.now() + DECISION_LIMIT_MS;
    for (;;) {
      const { body } = await api.call(location, {
        authorization: token ? `Booking ${token}` : authorization,
      });
      if (body.state === 'confirmed') {
        return body;
      }
      if (body.state === 'declined') {
        throw new api_error('payment_declined', 'The card was declined', { status: 402 });
      }
      if (body.state === 'lost') {
        throw new api_error('seat_taken', 'The seats were sold to somebody else', { status: 409 });
      }
      if (body.state === 'expired') {
        throw new api_error('hold_expired', 'The hold ran out', { status: 410 });
      }
      if (performance.now() > until) {
        throw new api_error('timeout', 'The payment provider has not decided yet');
      }
      await new Promise((resolve) => setTimeout(resolve, DECISION_POLL_MS));
    }
  }

  return {
    /**
     * All of the seats, or none.
     *
     * @param {number[]} seats
     * @returns {Promise<hold>}
     */
    async hold_seats(seats) {
      const ids = [...seats].sort((a, b) => a - b).map(String);
      const { body } = await write(`/v1/events/${event}/holds`, {
        method: 'POST', body: { ticketIds: ids },
      }, `hold ${ids}`);
      tab_store.set(hold_key(event_id), body);
      return body;
    },

    /** @returns {hold | null} what this tab holds, as far as it remembers */
    current_hold: () => tab_store.get(hold_key(event_id)),

    forget_hold() {
      tab_store.remove(hold_key(event_id));
    },

    /** @param {hold} hold @returns {Promise<hold>} as the server sees it now; throws once it is gone */
    async refresh_hold(hold) {
      const { body } = await api.call(`/v1/holds/${encodeURIComponent(hold.holdId)}`, { authorization });
      const merged = { ...hold, ...body };
      tab_store.set(hold_key(event_id), merged);
      return merged;
    },

    /** @param {hold} hold */
    async release_hold(hold) {
      tab_store.remove(hold_key(event_id));
      await write(`/v1/holds/${encodeURIComponent(hold.holdId)}`, { method: 'DELETE' },
        `release ${hold.holdId}`);
    },

    /** @returns {Promise<any>} limits and expiry of this session; null where there is none */
    async session() {
      if (pass === null) {
        return null;
      }
      return (await api.call(`/v1/events/${event}/session`, { authorization })).body;
    },

    /** Gives up everything: holds are released and the place inside is freed for the next in line. */
    async leave() {
      tab_store.remove(hold_key(event_id));
      if (pass !== null) {
        await write(`/v1/events/${event}/session`, { method: 'DELETE' }, 'leave');
      }
    },

    /**
     * @param {payment_order} order
     * @returns {Promise<booking>} confirmed
     */
    async book({ hold, customer, token }) {
      const body = {
        holdId: hold.holdId, expectedTotal: hold.total, customer, paymentDetails: { provider: 'sim', token },
      };
      const reply = await write(`/v1/bookings/${event}`, {
        method: 'POST', body, timeout_ms: 30_000,
      }, `book ${JSON.stringify(body)}`);
      const booking = reply.status === 202
        ? await follow(reply.headers.get('location') ?? `/v1/bookings/${reply.body.bookingId}`,
          reply.body?.accessToken)
        : reply.body;
      const kept = { ...booking, accessToken: booking.accessToken ?? reply.body.accessToken };
      lasting_store.set(booking_key(event_id), {
        bookingId: kept.bookingId, accessToken: kept.accessToken,
      });
      tab_store.remove(hold_key(event_id));
      return kept;
    },

    /** @returns {{bookingId: string, accessToken: string} | null} the last booking made in this browser */
    last_booking: () => lasting_store.get(booking_key(event_id)),

    /** @param {{bookingId: string, accessToken: string}} kept @returns {Promise<booking>} */
    async read_booking(kept) {
      const { body } = await api.call(`/v1/bookings/${encodeURIComponent(kept.bookingId)}`, {
        authorization: `Booking ${kept.accessToken}`,
      });
      return { ...body, accessToken: kept.accessToken };
    },

    /**
     * @param {booking} booking
     * @param {booked_ticket} ticket
     * @returns {Promise<string>} a data: URL of the QR code
     */
    async ticket_image(booking, ticket) {
      const { body } = await api.call(ticket.qrUrl, {
        accept: 'image/svg+xml', authorization: `Booking ${booking.accessToken}`,
      });
      return `data:image/svg+xml,${encodeURIComponent(new TextDecoder().decode(body))}`;
    },
  };
}

/** @typedef {ReturnType<typeof open_box_office>} box_office */
