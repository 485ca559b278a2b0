// How values read: durations, moments, states. Nothing here touches the page.

const TONES = { succeeded: "good", result: "good", failed: "bad", lost: "bad", unknown: "warn" };
const SIGNS = { good: "✓", bad: "✕", warn: "!", plain: "•" };
const WORDS = { reserved: "queued", submitting: "submitting", result: "succeeded", unknown: "outcome unknown" };
export const ACTIVE = new Set(["reserved", "submitting", "running"]);

export const tone = (state) => TONES[state] ?? "plain";
export const stateWord = (state) => WORDS[state] ?? state;
export const sign = (name) => SIGNS[name];

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.0995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 72 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

// Whole seconds, so that what is shown changes once a second.
export const age = (seconds) => (seconds < 1 ? "now" : duration(Math.floor(seconds)).replace(".0", ""));

export const count = (number) => number.toLocaleString("en");

export function clockTime(text) {
  return text ? new Date(text).toLocaleTimeString("en-GB") : "–";
}

export function percent(value) {
  return value === null ? "" : `${Math.floor(value)} %`;
}

export function plural(number, one, many) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
