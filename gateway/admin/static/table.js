// The list of operations: filtered, in pages, each row kept while it is on the page, so that focus stays where it is.

import { ACTIVE, age, clockTime, count, duration, percent, plural, sign, stateWord, tone } from "./words.js";

const PAGE = 50;
const COLUMNS = 7;

export class Table {
  constructor() {
    this.rows = new Map();
    this.frozen = null;
    this.skew = 0;
    this.stillAt = null;
    this.page = 0;
    this.open = new Set();
    this.drawn = new Map();
    this.find("filter").addEventListener("submit", (event) => event.preventDefault());
    for (const id of ["q", "state", "dialect"]) this.find(id).addEventListener("input", () => this.turn(0));
    this.find("before").addEventListener("click", () => this.turn(this.page - 1));
    this.find("after").addEventListener("click", () => this.turn(this.page + 1));
    this.find("pause").addEventListener("click", () => this.pause());
    this.find("rows").addEventListener("click", (event) => this.toggle(event.target.closest(".open")));
    this.find("rows").addEventListener("keydown", (event) => this.move(event));
    setInterval(() => this.show(), 1000);
  }

  find(id) {
    return document.getElementById(id);
  }

  take({ all, rows, gone, skew }) {
    this.skew = skew;
    if (all) this.rows = all;
    for (const row of rows ?? []) this.rows.set(row.id, row);
    for (const id of gone ?? []) this.rows.delete(id);
    this.show();
  }

  // Without news, the time of what is shown stands still as well.
  stand(still) {
    this.stillAt = still ? (this.stillAt ?? Date.now()) : null;
  }

  turn(page) {
    this.page = page;
    this.show();
  }

  // A list that stands still: what is on it goes on to change, its order and length do not.
  pause() {
    this.frozen = this.frozen ? null : this.wanted().map((row) => row.id);
    const button = this.find("pause");
    button.setAttribute("aria-pressed", String(Boolean(this.frozen)));
    button.textContent = this.frozen ? "Paused" : "Pause";
    this.show();
  }

  toggle(button) {
    if (!button) return;
    const { id } = button.closest("tr").dataset;
    if (!this.open.delete(id)) this.open.add(id);
    this.show();
  }

  move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !event.target.matches(".open")) return;
    const buttons = [...this.find("rows").querySelectorAll(".open")];
    const next = buttons[buttons.indexOf(event.target) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }

  wanted() {
    const text = this.find("q").value.trim().toLowerCase();
    const state = this.find("state").value;
    const dialect = this.find("dialect").value;
    const fits = (row) =>
      (!dialect || row.dialect === dialect) && inState(row, state) && (!text || words(row).includes(text));
    const rows = [...this.rows.values()].filter(fits);
    const rank = (row) => (ACTIVE.has(row.state) ? 0 : 1);
    return rows.sort((a, b) => rank(a) - rank(b) || (a.started < b.started ? 1 : a.started > b.started ? -1 : 0));
  }

  show() {
    this.offerDialects();
    const rows = this.frozen ? this.frozen.map((id) => this.rows.get(id)).filter(Boolean) : this.wanted();
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    this.page = Math.min(Math.max(0, this.page), pages - 1);
    this.draw(rows.slice(this.page * PAGE, (this.page + 1) * PAGE));
    this.say("page", `Page ${count(this.page + 1)} of ${count(pages)}`);
    this.find("pager").hidden = pages === 1;
    this.find("before").disabled = this.page === 0;
    this.find("after").disabled = this.page === pages - 1;
    const all = this.rows.size;
    this.find("empty").hidden = rows.length > 0;
    this.say("empty", all ? "No operation is like that." : "No operations. They appear here as soon as a call starts one.");
    this.tell(rows.length === all ? plural(all, "operation", "operations") : `${count(rows.length)} of ${plural(all, "operation", "operations")}`);
  }

  say(id, text) {
    const place = this.find(id);
    if (place.textContent !== text) place.textContent = text;
  }

  // A screen reader hears of the number when it has been the same for a moment, not of each one on the way.
  tell(text) {
    if (this.telling === text) return;
    this.telling = text;
    clearTimeout(this.teller);
    this.teller = setTimeout(() => this.say("shown", text), 400);
  }

  offerDialects() {
    const select = this.find("dialect");
    const known = new Set([...select.options].map((option) => option.value));
    for (const { dialect } of this.rows.values()) {
      if (known.has(dialect)) continue;
      known.add(dialect);
      select.append(new Option(dialect, dialect));
    }
  }

  draw(rows) {
    const body = this.find("rows");
    const now = (this.stillAt ?? Date.now()) + this.skew;
    const kept = new Map();
    let place = null;
    const put = (element) => {
      const due = place ? place.nextElementSibling : body.firstElementChild;
      if (due !== element) body.insertBefore(element, due);
      place = element;
    };
    for (const row of rows) {
      const drawn = this.drawn.get(row.id) ?? blank(row.id);
      kept.set(row.id, drawn);
      update(drawn, row, now, this.open.has(row.id));
      put(drawn.line);
      if (this.open.has(row.id)) put(drawn.details);
      else drawn.details.remove();
    }
    for (const [id, drawn] of this.drawn) {
      if (kept.has(id)) continue;
      drawn.line.remove();
      drawn.details.remove();
    }
    this.drawn = kept;
  }
}

