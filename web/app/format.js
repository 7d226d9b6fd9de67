// @ts-check
/** Amounts, times and counts in words. */

/** Currencies whose minor unit is not a hundredth (ISO 4217) are told apart by Intl itself. */
/** @param {number} minor @param {string} currency */
export function format_money(minor, currency) {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  const whole = minor % 10 ** digits === 0;
  return new Intl.NumberFormat('en', {
    style: 'currency', currency,
    minimumFractionDigits: whole ? 0 : digits, maximumFractionDigits: digits,
  }).format(minor / 10 ** digits);
}

/** @param {number | null | undefined} from @param {number | null | undefined} to @param {string} currency */
export function format_price_range(from, to, currency) {
  if (from === null || from === undefined) {
    return '';
  }
  if (to === null || to === undefined || to === from) {
    return format_money(from, currency);
  }
  return `${format_money(from, currency)} – ${format_money(to, currency)}`;
}

/** @param {number} count */
export function format_count(count) {
  return new Intl.NumberFormat('en').format(count);
}

/** @param {number} count @param {string} one @param {string} [many] */
export function format_plural(count, one, many = `${one}s`) {
  return `${format_count(count)} ${count === 1 ? one : many}`;
}

/** @param {number} ms @returns {string} m:ss, rounded up so that 0:00 means over */
export function format_clock(ms) {
  const seconds = Math.ceil(ms / 1000);
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  if (days > 0) {
    return `${days} d ${two(hours)}:${two(minutes)}:${two(seconds % 60)}`;
  }
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(seconds % 60)}`
    : `${minutes}:${two(seconds % 60)}`;
}

/** @param {number} seconds */
function rough_duration(seconds) {
  if (seconds < 60) {
    return 'less than a minute';
  }
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) {
    return format_plural(minutes, 'minute');
  }
  return format_plural(Math.round(minutes / 60), 'hour');
}

/** @param {{low: number, high: number}} eta seconds @returns {string} a range, because nobody knows better */
export function format_wait(eta) {
  const low = Math.floor(eta.low / 60);
  const high = Math.ceil(eta.high / 60);
  if (high <= 1) {
    return 'less than a minute';
  }
  if (high <= 90 && low !== high) {
    return low === 0 ? `up to ${high} min` : `${low}–${high} min`;
  }
  const from = rough_duration(eta.low);
  const to = rough_duration(eta.high);
  return from === to ? `about ${to}` : `${from} to ${to}`;
}

/** @param {string} instant RFC 3339 @param {string} [time_zone] of the venue */
export function format_date_time(instant, time_zone) {
  const at = new Date(instant);
  if (Number.isNaN(at.getTime())) {
    return '';
  }
  return new Intl.DateTimeFormat('en-GB', {
    weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit',
    timeZone: time_zone,
  }).format(at);
}
