// @ts-check
/** The waiting room's page: shows the place in the line and moves on when the pass arrives. */
import { create_api } from '../sdk/api.js';
import { create_server_clock } from '../sdk/clock.js';
import { open_waiting_room, pass_load } from '../sdk/waiting_room.js';
import { by_id, page_url, set_text, url_param } from './dom.js';
import { event_line, read_event } from './event_facts.js';
import { format_clock, format_count, format_plural, format_price_range, format_wait } from './format.js';

/** @typedef {import('../sdk/waiting_room.js').waiting_view} waiting_view */
/**
 * @typedef {object} scene what the upper half of the page says
 * @property {string} headline
 * @property {string} big
 * @property {string} [unit]
 * @property {string} [advice]
 * @property {string} [action] label of the button
 * @property {boolean} [quiet] the big text is not a number to watch
 */

const SPEAK_EVERY_MS = 20_000;
const LINK_WORDS = {
  connecting: 'Connecting', live: 'Live', polling: 'Updated every few seconds', offline: 'Connection lost, retrying',
};

const clock = create_server_clock();
const api = create_api({ clock });
const event_id = url_param('event') ?? '';
const element = (/** @type {string} */ id) => by_id(id, HTMLElement);
/** @type {import('./event_facts.js').event | null} */
let event = null;
/** @type {import('../sdk/waiting_room.js').waiting_room | null} */
let room = null;
let spoken_at = -Infinity;
let spoken_scene = '';

function go_in() {
  location.replace(page_url('/seatmap.html', event_id));
}

/** @param {waiting_view} view @returns {scene} */
function scene_before_sale(view) {
  const opens_at = view.line?.opensAt;
  const left = opens_at ? clock.remaining(opens_at) : 0;
  const numbered = view.number !== null;
  const waiting_words = view.line?.draw
    ? 'Everyone who is here when the sale opens gets a number drawn by lot. Having come earlier makes no difference.'
    : 'You are told your number when the sale opens. Numbers are given in the order of arrival.';
  return {
    headline: left > 0 ? 'The sale opens in' : 'The sale is about to open',
    big: left > 0 ? format_clock(left) : '0:00',
    unit: numbered ? `You are number ${format_count(Number(view.number) + 1)} in the line` : 'You are in',
    advice: numbered ? 'When the sale opens, people are let in from the front.' : waiting_words,
  };
}

/** @param {waiting_view} view @returns {scene} */
function scene_in_line(view) {
  const ahead = view.ahead ?? 0;
  const paused = view.line?.phase === 'paused';
  const sold_out = view.line?.seatsLeft === 0;
  let advice = ahead === 0 ? 'You are next. Keep this page open.' : '';
  if (paused) {
    advice = 'The line is paused for a moment. Nobody is being let in, and everyone keeps their place.';
  }
  if (sold_out) {
    advice = 'All seats are sold or in somebody’s basket. Seats come back when baskets run out, so you may wait on.';
  }
  return {
    headline: paused ? 'The line is paused' : 'You are in the line',
    big: format_count(ahead),
    unit: ahead === 1 ? 'person ahead of you' : 'people ahead of you',
    advice,
  };
}

/** @param {waiting_view} view @returns {scene} */
function scene_of(view) {
  const phase = view.line?.phase;
  if (view.place === 'admitted' || view.place === 'called') {
    return { headline: 'It is your turn', big: 'Go', advice: 'Opening the seat map.' };
  }
  if (phase === 'closed') {
    return { headline: 'The sale has ended', big: 'Closed', quiet: true, advice: 'Nobody is being let in any more.' };
  }
  if (view.place === 'missed') {
    return {
      headline: 'Your turn has passed', big: 'Missed', quiet: true,
      advice: 'Your number was called, but nobody was here to take the place in time. You can join again at the end of the line.',
      action: 'Join again',
    };
  }
  if (view.place === 'refused') {
    return view.refusal === 'queue_closed'
      ? { headline: 'The waiting room is not open', big: 'Closed', quiet: true, advice: 'This page keeps asking and lets you in as soon as it opens.' }
      : { headline: 'There is no waiting room here', big: '–', quiet: true, advice: 'The link may be incomplete, or the event is over.' };
  }
  if (view.place === 'joining' || view.line === null) {
    return { headline: 'Finding your place…', big: '–', quiet: true };
  }
  if (phase === 'idle' || phase === 'prequeue' || phase === 'draw' || view.number === null) {
    return scene_before_sale(view);
  }
  return scene_in_line(view);
}

