// Health, counts and what ended last, from a status.

import { age, clockTime, count, duration, sign, stateWord, tone } from "./words.js";

const HEALTH = { ok: "Works", trouble: "In trouble", unknown: "Not heard of yet" };
const STATES = { ok: "ok", trouble: "bad", unknown: "" };
const RECENT = 12;

export function showHealth(list, status) {
  const { store, token, upstream } = status.health;
  const passthrough = token.mode === "passthrough";
  fill(list, [
    {
      name: "Gateway",
      state: status.ready ? "ok" : "bad",
      value: status.ready ? "Ready" : "Not ready",
      more: status.ready ? `up for ${age(status.uptime)}` : status.reason,
    },
    tile("Store", store, store.warning ? `${store.kind}: ${store.warning}` : store.kind, Boolean(store.warning)),
    passthrough
      ? { name: "Token", state: "ok", value: "Callers' own", more: token.mode }
      : tile("Token", token, token.mode),
    tile("Upstream", upstream, upstream.url),
  ]);
}

function tile(name, health, what, warned = false) {
  const trouble = health.state === "trouble";
  return {
    name,
    state: warned && !trouble ? "warn" : STATES[health.state],
    value: warned && !trouble ? "At risk" : HEALTH[health.state],
    more: trouble ? `${health.reason}, since ${clockTime(health.since)} (${what})` : what,
  };
}

export function showCounts(list, status) {
  const { outcomes } = status;
  const bad = outcomes.failed + outcomes.lost + outcomes.unknown;
  fill(list, [
    { name: "Under way", value: count(status.active), more: `of ${count(status.max_active)}` },
    { name: "Calls held", value: count(status.held_calls), more: `of ${count(status.max_held_calls)}` },
    { name: "Stalled", value: count(status.stalled), state: status.stalled ? "warn" : "", more: "no progress" },
    {
      name: "Waiting for caller",
      value: count(status.waiting_for_caller),
      state: status.waiting_for_caller ? "warn" : "",
      more: "no credential",
    },
    { name: "Succeeded", value: count(outcomes.succeeded), more: "since the start" },
    { name: "Ended badly", value: count(bad), state: bad ? "bad" : "", more: "since the start" },
  ]);
}

function fill(list, tiles) {
  while (list.children.length < tiles.length) {
    const item = list.appendChild(document.createElement("li"));
    for (const part of ["name", "value", "more"]) item.appendChild(document.createElement("span")).className = part;
  }
  tiles.forEach((said, index) => {
    const item = list.children[index];
    item.dataset.state = said.state ?? "";
    for (const part of item.children) {
      const text = said[part.className] ?? "";
      if (part.textContent !== text) part.textContent = text;
    }
  });
}

export function showRecent(list, recent) {
  const key = recent.slice(0, RECENT).map((ended) => ended.id + ended.ended).join();
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  const rows = recent.slice(0, RECENT).map((ended) => {
    const item = document.createElement("li");
    const badge = item.appendChild(document.createElement("span"));
    badge.className = "badge";
    badge.dataset.tone = tone(ended.state);
    badge.textContent = `${sign(tone(ended.state))} ${stateWord(ended.state)}`;
    item.append(text("kind", ended.operation), text("id", ended.id.slice(0, 8)));
    if (ended.code) item.append(text("code", ended.code));
    const took = ended.seconds === null ? "" : `took ${duration(ended.seconds)}, ${ended.polls} polls, `;
    item.append(text("when", `${took}${clockTime(ended.ended)}`));
    return item;
  });
  if (!rows.length) {
    const item = document.createElement("li");
    item.append(text("when", "Nothing has ended yet."));
    rows.push(item);
  }
  list.replaceChildren(...rows);
}

function text(name, said) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = said;
  return span;
}
