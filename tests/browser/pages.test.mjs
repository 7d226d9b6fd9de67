// The pages in real browsers against a real stack: what a buyer does and what a buyer is told.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { command_queue, open_stack, seed_event } from './lib/stack.mjs';
import { invite, open_browser } from './lib/visitor.mjs';

/** @type {Awaited<ReturnType<typeof open_stack>>} */
let stack;
/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  stack = await open_stack();
  browser = await open_browser();
}, { timeout: 300_000 });

after(async () => {
  await browser?.close();
  await stack?.close();
});

const enter = (kind) => invite(browser, stack.env.HOLDFAST_URL, kind);
const seed = (wish) => seed_event(stack.env, wish);

test('a purchase: line, seats, hold, payment, tickets with QR codes that survive a reload', async () => {
  const event_id = await seed({ queue: true });
  const buyer = await enter();
  await buyer.page.goto(`/?event=${event_id}`);
  await buyer.step('choose');
  assert.match(buyer.page.url(), /\/seatmap\.html\?event=/);
  await buyer.choose(0, 1);
  await buyer.hold();
  assert.match(await buyer.page.textContent('#held-clock'), /^[12]:\d\d$/);
  await buyer.fill_in();
  await buyer.pay();
  const labels = await buyer.read_tickets();
  assert.equal(labels.length, 2);
  await buyer.page.reload();
  await buyer.step('done');
  assert.deepEqual(await buyer.read_tickets(), labels);
  await buyer.leave();
});

test('the line is shown while it is paused, and moves on by itself when it resumes', async () => {
  const event_id = await seed({ queue: true });
  await command_queue(stack.env, event_id, 'pause');
  const buyer = await enter();
  await buyer.page.goto(`/wait.html?event=${event_id}`);
  await buyer.page.locator('#headline', { hasText: 'paused' }).waitFor();
  assert.match(await buyer.page.textContent('#big'), /^\d+$/);
  await command_queue(stack.env, event_id, 'resume');
  await buyer.step('choose');
  await buyer.leave();
});

test('with nothing left to sell the waiting page promises neither a wait nor a price', async () => {
  const event_id = await seed({ queue: true, seats: 4 });
  const buyer = await enter();
  await buyer.page.goto(`/?event=${event_id}`);
  await buyer.step('choose');
  await buyer.choose(0, 1, 2, 3);
  await buyer.hold();
  await buyer.fill_in();
  await buyer.pay();
  const late = await enter({ phone: true });
  await late.page.goto(`/wait.html?event=${event_id}`);
  await late.page.locator('#advice', { hasText: 'All seats are sold' }).waitFor();
  assert.equal(await late.page.textContent('#fact-seats'), '0');
  assert.equal(await late.page.textContent('#fact-wait'), '–');
  assert.equal(await late.page.textContent('#fact-prices'), '–');
  await late.leave();
  await buyer.leave();
});

test('before the sale opens the page counts down, then takes the visitor in', async () => {
  const event_id = await seed({ queue: true, opens_in: 4 });
  const buyer = await enter();
  await buyer.page.goto(`/wait.html?event=${event_id}`);
  await buyer.page.locator('#big', { hasText: /^0:0[1-4]$/ }).waitFor();
  await buyer.step('choose');
  await buyer.leave();
});

test('a second browser sees a seat go, and come back when it is given back', async () => {
  const event_id = await seed();
  const [buyer, watcher] = [await enter(), await enter()];
  await buyer.open_hall(event_id);
  await watcher.open_hall(event_id);
  await buyer.choose(3);
  await buyer.hold();
  await watcher.page.waitForSelector('.cell[data-seat="3"][data-state="1"]');
  await buyer.page.click('#give-up');
  await watcher.page.waitForSelector('.cell[data-seat="3"][data-state="0"]');
  await buyer.choose(3);
  await buyer.hold();
  await buyer.fill_in();
  await buyer.pay();
  await watcher.page.waitForSelector('.cell[data-seat="3"][data-state="2"]');
  await buyer.leave();
  await watcher.leave();
});