/** @param {string} text */
function length_class(text) {
  return text.length >= 8 ? 'long' : String(text.length);
}

/** @param {scene} scene @param {waiting_view} view */
function show_scene(scene, view) {
  document.body.dataset.place = view.place;
  document.body.dataset.mood = scene.quiet ? 'quiet' : 'lively';
  set_text(element('headline'), scene.headline);
  set_text(element('big'), scene.big);
  element('big').dataset.length = length_class(scene.big);
  set_text(element('unit'), scene.unit ?? '');
  set_text(element('advice'), scene.advice ?? '');
  element('action-box').hidden = scene.action === undefined;
  document.title = view.ahead !== null && view.place === 'waiting'
    ? `${scene.big} ahead – ${event?.name ?? 'Waiting room'}` : `${scene.headline} – ${event?.name ?? 'Holdfast'}`;
}

/** Screen readers hear a new scene at once and progress now and then. @param {scene} scene */
function speak(scene) {
  const now = performance.now();
  if (scene.headline !== spoken_scene || now - spoken_at > SPEAK_EVERY_MS) {
    spoken_scene = scene.headline;
    spoken_at = now;
    set_text(element('spoken'), [scene.headline, scene.quiet ? '' : scene.big, scene.unit, scene.advice]
      .filter(Boolean).join('. '));
  }
}

/** @param {waiting_view} view */
function show_progress(view) {
  const rope = element('rope');
  const start = view.ahead_at_start;
  rope.hidden = view.ahead === null || !start || view.place === 'refused' || view.place === 'missed';
  if (!rope.hidden && view.ahead !== null && start) {
    const share = 1 - view.ahead / start;
    rope.style.setProperty('--share', share.toFixed(4));
    rope.setAttribute('aria-valuenow', String(Math.round(share * 100)));
    rope.setAttribute('aria-valuetext', format_plural(view.ahead, 'person ahead', 'people ahead'));
  }
}

/** @param {waiting_view} view */
function show_facts(view) {
  const line = view.line;
  const fact = (/** @type {string} */ id, /** @type {string | null | undefined} */ text) => {
    set_text(element(id), text || '–');
  };
  const count = (/** @type {number | null | undefined} */ n) => (typeof n === 'number' ? format_count(n) : '');
  // With nothing to sell the line stands: neither a wait nor a price would be true.
  const sold_out = line?.seatsLeft === 0;
  const eta = view.place === 'waiting' && line?.phase === 'open' && !sold_out ? view.eta : null;
  fact('fact-wait', eta && format_wait(eta));
  // Numbers count from 0, people from 1.
  fact('fact-number', view.number === null ? '' : count(view.number + 1));
  fact('fact-serving', line?.phase === 'open' || line?.phase === 'paused' ? count(line.serving) : '');
  fact('fact-seats', count(line?.seatsLeft));
  fact('fact-prices', sold_out ? null : format_price_range(line?.priceFrom, line?.priceTo, line?.currency ?? event?.currency ?? 'EUR'));
  fact('fact-waiting', count(line?.waiting));
}

/** @param {waiting_view} view */
function show(view) {
  const scene = scene_of(view);
  show_scene(scene, view);
  show_progress(view);
  show_facts(view);
  speak(scene);
  element('live').dataset.link = view.link;
  set_text(element('live-text'), LINK_WORDS[view.link]);
}

async function show_event() {
  event = await read_event(api, event_id);
  set_text(element('event-name'), event.name);
  set_text(element('event-facts'), event_line(event));
}

function start() {
  const kept = pass_load(event_id);
  if (kept && clock.remaining(kept.expiresAt) > 0) {
    go_in();
    return;
  }
  show_event().catch(() => {
    // The line is what matters here; it says itself if there is none.
  });
  room = open_waiting_room({
    event_id, api, on_view: show,
    on_pass: () => setTimeout(go_in, matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 700),
  });
  element('action').addEventListener('click', () => room?.rejoin());
  setInterval(() => {
    const view = room?.view();
    if (view && view.line?.opensAt && view.line.phase !== 'open') {
      show(view);
    }
  }, 1000);
}

start();
