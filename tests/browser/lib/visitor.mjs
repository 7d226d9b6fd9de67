// A visitor: a browser profile of its own with one page, and what such a visitor does.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const ARGUMENTS = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

export function open_browser() {
  return chromium.launch({ executablePath: process.env.HOLDFAST_CHROMIUM ?? '/usr/bin/chromium', args: ARGUMENTS });
}

/**
 * @param {import('playwright-core').Browser} browser
 * @param {string} origin
 * @param {{phone?: boolean, stale?: boolean}} [kind] stale: sees the first picture of the seats and no change of it
 */
export async function invite(browser, origin, kind = {}) {
  const context = await browser.newContext({ baseURL: origin, ...(kind.phone ? PHONE : DESKTOP) });
  const page = await context.newPage();
  /** @type {string[]} */
  const faults = [];
  page.setDefaultTimeout(15_000);
  page.on('pageerror', (error) => faults.push(String(error.stack)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      faults.push(message.text());
    }
  });
  if (kind.stale) {
    await page.routeWebSocket(/\/v1\/seatmaps\//, (socket) => {
      const server = socket.connectToServer();
      let first = true;
      server.onMessage((message) => {
        if (first) {
          socket.send(message);
        }
        first = false;
      });
    });
  }
  return visitor(page, faults, () => context.close());
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string[]} faults
 * @param {() => Promise<void>} leave
 */
function visitor(page, faults, leave) {
  const step = (/** @type {string} */ name) => page.waitForSelector(`body[data-step="${name}"]`);
  const cell = (/** @type {number} */ seat) => page.locator(`.cell[data-seat="${seat}"]`);
  return {
    page, step, cell,
    async open_hall(/** @type {string} */ event_id) {
      await page.goto(`/seatmap.html?event=${event_id}`);
      await step('choose');
    },
    async choose(/** @type {number[]} */ ...seats) {
      for (const seat of seats) {
        await cell(seat).click();
        await page.waitForSelector(`.cell[data-seat="${seat}"][data-state="4"]`);
      }
    },
    async hold() {
      await page.click('#hold');
      await step('checkout');
    },
    async fill_in(/** @type {string} */ token = 'tok_visa') {
      await page.fill('#name', 'Ada Lovelace');
      await page.fill('#email', 'ada@example.org');
      await page.check(`input[value="${token}"]`);
    },
    async pay() {
      await page.click('#pay');
      await step('done');
    },
    /** @returns {Promise<string[]>} the seats' labels, once every QR code is there and has been drawn */
    async read_tickets() {
      await page.waitForFunction(() => {
        const images = [...document.querySelectorAll('img.qr')];
        return images.length > 0 && images.every((i) => i instanceof HTMLImageElement && i.complete && i.naturalWidth > 0);
      });
      return page.locator('.stub-seat').allTextContents();
    },
    async assert_no_sideways_scroll() {
      // Not innerWidth: a phone's browser widens that to what overflows.
      const { width } = page.viewportSize();
      const content = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(content <= width, `${page.url()}: ${content} wide on a screen of ${width}`);
    },
    /** Presses Tab until the element has the focus. */
    async tab_to(/** @type {string} */ selector, key = 'Tab') {
      for (let i = 0; i < 80; i++) {
        if (await page.locator(selector).first().evaluate((e) => e === document.activeElement)) {
          return;
        }
        await page.keyboard.press(key);
      }
      assert.fail(`${key} does not reach ${selector}`);
    },
    /** Leaves, having seen no error of the pages and nothing the content policy refused. */
    async leave() {
      await leave();
      assert.deepEqual(faults, []);
    },
  };
}