test('a chosen seat that goes to somebody else leaves the basket at once, with another offered', async () => {
  const event_id = await seed();
  const [quick, slow] = [await enter(), await enter()];
  await slow.open_hall(event_id);
  await slow.choose(5, 6);
  await quick.open_hall(event_id);
  await quick.choose(5);
  await quick.hold();
  const notice = slow.page.locator('#basket-notice');
  await notice.getByText('taken by somebody else').waitFor();
  await slow.page.click('#take-offer');
  await slow.hold();
  assert.equal(await slow.page.locator('#held-seats li').count(), 2);
  await quick.leave();
  await slow.leave();
});

test('two buyers press "hold" for one seat: one holds it, the other is told', async () => {
  const event_id = await seed();
  // Neither sees the other's choice coming, so both requests reach the server.
  const rivals = [await enter({ stale: true }), await enter({ stale: true })];
  for (const rival of rivals) {
    await rival.open_hall(event_id);
    await rival.choose(8);
  }
  const answers = rivals.map((rival) => rival.page.waitForResponse((r) => r.url().endsWith('/holds')));
  await Promise.all(rivals.map((rival) => rival.page.click('#hold')));
  const codes = (await Promise.all(answers)).map((answer) => answer.status());
  assert.deepEqual([...codes].sort(), [201, 409]);
  await rivals[codes.indexOf(201)].step('checkout');
  const loser = rivals[codes.indexOf(409)];
  await loser.page.locator('#basket-notice').getByText('taken by somebody else').waitFor();
  assert.equal(await loser.page.getAttribute('body', 'data-step'), 'choose');
  await Promise.all(rivals.map((rival) => rival.leave()));
});

test('the clock of a hold runs down, and its end is told', async () => {
  const event_id = await seed({ hold_seconds: 5 });
  const buyer = await enter();
  await buyer.open_hall(event_id);
  await buyer.choose(2);
  await buyer.hold();
  await buyer.page.locator('#held-clock', { hasText: '0:04' }).waitFor();
  await buyer.page.locator('#held-clock', { hasText: '0:02' }).waitFor();
  await buyer.page.locator('#basket-notice').getByText('ran out').waitFor();
  await buyer.page.waitForSelector('.cell[data-seat="2"][data-state="0"]');
  await buyer.leave();
});

test('a reload in mid-checkout finds the hold again', async () => {
  const event_id = await seed();
  const buyer = await enter();
  await buyer.open_hall(event_id);
  await buyer.choose(1, 2);
  await buyer.hold();
  await buyer.page.reload();
  await buyer.step('checkout');
  assert.equal(await buyer.page.locator('#held-seats li').count(), 2);
  await buyer.fill_in();
  await buyer.pay();
  await buyer.leave();
});

test('a declined card is told and another one works; nothing is sent with an empty form', async () => {
  const event_id = await seed();
  const buyer = await enter();
  await buyer.open_hall(event_id);
  await buyer.choose(4);
  await buyer.hold();
  await buyer.page.click('#pay');
  assert.equal(await buyer.page.getAttribute('#name', 'aria-invalid'), 'true');
  await buyer.fill_in('tok_declined');
  await buyer.page.click('#pay');
  await buyer.page.locator('#pay-error').getByText('try another card').waitFor();
  assert.equal(await buyer.page.getAttribute('body', 'data-step'), 'checkout');
  await buyer.page.check('input[value="tok_visa"]');
  await buyer.pay();
  assert.equal((await buyer.read_tickets()).length, 1);
  await buyer.leave();
});

test('a bank that takes its time is waited for, and charges once', async () => {
  const event_id = await seed();
  const buyer = await enter();
  await buyer.open_hall(event_id);
  await buyer.choose(7);
  await buyer.hold();
  await buyer.fill_in('tok_slow');
  await buyer.page.click('#pay');
  await buyer.page.locator('#pay', { hasText: 'Paying' }).waitFor();
  assert.equal(await buyer.page.isDisabled('#pay'), true);
  await buyer.step('done');
  assert.equal((await buyer.read_tickets()).length, 1);
  await buyer.leave();
});

