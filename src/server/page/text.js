// Text and elements. Whatever comes from a container is put into the page as text, never as markup.

export const $ = (id) => document.getElementById(id);

// Characters that show nothing, move the cursor or turn the direction of writing around: a name made of them could look
// like another one. Line ends and tabs stay.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\ufff0-\ufffb]/g;

export function visible(text) {
  const shown = (c) => '\\u{' + c.charCodeAt(0).toString(16) + '}';
  return String(text).replace(UNSEEN, shown);
}

// The same on one line.
export function line(text) {
  return visible(text).replace(/[\n\t]/g, (c) => (c === '\n' ? '\\n' : '\\t'));
}

// An element: attributes, `text`, and what is in it.
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'text') element.textContent = value;
    else if (key === 'onclick') element.addEventListener('click', value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

export function button(text, label, onclick, kind) {
  return el('button', { type: 'button', text, 'aria-label': label, onclick, class: kind });
}

// Sets a text only if it is another one: a screen reader would read it out again.
export function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function bytes(count) {
  if (count === null || count === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit += 1; }
  return `${count >= 100 || unit === 0 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

export function span(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return '–';
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

// How something ended, from `exitCode` and `signal` of an answer.
export function ending({ exitCode, signal }) {
  if (typeof signal === 'number') return `signal ${signal}`;
  return typeof exitCode === 'number' ? `exit code ${exitCode}` : 'exit status unknown';
}

export function say(text) {
  set($('failure'), '');
  set($('status'), visible(text));
}

export function fail(what, error) {
  if (error && error.name === 'AbortError') return;
  set($('failure'), visible(`${what}: ${error.message}`));
}
