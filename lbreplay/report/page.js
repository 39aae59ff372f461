"use strict";
// Draws the document of the page: what does not change with time once, what does whenever a range is chosen.
// Text goes in as text nodes only. Numbers of a range are sums over the ways of the journal, a list of [bin, number] each.

const doc = JSON.parse(document.getElementById("data").textContent);
const replay = doc.replay;
const FATES = ["transmitted", "to_kernel", "dropped", "held", "consumed", "ignored"];
const COLOURS = ["var(--c0)", "var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)"];
const SVG = "http://www.w3.org/2000/svg";

// --- making elements ---------------------------------------------------------------------------------------------

function el(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined).map((c) => (c instanceof Node ? c : plain(c))));
  return made;
}

function svg(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = plain(text);
  return made;
}

// Characters that turn the direction of text, and control characters, are shown by their numbers.
function plain(value) {
  return String(value).replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
}

function section(title, note, ...content) {
  return el("section", { "aria-label": title }, el("h2", {}, title), note ? el("p", {}, note) : null, ...content);
}

function table(heads, rows) {
  const cell = (value, at) => {
    const made = value instanceof Node ? value : plain(value === null || value === undefined ? "" : value);
    return el(at === 0 ? "th" : "td", { class: heads[at].n ? (value && value.bad ? "n bad" : "n") : null, scope: at === 0 ? "row" : null }, made);
  };
  const head = el("tr", {}, ...heads.map((h) => el("th", { class: h.n ? "n" : null, scope: "col" }, h.text)));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table" },
    el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell))))));
}

function bar(share, colour) {
  const made = el("div", { class: "bar" });
  made.style.width = Math.max(0, Math.min(100, share * 100)).toFixed(2) + "%";
  if (colour) made.style.background = colour;
  return made;
}

// --- numbers for people ------------------------------------------------------------------------------------------

const count = (n) => Math.round(n).toLocaleString("en-US");
const percent = (part, whole) => (whole ? ((100 * part) / whole).toFixed(1) + " %" : "");

function scaled(value, units) {
  let at = 0;
  while (value >= 1000 && at < units.length - 1) { value /= 1000; at += 1; }
  return (value >= 100 || (at === 0 && Number.isInteger(value)) ? value.toFixed(0) : value.toPrecision(3)) + " " + units[at];
}
const bytes = (n) => scaled(n, ["B", "kB", "MB", "GB", "TB", "PB"]);
const bits = (n) => scaled(n, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]);

function seconds(s) {
  if (s === 0) return "0 s";
  if (s < 1e-6) return +(s * 1e9).toPrecision(3) + " ns";
  if (s < 1e-3) return +(s * 1e6).toPrecision(3) + " µs";
  if (s < 1) return +(s * 1e3).toPrecision(3) + " ms";
  if (s < 300) return +s.toPrecision(4) + " s";
  if (s < 7200) return +(s / 60).toPrecision(3) + " min";
  if (s < 172800) return +(s / 3600).toPrecision(3) + " h";
  return s < 6.3e7 ? +(s / 86400).toPrecision(3) + " days" : +(s / 31557600).toPrecision(3) + " years";
}

const who = (worker) => (worker === null ? "nobody" : worker < 0 ? "kernel" : "worker " + worker);
const BY = { flow_director: "flow director", rss: "RSS", default: "default queue" };

// --- the range that is chosen ------------------------------------------------------------------------------------

const journal = replay ? replay.journal : null;
const bins = journal ? Math.max(1, journal.bins) : 0;
const range = { from: 0, to: bins };

function within(list) {
  let sum = 0;
  for (const [bin, number] of list) if (bin >= range.from && bin < range.to) sum += number;
  return sum;
}

function grouped(key, ways) {
  const groups = new Map();
  for (const way of ways || journal.ways) {
    const name = key(way), frames = within(way.frames);
    if (!frames) continue;
    const group = groups.get(name) || { name, frames: 0, bytes: 0, first: Infinity, way };
    group.frames += frames;
    group.bytes += within(way.bytes);
    group.first = Math.min(group.first, way.first);
    groups.set(name, group);
  }
  return [...groups.values()].sort((a, b) => b.frames - a.frames);
}