test('a purchase with the keyboard alone, through the list', async () => {
  const event_id = await seed();
  const buyer = await enter();
  const { keyboard } = buyer.page;
  await buyer.open_hall(event_id);
  await buyer.tab_to('#skip');
  await keyboard.press('Enter');
  await buyer.tab_to('#section-picker');
  await buyer.tab_to('.cell');
  await keyboard.press('ArrowDown');
  await keyboard.press('End');
  await keyboard.press('ArrowLeft');
  await keyboard.press('Space');
  const chosen = buyer.page.locator('.cell[aria-selected="true"]');
  await chosen.waitFor();
  assert.match(await chosen.getAttribute('aria-label'), /row 2, seat 19, €.*, chosen$/);
  await buyer.tab_to('#hold', 'Shift+Tab');
  await keyboard.press('Enter');
  await buyer.step('checkout');
  await buyer.tab_to('#name');
  await keyboard.type('Grace Hopper');
  await buyer.tab_to('#email');
  await keyboard.type('grace@example.org');
  await keyboard.press('Enter');
  await buyer.step('done');
  assert.equal((await buyer.read_tickets()).length, 1);
  await buyer.leave();
});

/** Finds where on the map the tip names the place, and points the mouse there. */
async function point_at({ page }, place) {
  const spot = await page.locator('#map').evaluate((map, wanted) => {
    const { left, top, width, height } = map.getBoundingClientRect();
    const tip = document.getElementById('tip');
    for (let y = 6; y < height; y += 12) {
      for (let x = 6; x < width; x += 12) {
        const at = { x: left + x, y: top + y };
        map.dispatchEvent(new PointerEvent('pointermove', { pointerType: 'mouse', clientX: at.x, clientY: at.y }));
        if (!tip.hidden && tip.textContent.startsWith(wanted)) {
          return at;
        }
      }
    }
    return null;
  }, place);
  assert.ok(spot, `${place} is nowhere on the map`);
  await page.mouse.move(spot.x, spot.y);
}

test('seats found together are shown on the map, named there and chosen by a click', async () => {
  const event_id = await seed();
  const buyer = await enter();
  // Without motion the map is where it is going at once.
  await buyer.page.emulateMedia({ reducedMotion: 'reduce' });
  await buyer.open_hall(event_id);
  await buyer.page.click('#together-go');
  const chosen = buyer.page.locator('.cell[data-state="4"]');
  await chosen.nth(1).waitFor();
  const label = await chosen.first().getAttribute('aria-label');
  await chosen.first().click();
  await buyer.page.waitForFunction(() => document.querySelectorAll('#chosen li').length === 1);
  await point_at(buyer, label.split(', €')[0]);
  await buyer.page.mouse.down();
  await buyer.page.mouse.up();
  await buyer.page.waitForFunction(() => document.querySelectorAll('#chosen li').length === 2);
  await buyer.leave();
});

test('a phone shows every page without sideways scrolling', async () => {
  const event_id = await seed({ queue: true });
  const buyer = await enter({ phone: true });
  await buyer.page.goto(`/event.html?event=${event_id}`);
  await buyer.page.locator('#go').waitFor();
  await buyer.assert_no_sideways_scroll();
  await command_queue(stack.env, event_id, 'pause');
  await buyer.page.tap('#go');
  await buyer.page.locator('#headline', { hasText: 'paused' }).waitFor();
  await buyer.assert_no_sideways_scroll();
  await command_queue(stack.env, event_id, 'resume');
  await buyer.step('choose');
  await buyer.assert_no_sideways_scroll();
  await buyer.page.tap('#view-list');
  await buyer.assert_no_sideways_scroll();
  await buyer.page.tap('.cell[data-seat="0"]');
  await buyer.hold();
  await buyer.assert_no_sideways_scroll();
  await buyer.fill_in();
  await buyer.pay();
  await buyer.read_tickets();
  await buyer.assert_no_sideways_scroll();
  await buyer.leave();
});

test('an event that does not exist is said', async () => {
  const visitor = await enter();
  for (const page of ['/?event=999999999', '/event.html?event=999999999', '/seatmap.html?event=999999999']) {
    await visitor.page.goto(page);
    await visitor.page.getByText('No such event').waitFor();
  }
  await visitor.leave();
});
