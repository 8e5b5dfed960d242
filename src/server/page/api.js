// The daemon's API, as every client has it: calls by POST, events on the WebSocket.

import { $ } from './text.js';

// The alias that the plugin always has.
const PLUGIN = 'OCIContainer.1.';
// The most calls in one message.
const BATCH = 32;

// Kept until this tab is closed, or not at all where the browser keeps nothing.
let token = null;
try { token = sessionStorage.getItem('token'); } catch { /* In memory only. */ }

let asking = null;

// Asks the user for the token, once for all requests that lack it.
function askToken() {
  asking ??= new Promise((resolve) => {
    const form = $('ask-form');
    $('ask-wrong').hidden = token === null;
    form.onsubmit = (event) => {
      event.preventDefault();
      token = form.elements.token.value.trim();
      try { sessionStorage.setItem('token', token); } catch { /* In memory only. */ }
      form.reset();
      $('ask').close();
      asking = null;
      resolve();
    };
    // Without a token there is nothing to show.
    $('ask').oncancel = (event) => event.preventDefault();
    $('ask').showModal();
  });
  return asking;
}

export const hasToken = () => token !== null;

async function request(path, options = {}) {
  for (;;) {
    const used = token;
    const headers = { ...options.headers };
    if (used !== null) headers.Authorization = `Bearer ${used}`;
    const answer = await fetch(path, { cache: 'no-store', redirect: 'error', ...options, headers });
    if (answer.status !== 401) return answer;
    if (used === token) await askToken();
  }
}

// What the page reads besides the API.
export async function read(path) {
  const answer = await request(path);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error?.data ?? body.error ?? `the daemon answers ${answer.status}`);
  return body;
}

export async function blob(path) {
  const answer = await request(path);
  if (!answer.ok) throw new Error(`the daemon answers ${answer.status}`);
  return answer.blob();
}

const message = (id, method, params) => ({ jsonrpc: '2.0', id, method: PLUGIN + method, params });

async function post(body, signal) {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await request('/jsonrpc', { method: 'POST', headers, body: JSON.stringify(body), signal });
  const json = await answer.json().catch(() => null);
  if (json === null) throw new Error(`the daemon answers ${answer.status}`);
  return json;
}

export async function call(method, params, signal) {
  const { error, result } = await post(message(1, method, params), signal);
  if (error) throw new Error(error.data ?? error.message);
  return result;
}

// The same call for many containers: a map from id to result, without those that failed.
export async function callEach(method, ids) {
  const results = new Map();
  for (let from = 0; from < ids.length; from += BATCH) {
    const part = ids.slice(from, from + BATCH);
    const answers = await post(part.map((containerId, n) => message(n, method, { containerId })));
    if (!Array.isArray(answers)) throw new Error(answers.error?.data ?? 'the daemon refuses the calls');
    for (const { id, result } of answers) if (result) results.set(part[id], result);
  }
  return results;
}

const EVENTS = ['onContainerStarted', 'onContainerStopped', 'onContainerFailed', 'onContainerStateChanged',
  'onMinidump', 'onCrashLoop'];
const LONGEST_PAUSE = 15000;

// Calls `onEvent` for each event and `onState` when the connection comes and goes; connects again when it is lost.
// Browsers can set no header on a WebSocket, so the token is in the query, where the API takes it.
export function listen(onEvent, onState) {
  let pause = 1000;
  const connect = () => {
    const query = token === null ? '' : `?token=${encodeURIComponent(token)}`;
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/jsonrpc${query}`, 'notification');
    socket.onopen = () => {
      pause = 1000;
      EVENTS.forEach((event, id) => socket.send(JSON.stringify(message(id, 'register', { event, id: 'page' }))));
      onState(true);
    };
    socket.onmessage = ({ data }) => {
      const { method, params } = JSON.parse(data);
      if (method) onEvent(method.slice(method.lastIndexOf('.') + 1), params);
    };
    socket.onclose = () => {
      onState(false);
      setTimeout(connect, pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    };
  };
  connect();
}
