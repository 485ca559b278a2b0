// The dashboard: what the stream says goes to the parts of the page.

import { showCharts } from "./charts.js";
import { Feed } from "./feed.js";
import { Table } from "./table.js";
import { showCounts, showHealth, showRecent } from "./tiles.js";

const THEMES = ["auto", "light", "dark"];
const KEPT = "lro-gateway theme";
const find = (id) => document.getElementById(id);

function wear(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  find("theme").textContent = `Theme: ${theme}`;
}

function keptTheme() {
  const kept = localStorage.getItem(KEPT);
  return THEMES.includes(kept) ? kept : "auto";
}

find("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(keptTheme()) + 1) % THEMES.length];
  localStorage.setItem(KEPT, next);
  wear(next);
});
wear(keptTheme());

const table = new Table();
let seen = null;

function link(state) {
  const live = state === "live";
  document.documentElement.dataset.link = state;
  table.stand(!live);
  find("link").dataset.state = state;
  find("link").textContent = live ? "Live" : "Disconnected";
  const banner = find("banner");
  if (live) {
    banner.hidden = true;
    banner.textContent = "";
  } else if (banner.hidden) {
    const asOf = seen ? ` What you see is as of ${seen.toLocaleTimeString("en-GB")}.` : "";
    banner.textContent = `The gateway does not answer.${asOf} Trying to reconnect.`;
    banner.hidden = false;
  }
}

function showStatus(status) {
  seen = new Date();
  find("version").textContent = status.version;
  document.title = `lro-gateway: ${status.active} under way`;
  showHealth(find("health"), status);
  showCounts(find("counts"), status);
  showCharts(find("charts"), status);
  showRecent(find("recent"), status.recent);
}

new Feed({ onRows: (news) => table.take(news), onStatus: showStatus, onLink: link }).open();
