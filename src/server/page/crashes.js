// The crashes: the dumps that were brought to the host, newest first.

import { blob, hasToken, read } from './api.js';
import { isThere, loopOf } from './containers.js';
import { $, bytes, button, el, fail, line, set, span, visible } from './text.js';

// This many crashes of a container within this time are a loop, where the daemon has not reported one.
const LOOP_COUNT = 3;
const LOOP_TIME = 10 * 60 * 1000;

let dumps = null;
let hasStacks = false;
let stacks = new Map();
let only = null;
let drawn = null;
let openContainer = () => {};
let reading = null;
let again = false;

export function begin(open) {
  openContainer = open;
  $('crash-refresh').addEventListener('click', load);
  $('crash-all').addEventListener('click', () => { choose(null); $('crashes-title').focus(); });
}

// Shows the dumps of one container.
export function choose(id) {
  only = id;
  render();
  if (id !== null) $('crashes-title').focus();
}

// Reads the list; what asks meanwhile gets another reading, one for all.
export function load() {
  if (reading) { again = true; return reading; }
  reading = (async () => {
    try {
      ({ dumps, stacks: hasStacks } = await read('/page/dumps'));
      render();
    } catch (error) {
      fail('Cannot list the dumps', error);
    }
    reading = null;
    if (again) { again = false; await load(); }
  })();
  return reading;
}

export function render() {
  if (dumps === null) return;
  const wanted = only === null ? dumps : dumps.filter((dump) => dump.container === only);
  // Drawn again only when something is different, and then without taking the focus from the user.
  const facts = wanted.map((dump) => [dump, isThere(dump.container), loopOf(dump.container)]);
  const state = JSON.stringify([only, facts]);
  if (state === drawn) return;
  drawn = state;
  const list = $('crash-list');
  const focused = list.contains(document.activeElement) ? mark(document.activeElement) : null;
  set($('crash-count'), only === null ? String(wanted.length) : `${wanted.length} of ${line(only)}`);
  $('crash-all').hidden = only === null;
  $('crash-none').hidden = wanted.length > 0;
  const seen = new Set();
  // What is not listed any more is forgotten.
  const kept = stacks;
  stacks = new Map(dumps.map(nameOf).filter((name) => kept.has(name)).map((name) => [name, kept.get(name)]));
  list.replaceChildren(...wanted.map((dump) => row(dump, seen)));
  if (focused) [...list.querySelectorAll('a, button, summary')].find((one) => mark(one) === focused)?.focus();
}

const nameOf = ({ key, time, size }) => `${key} ${time} ${size}`;
const mark = (element) => element.getAttribute('href') ?? element.getAttribute('aria-label');

function row(dump, seen) {
  const what = dump.error ? 'not a dump' : `${line(dump.signal ?? 'no signal')} in ${line(dump.program ?? 'an unknown program')}`;
  const head = el('div', { class: 'head' }, el('h3', {}, el('bdi', { text: what })));
  // Only the newest of a container carries its mark.
  if (dump.container !== null && !seen.has(dump.container)) {
    seen.add(dump.container);
    const loop = loopOf(dump.container) ?? loopIn(dump.container);
    if (loop) head.append(el('span', { class: 'badge bad', text: loop }));
  }
  if (dump.truncated) head.append(el('span', { class: 'badge warn', text: 'truncated' }));
  const facts = el('div', {}, when(dump.time), ` · ${bytes(dump.size)} · `, container(dump.container));
  const li = el('li', {}, head, facts);
  const say = (text, kind) => li.append(el('div', { text: visible(text), class: kind }));
  if (dump.place) li.append(el('div', { class: 'mono' }, el('bdi', { text: line(dump.place) })));
  if (dump.truncated) say(`Missing: ${dump.truncated}`, 'quiet');
  if (dump.error) say(dump.error, 'quiet');
  if (dump.not_kept > 0) say(`${dump.not_kept} crashes before this one were not kept`, 'quiet');
  if (hasStacks && !dump.error) li.append(stack(dump));
  li.append(el('div', { class: 'bar' }, download(dump)));
  return li;
}

// The stacks in a dump, which are read when they are opened. The element stays as it is when the list is drawn again.
function stack(dump) {
  const name = nameOf(dump);
  if (!stacks.has(name)) {
    const text = el('pre', { tabindex: '0', text: 'Reading…' });
    const details = el('details', {}, el('summary', { text: 'Stack', 'aria-label': `Stack of ${line(dump.file)}` }), text);
    let isAsked = false;
    details.addEventListener('toggle', async () => {
      if (!details.open || isAsked) return;
      isAsked = true;
      try {
        set(text, visible((await read(`/page/dumps/${encodeURIComponent(dump.key)}/stack`)).stack));
      } catch (error) {
        isAsked = false;
        set(text, visible(error.message));
      }
    });
    stacks.set(name, details);
  }
  return stacks.get(name);
}

function when(time) {
  const date = time ? new Date(time) : null;
  if (!date || Number.isNaN(date.getTime())) return 'at an unknown time';
  return el('time', { datetime: date.toISOString(), text: `${date.toLocaleString()} (${span(Date.now() - date)} ago)` });
}

function container(id) {
  if (id === null) return 'container unknown';
  const name = el('bdi', { text: line(id) });
  if (!isThere(id)) return name;
  const link = button('', `Show container ${line(id)}`, () => openContainer(id, 'log'), 'link');
  link.append(name);
  return link;
}

function loopIn(id) {
  const times = dumps.filter((dump) => dump.container === id && dump.time).map((dump) => Date.parse(dump.time));
  times.sort((a, b) => b - a);
  const is = times.some((time, n) => n + LOOP_COUNT <= times.length && time - times[n + LOOP_COUNT - 1] <= LOOP_TIME);
  return is ? `${LOOP_COUNT} crashes or more within 10 minutes` : null;
}

// A plain link; where there is a token, which a link cannot present, its bytes are fetched.
function download(dump) {
  const path = `/page/dumps/${encodeURIComponent(dump.key)}`;
  const link = el('a', { href: path, download: '', text: `Download ${line(dump.file)}` });
  link.addEventListener('click', async (event) => {
    if (!hasToken() || link.protocol === 'blob:') return;
    event.preventDefault();
    try {
      const url = URL.createObjectURL(await blob(path));
      const hidden = el('a', { href: url, download: dump.file });
      hidden.click();
      setTimeout(() => URL.revokeObjectURL(url), 60000);
    } catch (error) {
      fail(`Cannot download ${dump.file}`, error);
    }
  });
  return link;
}