function series(of, chosen) {
  const found = new Array(bins).fill(0);
  for (const way of journal.ways) if (!chosen || chosen(way)) for (const [bin, number] of way[of]) found[bin] += number;
  return found;
}

function choose(from, to) {
  range.from = Math.max(0, Math.min(from, bins - 1));
  range.to = Math.max(range.from + 1, Math.min(to, bins));
  draw();
}

function picker() {
  const nav = document.getElementById("range");
  const slider = (label, value, act) => el("label", {}, label,
    el("input", { type: "range", min: 0, max: bins, value, id: "range-" + label, oninput: act, "aria-label": label + ", in parts of the time" }));
  const from = slider("from", 0, (e) => choose(+e.target.value, Math.max(range.to, +e.target.value + 1)));
  const to = slider("to", bins, (e) => choose(Math.min(range.from, +e.target.value - 1), +e.target.value));
  nav.append(el("form", { onsubmit: (e) => e.preventDefault() }, from, to, el("output", { id: "chosen", "aria-live": "polite" }),
    el("button", { type: "button", id: "whole", onclick: () => choose(0, bins) }, "whole capture")));
}

function showRange() {
  const width = journal.bin_s, whole = range.from === 0 && range.to === bins;
  document.getElementById("range-from").value = range.from;
  document.getElementById("range-to").value = range.to;
  const told = whole ? "the whole capture, " + seconds(bins * width) : seconds(range.from * width) + " to " + seconds(range.to * width);
  document.getElementById("chosen").textContent = told;
}

// --- parts that do not change ------------------------------------------------------------------------------------

function head() {
  document.getElementById("head").append(
    el("h1", {}, doc.tool),
    el("p", { class: "verdict " + (doc.verdict.good ? "good" : "bad"), id: "verdict" }, doc.verdict.text),
    el("p", { class: "command" }, el("code", {}, doc.command)));
}

function findings() {
  if (!doc.findings || !doc.findings.length) return null;
  const told = doc.findings.map((f) => el("div", { class: "finding " + f.severity },
    el("p", {}, el("strong", {}, f.severity + " " + f.code), " ", f.where ? el("code", {}, f.where) : null),
    el("p", {}, f.what), f.so ? el("p", {}, "so: " + f.so) : null, f.cure ? el("p", { class: "cure" }, "cure: " + f.cure) : null));
  return section("What to do", "What was found wrong, what it leads to, and its cure.", ...told);
}

function tables() {
  return (doc.tables || []).map((t) => section(t.title, t.note || "", t.columns.length ? table(t.columns, t.rows.map((row) => row.map(told))) : null,
    ...(t.details || []).map((d) => el("details", {}, el("summary", {}, el("span", { class: "way" }, d.summary)),
      el("div", { class: "inner" }, el("pre", { tabindex: "0" }, d.text))))));
}

function told(cell) {
  if (cell && typeof cell === "object" && "share" in cell) return bar(cell.share, cell.bad ? "var(--bad)" : null);
  return typeof cell === "number" ? cell.toLocaleString("en-US") : cell;
}

function steering() {
  const { queues, hits } = journal.reta, most = Math.max(1, ...hits);
  const entries = hits.map((n, at) => {
    const made = el("span", { class: "entry", title: "entry " + at + ": queue " + queues[at] + ", " + count(n) + " frames" }, queues[at]);
    if (n) made.style.background = "rgba(var(--heat), " + (0.15 + (0.75 * n) / most).toFixed(2) + ")";
    return made;
  });
  const heads = [{ text: "rule" }, { text: "queue", n: 1 }, { text: "worker", n: 1 }, { text: "frames", n: 1 }, { text: "share" }];
  const all = Math.max(1, journal.rules.reduce((sum, r) => sum + r.hits, 0));
  const rows = journal.rules.map((r) => [el("code", {}, r.rule), r.queue, r.worker, count(r.hits), bar(r.hits / all)]);
  return section("Redirection table and rules", "An entry shows its queue; the darker, the more frames of the whole capture met it. Rules come first.",
    el("div", { class: "chart entries", role: "img", "aria-label": "redirection table of " + hits.length + " entries" }, ...entries),
    rows.length ? table(heads, rows) : el("p", { class: "note" }, "No rule is installed."));
}

