// Charts of the last few minutes: bars of counts, and lines of seconds. SVG elements only, no library. What is on the
// page stays there and is filled anew, so that whoever reads it with a screen reader is not thrown out.

import { duration, plural } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 100;
const TOP = 12;
const BOTTOM = 84;

export function showCharts(place, { series, histograms }) {
  const charts = [
    bars("Operations that ended", series.counts.succeeded, series.counts.failed, series),
    lines("Upstream: time to its reply", series.seconds.upstream, histograms.upstream, series),
    lines("Monitors: time of a poll", series.seconds.monitor, histograms.monitor, series),
    lines("Polls: later than due", series.seconds.lateness, histograms.lateness, series),
  ];
  charts.forEach((chart, index) => {
    const shown = place.children[index];
    if (!shown) place.append(chart);
    else fill(shown, chart);
  });
}

function fill(shown, { firstChild: caption, lastChild: svg }) {
  const said = svg.getAttribute("aria-label");
  if (shown.firstChild.textContent !== caption.textContent) shown.firstChild.replaceChildren(...caption.childNodes);
  if (shown.lastChild.getAttribute("aria-label") !== said) shown.lastChild.setAttribute("aria-label", said);
  shown.lastChild.replaceChildren(...svg.childNodes);
}

function bars(title, good, bad, series) {
  const most = Math.max(1, ...good.map((number, index) => number + bad[index]));
  const svg = canvas(series, String(most));
  const width = WIDTH / good.length;
  good.forEach((number, index) => {
    const tall = height(number, most);
    const above = height(bad[index], most);
    if (number) svg.append(box(index * width, BOTTOM - tall, width, tall, "good"));
    if (bad[index]) svg.append(box(index * width, BOTTOM - tall - above, width, above, "bad"));
  });
  const ended = sum(good);
  const failed = sum(bad);
  name(svg, `${title}: ${plural(ended, "succeeded", "succeeded")}, ${failed} ended badly.`);
  return figure(title, svg, [`${ended} well`, "good"], [`${failed} badly`, "bad"]);
}

function lines(title, { mean, max }, histogram, series) {
  const most = Math.max(0.001, ...max.filter((value) => value !== null));
  const svg = canvas(series, duration(most));
  const width = WIDTH / mean.length;
  max.forEach((value, index) => {
    if (value !== null) svg.append(box(index * width, BOTTOM - height(value, most), width, height(value, most), "area", 0));
  });
  let path = "";
  mean.forEach((value, index) => {
    if (value === null) return;
    const [x, y] = [(index + 0.5) * width, BOTTOM - height(value, most)];
    path += `${path && mean[index - 1] !== null ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    svg.append(draw("circle", { class: "dot", cx: x, cy: y, r: 1.5 }));
  });
  if (path) svg.append(draw("path", { class: "line", d: path }));
  const last = mean.findLast((value) => value !== null);
  const usual = quantile(histogram, 0.5);
  const slow = quantile(histogram, 0.95);
  const since = histogram.count ? `half below ${duration(usual)}, 95 % below ${duration(slow)}` : "nothing yet";
  name(svg, `${title}: ${last === undefined ? "nothing lately" : `lately ${duration(last)} on average`}; since the start ${since}.`);
  return figure(title, svg, [last === undefined ? "–" : `mean ${duration(last)}`, "mean"], [since, ""]);
}

// The upper bound of the class that holds the quantile.
function quantile({ bounds, counts, count }, share) {
  let seen = 0;
  for (let index = 0; index < counts.length; index += 1) {
    seen += counts[index];
    if (seen >= share * count) return bounds[Math.min(index, bounds.length - 1)];
  }
  return null;
}

function canvas(series, most) {
  const svg = draw("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  for (const y of [TOP, (TOP + BOTTOM) / 2, BOTTOM]) svg.append(draw("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }));
  const minutes = Math.round((series.step * series.counts.calls.length) / 60);
  svg.append(label(0, 9, most), label(0, 97, `${minutes} min ago`), label(WIDTH, 97, "now", "end"));
  return svg;
}

const sum = (numbers) => numbers.reduce((all, each) => all + each, 0);
const height = (value, most) => (value / most) * (BOTTOM - TOP);

function draw(kind, attributes) {
  const element = document.createElementNS(SVG, kind);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function box(x, y, width, tall, kind, gap = 0.8) {
  return draw("rect", { class: kind, x, y, width: width - gap, height: tall });
}

function label(x, y, said, anchor = "start") {
  const text = draw("text", { x, y, "text-anchor": anchor, "aria-hidden": "true" });
  text.textContent = said;
  return text;
}

function name(svg, said) {
  svg.setAttribute("aria-label", said);
}

function figure(title, svg, ...keys) {
  const whole = document.createElement("figure");
  const caption = whole.appendChild(document.createElement("figcaption"));
  caption.appendChild(document.createElement("b")).textContent = title;
  const legend = caption.appendChild(document.createElement("span"));
  legend.className = "legend";
  for (const [said, kind] of keys) {
    const key = legend.appendChild(document.createElement("span"));
    if (kind) key.className = `key ${kind}`;
    key.textContent = said;
  }
  whole.append(svg);
  return whole;
}
