// @ts-check
/** Waits between attempts, spread by full jitter so that clients cut off together do not return together. */

/**
 * @param {number} attempt 0 for the first retry
 * @param {{base_ms?: number, cap_ms?: number, random?: () => number}} [options]
 * @returns {number} milliseconds, never below a tenth of the base
 */
export function backoff_delay(attempt, options = {}) {
  const { base_ms = 250, cap_ms = 15_000, random = Math.random } = options;
  const ceiling = Math.min(cap_ms, base_ms * 2 ** Math.min(attempt, 20));
  return Math.max(base_ms / 10, random() * ceiling);
}

/**
 * Resolves after `ms`, or at once when the signal fires; the caller looks at the signal afterwards.
 *
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