function configuration() {
  if (!replay.config) return null;
  const lines = replay.config.text.split("\n").map((line) => el("span", {}, line || " "));
  const set = replay.config.set.length ? el("p", {}, "Set on the command line: ", el("code", {}, replay.config.set.join("  "))) : null;
  return section("Configuration", replay.config.name, set,
    el("details", {}, el("summary", {}, el("span", { class: "way" }, "The text that ran, " + lines.length + " lines")),
      el("div", { class: "inner" }, el("pre", { class: "lines", tabindex: "0" }, ...lines))));
}

// --- parts that follow the range ---------------------------------------------------------------------------------

function tiles() {
  const frames = grouped(() => "all"), all = frames.length ? frames[0].frames : 0;
  const fates = new Map(grouped((w) => w.fate).map((g) => [g.name, g.frames]));
  const tile = (name, n, bad) => el("div", { class: "tile" + (bad && n ? " bad" : ""), "data-fate": name }, el("b", {}, count(n)), el("span", {}, name.replace("_", " ")));
  const strays = grouped((w) => (w.strayed === "another worker has the connection" ? 1 : 0)).find((g) => g.name === 1);
  return el("div", { class: "tiles", id: "tiles" }, tile("frames", all), ...FATES.filter((f) => fates.get(f)).map((f) => tile(f, fates.get(f), f === "dropped")),
    tile("on a wrong worker", strays ? strays.frames : 0, true));
}

