// The containers: one row for each, with its figures and what can be done with it.

import { call } from './api.js';
import { $, bytes, button, el, ending, fail, line, say, set, span } from './text.js';

// How far back the curves go, in milliseconds; those of a page that was just opened, less.
const WINDOW = 5 * 60 * 1000;
const SHORTEST = 60 * 1000;
// The most ended containers that are remembered.
const MAX_ENDED = 20;
const SVG = 'http://www.w3.org/2000/svg';

const rows = new Map();
const loops = new Map();
const ended = [];
let readOnly = false;
let doings = {};

// `open(id, focus)` shows the details of a container, `crashesOf(id)` its dumps, `changed()` reads all again.
export function begin(given) {
  doings = given;
  $('start').addEventListener('submit', start);
}

export const isThere = (id) => rows.has(id);

// A crash loop was reported.
export function markLoop({ name, containerId, count, since }) {
  loops.set(containerId ?? name, { count, since });
}

export function loopOf(id) {
  const loop = loops.get(id);
  if (!loop) return null;
  const since = typeof loop.since === 'string' ? ` since ${line(loop.since)}` : '';
  return `crash loop: ${Number(loop.count) || 'many'} crashes${since}`;
}

// Shows the containers of an overview with their figures, `infos` by id.
export function show(overview, infos) {
  ({ readOnly } = overview);
  const now = performance.now();
  const there = new Set();
  for (const container of overview.containers) {
    there.add(container.id);
    if (!rows.has(container.id)) rows.set(container.id, makeRow(container.id));
    update(rows.get(container.id), container, infos.get(container.id)?.info, now);
  }
  for (const [id, row] of rows) {
    if (!there.has(id)) { row.li.remove(); rows.delete(id); }
  }
  overview.containers.forEach(({ id }, n) => {
    const { li } = rows.get(id);
    if ($('list').children[n] !== li) $('list').insertBefore(li, $('list').children[n] ?? null);
  });
  set($('count'), String(there.size));
  $('none').hidden = there.size > 0;
  $('start').hidden = readOnly;
}

function makeRow(id) {
  const name = line(id);
  const row = { id, samples: [], state: '' };
  const fact = (title) => {
    const dd = el('dd', { text: '–' });
    return [el('div', {}, el('dt', { text: title }), dd), dd];
  };
  const [age, ageText] = fact('Age');
  const [restarts, restartsText] = fact('Restarts in a row');
  const [cpu, cpuText] = fact('CPU');
  const [memory, memoryText] = fact('Memory');
  const [cpuCurve, memoryCurve] = [curve('cpu'), curve('memory')];
  cpu.lastChild.after(cpuCurve);
  memory.lastChild.after(memoryCurve);
  const state = el('span', { class: 'badge' });
  const loop = el('a', { class: 'badge bad', href: '#crashes', hidden: true, onclick: () => doings.crashesOf(id) });
  const pause = button('Pause', `Pause ${name}`, () => act(row, row.state === 'paused' ? 'resumeContainer' : 'pauseContainer'));
  const stop = button('Stop', `Stop ${name}`, () => askStop(row));
  const bar = el('div', { class: 'bar' },
    button('Log', `Log of ${name}`, () => doings.open(id, 'log')),
    button('Run command', `Run a command in ${name}`, () => doings.open(id, 'exec')),
    button('Dumps', `Dumps of ${name}`, () => doings.crashesOf(id)), pause, stop);
  const head = el('div', { class: 'head' }, el('h3', {}, el('bdi', { text: name })), state, loop);
  const li = el('li', {}, head, el('dl', { class: 'figures' }, age, restarts, cpu, memory), bar);
  return Object.assign(row, { li, stateText: state, loop, pause, stop, exec: bar.children[1],
    ageText, restartsText, cpuText, memoryText, cpuCurve, memoryCurve });
}

const STATES = { running: 'good', paused: 'warn', stopped: 'bad', stopping: 'warn', starting: 'warn' };

function update(row, { state, age, restarts }, info, now) {
  row.state = state.toLowerCase();
  set(row.stateText, row.state);
  row.stateText.className = `badge ${STATES[row.state] ?? ''}`;
  set(row.ageText, span(age));
  set(row.restartsText, restarts === null ? 'not restarted' : String(restarts));
  const loop = loopOf(row.id);
  row.loop.hidden = loop === null;
  set(row.loop, loop ?? '');
  set(row.pause, row.state === 'paused' ? 'Resume' : 'Pause');
  row.pause.setAttribute('aria-label', `${row.pause.textContent} ${line(row.id)}`);
  for (const part of [row.pause, row.stop, row.exec]) part.hidden = readOnly;
  row.pause.disabled = row.state !== 'running' && row.state !== 'paused';
  row.exec.disabled = row.state !== 'running';
  if (info) figures(row, info, now);
}

