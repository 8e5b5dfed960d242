// One container in detail: its log, which follows, and commands that are run in it.

import { call } from './api.js';
import { $, el, ending, fail, line, visible } from './text.js';

// The most characters of a log that the page keeps.
const MAX_LOG = 200000;
const PAUSE = 1000;

let shown = null;
let opener = null;
let running = null;

export function begin() {
  $('detail-close').addEventListener('click', close);
  $('exec').addEventListener('submit', run);
  $('exec-cancel').addEventListener('click', () => running?.abort());
  $('detail').addEventListener('keydown', (event) => { if (event.key === 'Escape') close(); });
}

// Shows a container; `part` is what the user wants to see of it.
export function open(id, part) {
  opener = document.activeElement;
  if (shown?.id !== id) {
    shown = { id, next: null, decoder: new TextDecoder(), busy: false };
    $('log').replaceChildren();
    $('exec-result').replaceChildren();
    follow(shown);
  }
  $('detail-title').textContent = line(id);
  $('detail').hidden = false;
  $('detail').scrollIntoView({ block: 'nearest' });
  if (part === 'exec') $('exec').elements.command.focus();
  else $('detail-title').focus();
}

function close() {
  shown = null;
  running?.abort();
  $('detail').hidden = true;
  (opener?.isConnected ? opener : $('containers-title')).focus();
}

// Whether commands can be run in it.
export function allow(canRun) {
  $('exec').hidden = !canRun;
}

export const current = () => shown?.id ?? null;

// Reads the log for as long as its container is shown and someone looks.
async function follow(one) {
  while (shown === one) {
    if (!document.hidden && ($('follow').checked || one.next === null)) {
      try {
        const params = { containerId: one.id, encoding: 'base64' };
        if (one.next !== null) params.from = one.next;
        const { log, next } = await call('getContainerLogs', params);
        if (shown !== one) return;
        one.next = next;
        if (log) append(one, log);
      } catch (error) {
        if (one.next === null) $('log').textContent = visible(error.message);
        one.next ??= 0;
      }
    }
    await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
  }
}

function append(one, base64) {
  const raw = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const text = one.decoder.decode(raw, { stream: true });
  const log = $('log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  // Colours say nothing here, and a carriage return before a line end neither.
  log.append(visible(text.replace(/\u001b\[[0-9;]*m/g, '').replace(/\r\n/g, '\n')));
  let surplus = log.textContent.length - MAX_LOG;
  while (surplus > 0 && log.childNodes.length > 1) {
    surplus -= log.firstChild.data.length;
    log.firstChild.remove();
  }
  if (atEnd) log.scrollTop = log.scrollHeight;
}

async function run(event) {
  event.preventDefault();
  const field = event.target.elements.command;
  const command = field.value.trim();
  if (!command || shown === null || running) return;
  const one = shown;
  running = new AbortController();
  busy(true);
  $('exec-result').replaceChildren(el('p', { text: `${line(command)} is running…` }));
  try {
    const result = await call('runCommand', { containerId: one.id, command }, running.signal);
    if (shown === one) $('exec-result').replaceChildren(...outcome(command, result));
  } catch (error) {
    const text = error.name === 'AbortError' ? 'cancelled' : visible(error.message);
    if (shown === one) $('exec-result').replaceChildren(el('p', { class: 'bad', text }));
    else fail(command, error);
  }
  running = null;
  busy(false);
}

function busy(is) {
  $('exec').querySelector('button[type=submit]').disabled = is;
  $('exec-cancel').hidden = !is;
}

function outcome(command, result) {
  const how = result.timedOut ? 'killed, it took too long' : ending(result);
  const parts = [el('p', { text: `${line(command)}: ${how}${result.truncated ? ', output cut' : ''}` })];
  for (const name of ['stdout', 'stderr']) {
    if (result[name]) parts.push(el('pre', { tabindex: '0', 'aria-label': name, text: visible(result[name]) }));
  }
  return parts;
}