function heat() {
  const workers = replay.workers.map((w) => w.worker), left = 64, top = 4, row = Math.max(7, Math.min(22, 420 / workers.length)), width = 960;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${top + row * workers.length + 22}`, role: "img", id: "heat", "aria-label": "frames by worker and time" });
  const step = (width - left) / bins;
  const values = workers.map((worker) => series("frames", (w) => w.worker === (worker === null ? -1 : worker)));
  const most = Math.max(1, ...values.flat());
  values.forEach((list, at) => {
    if (row > 9 || at % 4 === 0) drawing.append(svg("text", { x: left - 6, y: top + row * (at + 0.5) + 4, "text-anchor": "end" }, workers[at] === null ? "kernel" : "worker " + workers[at]));
    list.forEach((n, bin) => {
      if (!n) return;
      const inside = bin >= range.from && bin < range.to;
      const cell = svg("rect", { x: left + bin * step, y: top + row * at, width: Math.max(step - 0.4, 0.6), height: Math.max(row - 1, 1),
        fill: `rgba(var(--heat), ${((0.12 + (0.88 * n) / most) * (inside ? 1 : 0.3)).toFixed(3)})` });
      cell.append(svg("title", {}, who(workers[at]) + ", " + seconds(bin * journal.bin_s) + ": " + count(n) + " frames"));
      drawing.append(cell);
    });
  });
  const bottom = top + row * workers.length;
  [0, 0.25, 0.5, 0.75, 1].forEach((part) => drawing.append(svg("text", { x: left + part * (width - left), y: bottom + 15,
    "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle" }, seconds(part * bins * journal.bin_s))));
  let start = null;
  const at = (e) => { const box = drawing.getBoundingClientRect(); return Math.floor((((e.clientX - box.left) / box.width) * width - left) / step); };
  drawing.addEventListener("pointerdown", (e) => { start = at(e); });
  drawing.addEventListener("pointerup", (e) => { if (start === null) return; const end = at(e); choose(Math.min(start, end), Math.max(start, end) + 1); start = null; });
  return section("Frames by worker", "Darker is more. Drag over it, or use the sliders, to choose a time; all else on the page follows.", el("div", { class: "chart" }, drawing));
}

function line(title, lists, xs, format, until) {
  const width = 480, height = 150, left = 8, top = 16, bottom = 20, most = Math.max(1e-12, ...lists.flatMap((l) => l.values.filter((v) => v !== null)));
  const end = until || 1, x = (s) => left + (s / end) * (width - 2 * left), y = (v) => height - bottom - (v / most) * (height - top - bottom);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  drawing.append(svg("rect", { x: x(range.from * journal.bin_s), y: top, width: Math.max(1, x(range.to * journal.bin_s) - x(range.from * journal.bin_s)), height: height - top - bottom, fill: "var(--wash)" }));
  drawing.append(svg("line", { x1: left, x2: width - left, y1: height - bottom, y2: height - bottom, class: "axis" }));
  drawing.append(svg("text", { x: left, y: 11 }, "at most " + format(most)), svg("text", { x: left, y: height - 6 }, "0 s"));
  drawing.append(svg("text", { x: width - left, y: height - 6, "text-anchor": "end" }, seconds(end)));
  lists.forEach((list, at) => {
    const points = list.values.map((v, n) => (v === null ? null : x(xs[n]).toFixed(1) + "," + y(v).toFixed(1))).filter((p) => p);
    if (points.length === 1) drawing.append(svg("circle", { cx: points[0].split(",")[0], cy: points[0].split(",")[1], r: 3, fill: COLOURS[at % 6] }));
    drawing.append(svg("polyline", { points: points.join(" "), fill: "none", stroke: COLOURS[at % 6], "stroke-width": 1.6, "stroke-linejoin": "round" }));
  });
  const legend = lists.length > 1 ? el("div", { class: "legend" }, ...lists.map((l, at) => { const mark = el("i"); mark.style.background = COLOURS[at % 6]; return el("span", {}, mark, l.name); })) : null;
  return el("div", { class: "chart" }, el("h3", {}, title), drawing, legend);
}

function lines() {
  const width = journal.bin_s, end = bins * width, at = [...Array(bins).keys()].map((bin) => (bin + 0.5) * width), s = journal.samples.s;
  const sum = (n) => s.map((_, i) => journal.samples.workers.reduce((total, worker) => total + worker[i][n], 0));
  const fates = FATES.filter((f) => journal.ways.some((w) => w.fate === f)).slice(0, 6);
  const created = sum(0), opened = created.map((n, i) => (i ? n - created[i - 1] : n));
  const charts = [
    line("Frames a second, by fate", fates.map((f) => ({ name: f.replace("_", " "), values: series("frames", (w) => w.fate === f).map((n) => n / width) })), at, (v) => count(v) + "/s", end),
    line("Bits received a second", [{ name: "bits", values: series("bytes").map((n) => (8 * n) / width) }], at, bits, end),
    line("Connections live", [{ name: "live", values: sum(1) }], s, count, end),
    line("Connections opened, between samples", [{ name: "opened", values: opened }], s, count, end),
  ];
  if (sum(3).some((n) => n)) charts.push(line("Local ports free", [{ name: "free", values: sum(3) }], s, count, end));
  return section("Over time", "The shaded part is what is chosen.", el("div", { class: "charts" }, ...charts));
}

function flow() {
  const columns = [
    { name: "class", key: (w) => w.class || "rare ways" },
    { name: "steered by", key: (w) => (w.by ? BY[w.by] : "not received") },
    { name: "queue", key: (w) => (w.by ? "queue " + w.queue : "none") },
    { name: "worker", key: (w) => (w.by ? who(w.worker) : "nobody") },
    { name: "verdict", key: (w) => w.verdict },
  ];
  const width = 960, height = 380, gap = 4, node = 10, total = Math.max(1, ...grouped(() => 1).map((g) => g.frames));
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height + 20}`, role: "img", id: "flow", "aria-label": "how frames were steered, from class to verdict" });
  const places = columns.map((column, at) => {
    const groups = grouped(column.key).slice(0, 24), space = height - gap * (groups.length - 1);
    const shown = Math.max(1, groups.reduce((sum, g) => sum + g.frames, 0)), x = at * ((width - node - 130) / (columns.length - 1)), by = new Map();
    let y = 20;
    groups.forEach((g) => { const h = Math.max(1, (space * g.frames) / shown); by.set(g.name, { x, y, h, frames: g.frames, used: 0, came: 0 }); y += h + gap; });
    drawing.append(svg("text", { x, y: 12, class: "strong" }, column.name));
    return by;
  });
  for (let at = 0; at + 1 < columns.length; at += 1) {
    const links = grouped((w) => JSON.stringify([columns[at].key(w), columns[at + 1].key(w)]));
    links.sort((a, b) => (a.name < b.name ? -1 : 1)).forEach((link) => {
      const [from, to] = JSON.parse(link.name), a = places[at].get(from), b = places[at + 1].get(to);
      if (!a || !b) return;
      const ha = (a.h * link.frames) / a.frames, hb = (b.h * link.frames) / b.frames, x1 = a.x + node, x2 = b.x, middle = (x1 + x2) / 2;
      const y1 = a.y + a.used, y2 = b.y + b.came;
      a.used += ha; b.came += hb;
      const path = svg("path", { d: `M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2},${y2} L${x2},${y2 + hb} C${middle},${y2 + hb} ${middle},${y1 + ha} ${x1},${y1 + ha} Z`,
        fill: link.way.fate === "dropped" ? "var(--bad)" : link.way.fate === "to_kernel" ? "var(--warn)" : "var(--c0)", "fill-opacity": 0.22 });
      path.append(svg("title", {}, from + " → " + to + ": " + count(link.frames) + " frames, " + percent(link.frames, total)));
      drawing.append(path);
    });
  }
  places.forEach((by) => by.forEach((p, name) => {
    drawing.append(svg("rect", { x: p.x, y: p.y, width: node, height: p.h, fill: "var(--ink)" }));
    if (p.h > 7) drawing.append(svg("text", { x: p.x + node + 4, y: p.y + p.h / 2 + 4, class: "strong" }, name + "  " + count(p.frames)));
  }));
  return section("How frames were steered", "From what a frame is, over the rule or the table, to its queue, its worker and its verdict. A drop is red, what the kernel gets yellow.",
    el("div", { class: "chart scroll", tabindex: "0", role: "region", "aria-label": "flow diagram" }, drawing));
}