function figures(row, info, now) {
  const used = info.memory?.user?.usage ?? null;
  const sample = { now, at: info.timestamp, cpu: info.cpu?.usage?.total ?? null, memory: used, share: null };
  const last = row.samples.at(-1);
  if (last && last.cpu !== null && sample.cpu !== null && sample.at > last.at) {
    // A restart begins to count again.
    sample.share = Math.max(0, (100 * (sample.cpu - last.cpu)) / (sample.at - last.at));
  }
  row.samples.push(sample);
  row.samples = row.samples.filter((one) => now - one.now <= WINDOW);
  const share = sample.share === null ? '–' : `${sample.share.toFixed(1)} %`;
  const limit = info.memory?.user?.limit > 0 ? ` of ${bytes(info.memory.user.limit)}` : '';
  set(row.cpuText, share);
  set(row.memoryText, bytes(used) + limit);
  draw(row.cpuCurve, row.samples, 'share', now, 5, `CPU of the last minutes, now ${share}`);
  draw(row.memoryCurve, row.samples, 'memory', now, 1, `Memory of the last minutes, now ${bytes(used)}`);
}

function curve(kind) {
  const svg = document.createElementNS(SVG, 'svg');
  for (const [key, value] of Object.entries({ class: `curve ${kind}`, viewBox: '0 0 100 30', preserveAspectRatio: 'none', role: 'img' })) {
    svg.setAttribute(key, value);
  }
  svg.append(document.createElementNS(SVG, 'path'));
  return svg;
}

function draw(svg, samples, of, now, least, label) {
  const points = samples.filter((sample) => sample[of] !== null);
  const top = Math.max(least, ...points.map((sample) => sample[of])) * 1.1;
  const time = Math.max(SHORTEST, now - samples[0].now);
  const place = (sample) => `${(100 - (100 * (now - sample.now)) / time).toFixed(2)} ${(29 - (28 * sample[of]) / top).toFixed(2)}`;
  svg.firstChild.setAttribute('d', points.length > 1 ? `M${points.map(place).join('L')}` : '');
  svg.setAttribute('aria-label', label);
}

async function act(row, method, params = {}) {
  try {
    await call(method, { containerId: row.id, ...params });
    say(`${method} ${row.id}: done`);
  } catch (error) {
    fail(`${method} ${row.id}`, error);
  }
  doings.changed();
}

function askStop(row) {
  set($('stop-title'), `Stop ${line(row.id)}?`);
  const dialog = $('stop');
  dialog.returnValue = 'cancel';
  dialog.onclose = () => {
    if (dialog.returnValue !== 'cancel') act(row, 'stopContainer', { force: dialog.returnValue === 'kill' });
  };
  dialog.showModal();
}

async function start(event) {
  event.preventDefault();
  const { name, bundle, command } = event.target.elements;
  const params = { containerId: name.value.trim(), bundlePath: bundle.value.trim() };
  if (!params.containerId || !params.bundlePath) {
    (params.containerId ? bundle : name).focus();
    return fail('Start', new Error('give the id of the container and the path of its bundle'));
  }
  if (command.value.trim()) params.command = command.value.trim();
  const submit = event.target.querySelector('button');
  submit.disabled = true;
  say(`Starting ${params.containerId}…`);
  try {
    await call('startContainer', params);
    say(`${params.containerId} runs`);
    event.target.reset();
  } catch (error) {
    fail(`Cannot start ${params.containerId}`, error);
  }
  submit.disabled = false;
  doings.changed();
}

// A container has ended: it is remembered with how it did.
export async function end(id) {
  const entry = { id, how: 'ended' };
  try { entry.how = ending(await call('waitContainer', { containerId: id, timeout: 1000 })); } catch { /* Not known any more. */ }
  ended.unshift(entry);
  ended.length = Math.min(ended.length, MAX_ENDED);
  const row = ({ id: of, how }) => el('li', {}, el('div', { class: 'head' }, el('h3', {}, el('bdi', { text: line(of) })),
    el('span', { class: how === 'exit code 0' ? 'badge' : 'badge bad', text: how }),
    button('Log', `Log of ${line(of)}, which has ended`, () => doings.open(of, 'log')),
    button('Dumps', `Dumps of ${line(of)}, which has ended`, () => doings.crashesOf(of))));
  $('ended-list').replaceChildren(...ended.map(row));
  $('ended').hidden = false;
  set($('ended-count'), String(ended.length));
}