function inState(row, state) {
  switch (state) {
    case "": return true;
    case "active": return ACTIVE.has(row.state);
    case "ended": return !ACTIVE.has(row.state);
    case "stalled": return row.stalled;
    case "waiting": return row.waiting_for_caller;
    case "succeeded": return row.state === "succeeded" || row.state === "result";
    default: return row.state === state;
  }
}

const words = (row) =>
  `${row.id} ${row.operation} ${row.dialect} ${row.state} ${stateWord(row.state)} ${row.code ?? ""} ${row.last_trouble ?? ""}`.toLowerCase();

function element(kind, name, parent) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  parent?.append(made);
  return made;
}

function blank(id) {
  const line = element("tr");
  const details = element("tr", "details");
  for (const each of [line, details]) {
    each.setAttribute("role", "row");
    each.dataset.id = id;
  }
  const cells = [];
  for (let index = 0; index < COLUMNS; index += 1) {
    const cell = element("td", index > 3 ? "number" : "", line);
    cell.setAttribute("role", "cell");
    cells.push(cell);
  }
  ["", "", "", "", "time", "callers", "polls"].forEach((label, index) => label && (cells[index].dataset.label = label));
  const open = element("button", "open", cells[0]);
  open.type = "button";
  const kind = element("span", "kind", open);
  open.append(" ");
  element("span", "id", open).textContent = id.slice(0, 8);
  const bar = element("div", "bar", cells[2]);
  const progress = element("progress", "", bar);
  progress.max = 100;
  const share = element("span", "", bar);
  const inside = element("td", "", details);
  inside.colSpan = COLUMNS;
  inside.setAttribute("role", "cell");
  const facts = element("dl", "", inside);
  return { line, details, cells, open, kind, progress, share, facts };
}

function update(drawn, row, now, isOpen) {
  const { cells, line } = drawn;
  const active = ACTIVE.has(row.state);
  line.classList.toggle("flagged", row.stalled || row.waiting_for_caller);
  write(drawn.kind, row.operation);
  drawn.open.setAttribute("aria-expanded", String(isOpen));
  badges(cells[1], row);
  progress(drawn, row, active);
  write(cells[3], ends(row, active, now));
  const lived = ((active ? now : Date.parse(row.ended ?? row.started)) - Date.parse(row.started)) / 1000;
  write(cells[4], active ? age(lived) : duration(lived));
  write(cells[5], row.callers_waiting ? count(row.callers_waiting) : "–");
  write(cells[6], count(row.polls));
  if (isOpen) facts(drawn.facts, row);
}

function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function badges(cell, row) {
  const shown = [[tone(row.state), stateWord(row.state)]];
  if (row.code) shown.push(["bad", row.code]);
  if (row.waiting_for_caller) shown.push(["warn", "waiting for its caller"]);
  else if (row.last_trouble) shown.push(["warn", row.last_trouble.replaceAll("_", " ")]);
  if (row.stalled) shown.push(["warn", "stalled"]);
  const key = JSON.stringify(shown);
  if (cell.dataset.key === key) return;
  cell.dataset.key = key;
  cell.replaceChildren(
    ...shown.map(([name, word], index) => {
      const badge = element("span", "badge");
      badge.dataset.tone = name;
      badge.textContent = index ? word : `${sign(name)} ${word}`;
      return badge;
    }),
  );
}

function progress({ progress: bar, share }, row, active) {
  const value = row.percentageComplete;
  if (value === null && active) bar.removeAttribute("value");
  else bar.value = value ?? 0;
  bar.dataset.tone = tone(row.state);
  bar.hidden = !active && value === null;
  bar.setAttribute("aria-label", `Progress of ${row.operation} ${row.id.slice(0, 8)}`);
  write(share, percent(value));
}

function ends(row, active, now) {
  if (!active) return row.ended ? `at ${clockTime(row.ended)}` : "–";
  if (!row.expected_end) return "not known";
  const left = (Date.parse(row.expected_end) - now) / 1000;
  return left < 1 ? "any moment" : `in about ${age(left)}`;
}

function facts(list, row) {
  const said = [
    ["Id", row.id],
    ["Dialect", row.dialect],
    ["State", row.state],
    ["Started", clockTime(row.started)],
    ["Expected end", clockTime(row.expected_end)],
    ["Ended", clockTime(row.ended)],
    ["Next poll in", duration(row.next_poll_in)],
    ["Last trouble", row.last_trouble ?? "none"],
    ["Error code", row.code ?? "none"],
    ["Followed", row.followed_here ? "by this process" : "not by this process"],
    ["Taken over", row.taken_over ? "yes" : "no"],
    ["Answer taken", row.delivered ? "yes" : "not yet"],
  ];
  if (list.children.length !== said.length) {
    list.replaceChildren(
      ...said.map(([name]) => {
        const pair = element("div");
        element("dt", "", pair).textContent = name;
        element("dd", "", pair);
        return pair;
      }),
    );
  }
  said.forEach(([, value], index) => write(list.children[index].lastChild, value));
}