const PATH = ["class", "by", "lookup", "strayed", "service", "mode", "verdict"];

function words(way) {
  if (way.rest) return "rare ways, kept together: " + way.verdict;
  const found = { in: "found as a client's", out: "found as a real server's", miss: "no connection yet", none: "not looked up" }[way.lookup];
  return [way.class, way.by ? BY[way.by] : "not received", found, way.strayed, way.service ? "service " + way.service + (way.mode ? " (" + way.mode + ")" : "") : ""].filter((w) => w).join(" › ");
}

function paths() {
  const all = grouped(() => 1)[0], total = all ? all.frames : 0;
  const groups = grouped((w) => JSON.stringify(w.rest ? ["rest", w.verdict] : PATH.map((p) => w[p])));
  const rows = groups.map((g) => {
    const story = doc.stories && doc.stories[g.first];
    const inner = el("div", { class: "inner" }, el("p", {}, bytes(g.bytes) + " received. Its first frame is " + count(g.first) + ": ",
      el("code", {}, "lbreplay explain " + replay.again + " -n " + g.first)), story ? el("pre", { tabindex: "0" }, story) : null);
    return el("details", { class: "path", "data-frame": g.first }, el("summary", {}, el("b", {}, count(g.frames)), el("span", { class: "share" }, percent(g.frames, total)),
      el("span", { class: "way" }, words(g.way)), el("span", { class: g.way.fate }, g.way.verdict)), inner);
  });
  return section("Paths", "Frames grouped by the way they took. Open one for an example with its whole story.", ...rows);
}

