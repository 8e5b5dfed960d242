// The page: reads the box while someone looks at it, and shows what it reads.

import { callEach, listen, read } from './page/api.js';
import * as containers from './page/containers.js';
import * as crashes from './page/crashes.js';
import * as detail from './page/detail.js';
import { $, bytes, el, fail, line, say, set } from './page/text.js';

// How often figures are read while the page is visible, and at most after failures, in milliseconds.
const PERIOD = 2000;
const LONGEST_PERIOD = 15000;
// Events that come together lead to one reading.
const TOGETHER = 100;
// The most ends of containers that are remembered while the page is hidden.
const MOST_MISSED = 20;

let timer = null;
let reading = false;
let again = false;
let period = PERIOD;
let lost = false;

function later(milliseconds) {
  clearTimeout(timer);
  timer = document.hidden ? null : setTimeout(look, milliseconds);
}

// Reads once, and again after a while. Nothing is read while the page is hidden.
async function look() {
  if (document.hidden) return;
  if (reading) { again = true; return; }
  reading = true;
  try {
    const overview = await read('/page/overview');
    const alive = overview.containers.filter(({ state }) => !['starting', 'stopped'].includes(state.toLowerCase()));
    const infos = overview.active ? await callEach('getContainerInfo', alive.map(({ id }) => id)) : new Map();
    containers.show(overview, infos);
    // Its links lead to containers that are there.
    crashes.render();
    health(overview);
    if (lost) { lost = false; say('The daemon answers again.'); }
    period = PERIOD;
  } catch (error) {
    lost = true;
    verdict('no answer', 'bad');
    fail('The daemon does not answer', error);
    period = Math.min(2 * period, LONGEST_PERIOD);
  }
  reading = false;
  later(again ? TOGETHER : period);
  again = false;
}

function verdict(text, kind) {
  set($('verdict'), text);
  $('verdict').className = `badge ${kind}`;
}

function health(overview) {
  const { limits, reasons } = overview;
  verdict(overview.status, reasons.length > 0 ? 'bad' : 'good');
  const texts = reasons.map(line);
  if (!overview.active) texts.push('the plugin is not activated: call Controller.1.activate');
  if ([...$('reasons').children].map((li) => li.textContent).join('\n') !== texts.join('\n')) {
    $('reasons').replaceChildren(...texts.map((text) => el('li', { text })));
  }
  set($('stop-seconds'), String(limits.stopSeconds));
  const facts = {
    Version: overview.version,
    Runtime: overview.runtime,
    'Access here': overview.readOnly ? 'read-only' : 'everything',
    'Bundles below': overview.bundleRoots.length > 0 ? overview.bundleRoots.join(', ') : 'any directory',
    'Output kept of each container': bytes(limits.logBytes),
    'From SIGTERM to SIGKILL': `${limits.stopSeconds} s`,
    'A call of the runtime takes at most': `${limits.runtimeSeconds} s`,
    'A message has at most': bytes(limits.bodyBytes),
    'Dumps listed': `the newest ${limits.dumpsListed}`,
    'State lies in': overview.stateDir,
    'Logs lie in': overview.logDir,
    Socket: overview.socket,
  };
  const parts = Object.entries(facts).map(([name, text]) => el('div', {}, el('dt', { text: name }), el('dd', { text: line(text) })));
  if (parts.map((part) => part.textContent).join() !== [...$('facts').children].map((part) => part.textContent).join()) {
    $('facts').replaceChildren(...parts);
  }
  detail.allow(!overview.readOnly);
}

function onEvent(name, params) {
  if (name === 'onCrashLoop') containers.markLoop(params);
  if (name === 'onContainerStopped') ended(params.containerId ?? params.name);
  if (name === 'onContainerFailed') fail(`${params.name} failed`, new Error(`error ${params.errorCode}`));
  if (name === 'onMinidump' || name === 'onCrashLoop') dumped();
  later(TOGETHER);
}

// What happens while the page is hidden is asked for when it is seen again.
const missed = { dumps: false, ended: [] };

function dumped() {
  if (document.hidden) missed.dumps = true;
  else crashes.load();
}

function ended(id) {
  if (!document.hidden) containers.end(id);
  else if (missed.ended.push(id) > MOST_MISSED) missed.ended.shift();
}

function catchUp() {
  later(0);
  if (document.hidden) return;
  if (missed.dumps) { missed.dumps = false; crashes.load(); }
  missed.ended.splice(0).forEach((id) => containers.end(id));
}

const THEMES = { auto: 'light', light: 'dark', dark: 'auto' };
const THEME_NAMES = { auto: 'automatic', light: 'light', dark: 'dark' };

function theme(chosen) {
  if (chosen === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  set($('theme'), `Theme: ${THEME_NAMES[chosen]}`);
  $('theme').onclick = () => {
    try { localStorage.setItem('theme', THEMES[chosen]); } catch { /* It lasts until the page is closed. */ }
    theme(THEMES[chosen]);
  };
}

let chosen = 'auto';
try { chosen = localStorage.getItem('theme') ?? 'auto'; } catch { /* As the system has it. */ }
theme(chosen in THEMES ? chosen : 'auto');

set($('host'), line(location.host));
containers.begin({ open: detail.open, crashesOf: crashes.choose, changed: look });
crashes.begin(detail.open);
detail.begin();
document.addEventListener('visibilitychange', catchUp);
await look();
await crashes.load();
listen(onEvent, (connected) => {
  document.documentElement.dataset.events = connected ? 'on' : 'off';
  // Whatever happened meanwhile was not received.
  if (connected) { later(0); dumped(); }
});