function sampleAt(time) {
  const s = journal.samples.s;
  let found = -1;
  s.forEach((at, n) => { if (at <= time + 1e-12) found = n; });
  return found;
}

function gained(list, of) {
  const last = range.to === bins ? list.length - 1 : sampleAt(range.to * journal.bin_s), first = range.from === 0 ? -1 : sampleAt(range.from * journal.bin_s);
  const value = (at) => (at < 0 || !list[at] ? 0 : list[at][of]);
  return Math.max(0, value(last) - value(first));
}

function reals() {
  const list = journal.samples.reals;
  if (!list.length) return null;
  const heads = [{ text: "service" }, { text: "real server" }, { text: "weight", n: 1 }, { text: "connections", n: 1 }, { text: "share", n: 1 }, { text: "by weight", n: 1 }, { text: "bytes", n: 1 }, { text: "" }];
  const sums = new Map();
  const rows = list.map((r) => ({ ...r, conns: gained(r.at, 0), octets: gained(r.at, 1) }));
  rows.forEach((r) => { const sum = sums.get(r.service) || { conns: 0, weight: 0 }; sum.conns += r.conns; sum.weight += Math.max(0, r.weight); sums.set(r.service, sum); });
  return section("Services and real servers", "Connections given to each real server, beside the share that its weight asks for.",
    table(heads, rows.map((r) => { const sum = sums.get(r.service); return [r.service, r.address, r.weight, count(r.conns), percent(r.conns, sum.conns), percent(Math.max(0, r.weight), sum.weight), bytes(r.octets), bar(sum.conns ? r.conns / sum.conns : 0)]; })),
    el("div", { class: "charts" }, line("Connections given, by real server", [...rows].sort((a, b) => b.conns - a.conns).slice(0, 6).map((r) => ({ name: r.address, values: r.at.map((v) => (v ? v[0] : null)) })), journal.samples.s, count, bins * journal.bin_s)));
}

function laddrs() {
  const list = journal.samples.laddrs;
  if (!list.length) return null;
  const heads = [{ text: "local address" }, { text: "service" }, { text: "used", n: 1 }, { text: "free", n: 1 }, { text: "missed", n: 1 }, { text: "at this rate" }];
  const at = range.to === bins ? journal.samples.s.length - 1 : Math.max(0, sampleAt(range.to * journal.bin_s));
  const out = new Map(replay.runs_out.map((r) => [r.service + " " + r.address, r]));
  const rows = list.map((l) => {
    const [used, free, miss] = l.at[at] || [0, 0, 0], when = out.get(l.service + " " + l.address);
    return [l.address, l.service, count(used), count(free), count(miss), when ? "used up " + seconds(when.at_s) + " after the start" : "never used up"];
  });
  return section("Local addresses", "Ports in use at the end of the chosen time, and when they would run out at the rate of the second half.", table(heads, rows),
    el("div", { class: "charts" }, line("Ports in use", list.slice(0, 6).map((l) => ({ name: l.address, values: l.at.map((v) => (v ? v[0] : null)) })), journal.samples.s, count, bins * journal.bin_s)));
}

function draw() {
  showRange();
  const open = new Set([...document.querySelectorAll("#moving details[open]")].map((d) => d.dataset.frame));
  const moving = el("div", { id: "moving" }, tiles(), heat(), lines(), flow(), paths(), reals(), laddrs());
  moving.querySelectorAll("details").forEach((d) => { if (open.has(d.dataset.frame)) d.open = true; });
  document.getElementById("moving").replaceWith(moving);
}

// --- the page ----------------------------------------------------------------------------------------------------

head();
const main = document.getElementById("main");
main.append(...[findings(), ...tables()].filter((part) => part));
if (replay) {
  picker();
  main.append(el("div", { id: "moving" }), ...[steering(), configuration()].filter((part) => part));
  draw();
}
document.getElementById("foot").append("Made by " + doc.tool + ". This file asks nobody for anything.");
