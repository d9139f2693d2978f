"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const state = { panel: 0, metric: 0, split: 0, axis: 0, chosen: 0, logx: false, logy: false, shown: [] };
  if (!data.panels || !data.panels.length) return;
  $("explore").hidden = false;

  function options(id, list, of) {
    const s = $(id);
    s.replaceChildren(...list.map((v, i) => new Option(of(v), i)));
    s.parentElement.hidden = list.length < 2;
    s.addEventListener("change", () => { state[id] = +s.value; if (id === "panel") panel(); else draw(); });
  }
  const key = () => data.metrics[state.metric].name + "|" + data.splits[state.split];
  const curves = () => data.panels[state.panel].curves;
  const schemes = () => curves().filter((c) => !c.baseline);
  const baseline = () => curves().find((c) => c.baseline);
  const chosen = () => schemes()[state.chosen];
  const format = (v) => v == null ? "–" : Math.abs(v) >= 1e5 || (v !== 0 && Math.abs(v) < 1e-3) ? v.toPrecision(3) : v.toFixed(data.metrics[state.metric].digits);
  const signed = (v) => v == null ? "–" : (v > 0 ? "+" : "") + format(v);
  const place = (v) => v == null ? "–" : String(+v.toPrecision(6));
  const hue = (c) => {
    if (c.baseline) return css("--fg");
    if (c === chosen()) return css("--accent");
    const list = schemes(), i = list.indexOf(c), dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const t = list.length < 2 ? 0.5 : i / (list.length - 1);
    return `hsl(${215 - 35 * t} ${60 - 20 * t}% ${dark ? 40 + 35 * t : 75 - 40 * t}%)`;
  };

  // aligned gives uPlot its columns: all places, and the values of each curve there.
  function aligned(list, value) {
    const axis = data.axes[state.axis].name, at = new Map();
    list.forEach((c, j) => c.x[axis].forEach((x, i) => {
      if (x == null || (state.logx && x <= 0)) return;
      if (!at.has(x)) at.set(x, new Array(list.length).fill(null));
      at.get(x)[j] = value(c, i);
    }));
    const xs = [...at.keys()].sort((a, b) => a - b);
    return [xs, ...list.map((_, j) => xs.map((x) => at.get(x)[j]))];
  }

  // range leaves out what the first epochs do to it, unless they are all there is.
  function range(columns) {
    const all = columns.flat().filter((v) => v != null && isFinite(v)).sort((a, b) => a - b);
    if (!all.length) return [0, 1];
    const better = data.metrics[state.metric].better, q = (p) => all[Math.min(all.length - 1, Math.floor(p * all.length))];
    let low = better === "higher" ? q(0.1) : all[0], high = better === "higher" ? all[all.length - 1] : q(0.9);
    if (low === high) { low -= 1; high += 1; }
    const pad = 0.06 * (high - low);
    return [low - pad, high + pad];
  }

  let chart, below;
  function axes(label) {
    const stroke = css("--soft"), grid = { stroke: css("--line"), width: 1 };
    return [{ label: data.axes[state.axis].label, stroke, grid, labelSize: 22 }, { label, stroke, grid, size: 64 }];
  }
  function draw() {
    const k = key(), list = curves().filter((c) => c.y[k] && (c.baseline || c === chosen() || state.shown[schemes().indexOf(c)]));
    const order = list.filter((c) => !c.baseline && c !== chosen()).concat(list.filter((c) => c.baseline), list.filter((c) => c === chosen()));
    const columns = aligned(order, (c, i) => state.logy && c.y[k][i] <= 0 ? null : c.y[k][i]);
    const m = data.metrics[state.metric], label = m.unit ? `${m.label} (${m.unit})` : m.label, width = $("chart").clientWidth || 800;
    if (chart) chart.destroy();
    const series = order.map((c) => ({ label: c.label, stroke: hue(c), width: c.baseline || c === chosen() ? 2.5 : 1, dash: c.baseline ? [6, 4] : undefined, spanGaps: true, points: { show: c === chosen(), size: 5 } }));
    const [low, high] = range(columns.slice(1));
    chart = new uPlot({
      width, height: 380, legend: { show: false }, cursor: { sync: { key: "report" }, drag: { x: true, y: true } },
      scales: { x: { time: false, distr: state.logx ? 3 : 1 }, y: state.logy ? { distr: 3 } : { range: (_, a, b, scale) => chart && zoomed(chart) ? [a, b] : [low, high] } },
      axes: axes(label), series: [{}, ...series], hooks: { setCursor: [(u) => readout(u.cursor.idx == null ? null : u.data[0][u.cursor.idx])] },
    }, columns, $("chart"));
    drawDifference(k, width, label);
    readout(columns[0][columns[0].length - 1]);
    document.querySelectorAll("#shown .swatch").forEach((s, i) => { s.style.background = hue(schemes()[i]); }); // the chosen one has another colour
    $("chosen").textContent = chosen() ? chosen().label : "";
    download(k);
  }
  const zoomed = (u) => u.select && u.select.width > 0;

  function drawDifference(k, width, label) {
    if (below) below.destroy();
    below = null;
    $("difference").replaceChildren();
    const c = chosen();
    if (!c || !c.d || !c.d[k]) { $("difference").textContent = "no values of both"; return; }
    const d = c.d[k], three = [{ x: c.x, f: (i) => d.value[i] }, { x: c.x, f: (i) => d.low[i] }, { x: c.x, f: (i) => d.high[i] }];
    const columns = aligned(three, (s, i) => s.f(i)), accent = css("--accent");
    below = new uPlot({
      width, height: 220, legend: { show: false }, cursor: { sync: { key: "report" } },
      scales: { x: { time: false, distr: state.logx ? 3 : 1 }, y: { range: () => { const [a, b] = differenceRange(columns); return [a, b]; } } },
      axes: axes("difference"), bands: [{ series: [3, 2], fill: accent + "33" }],
      series: [{}, { stroke: accent, width: 2, points: { show: true, size: 5 } }, { stroke: "transparent" }, { stroke: "transparent" }],
      hooks: { draw: [(u) => { const y = u.valToPos(0, "y", true); u.ctx.save(); u.ctx.strokeStyle = css("--fg"); u.ctx.setLineDash([6, 4]); u.ctx.beginPath(); u.ctx.moveTo(u.bbox.left, y); u.ctx.lineTo(u.bbox.left + u.bbox.width, y); u.ctx.stroke(); u.ctx.restore(); }] },
    }, columns, $("difference"));
  }
  function differenceRange(columns) {
    // Of the later half: at the first endpoints differences are many times as large, and run out of the frame.
    const all = columns.slice(1).flatMap((c) => c.slice(Math.floor(c.length / 2))).filter((v) => v != null);
    if (!all.length) return [-1, 1];
    const low = Math.min(0, ...all), high = Math.max(0, ...all), pad = 0.1 * (high - low || 1);
    return [low - pad, high + pad];
  }

  // at finds what a curve has at a place of the axis.
  function at(c, x) { return c ? c.x[data.axes[state.axis].name].indexOf(x) : -1; }
  function values(x) {
    const k = key(), b = baseline(), c = chosen(), i = at(b, x), j = at(c, x);
    return { baseline: i < 0 || !b.y[k] ? null : b.y[k][i], chosen: j < 0 || !c.y[k] ? null : c.y[k][j], difference: j < 0 || !c.d[k] ? null : { value: c.d[k].value[j], low: c.d[k].low[j], high: c.d[k].high[j] } };
  }
  function readout(x) {
    if (x == null) return;
    const v = values(x), c = chosen(), parts = [`${data.axes[state.axis].label.toLowerCase()} ${place(x)}: checkpoint ${format(v.baseline)}`];
    if (c) parts.push(`${c.label} ${format(v.chosen)}`);
    if (v.difference && v.difference.value != null) parts.push(`difference ${signed(v.difference.value)}` + (v.difference.low == null ? "" : ` (${signed(v.difference.low)} to ${signed(v.difference.high)})`));
    $("readout").textContent = parts.join(", ");
  }

  function cell(v) { const t = v == null ? "" : String(v); return /[",\n]/.test(t) ? '"' + t.replace(/"/g, '""') + '"' : t; }
  function download(k) {
    const names = data.axes.map((a) => a.name), rows = [["scheme", ...names, "value", "difference", "low", "high"]];
    for (const c of curves()) if (c.y[k]) c.y[k].forEach((y, i) => rows.push([c.scheme, ...names.map((n) => c.x[n][i]), y, ...(c.d && c.d[k] ? [c.d[k].value[i], c.d[k].low[i], c.d[k].high[i]] : [null, null, null])]));
    $("csv").href = "data:text/csv;charset=utf-8," + encodeURIComponent(rows.map((r) => r.map(cell).join(",")).join("\n") + "\n");
  }

  function panel() {
    state.chosen = Math.min(Math.max(0, data.panels[state.panel].chosen), Math.max(0, schemes().length - 1));
    state.shown = schemes().map(() => true);
    $("k").max = Math.max(0, schemes().length - 1);
    $("k").value = state.chosen;
    const boxes = schemes().map((c, i) => {
      const label = document.createElement("label"), box = document.createElement("input"), swatch = document.createElement("span");
      box.type = "checkbox"; box.checked = true; box.addEventListener("change", () => { state.shown[i] = box.checked; draw(); });
      swatch.className = "swatch";
      label.append(box, " ", swatch, c.label);
      return label;
    });
    $("shown").replaceChildren($("shown").querySelector("legend"), ...boxes);
    draw();
  }

  options("panel", data.panels, (p) => p.title || "all");
  options("metric", data.metrics, (m) => m.label);
  options("split", data.splits, (s) => s);
  options("axis", data.axes, (a) => a.label);
  for (const id of ["logx", "logy"]) $(id).addEventListener("change", () => { state[id] = $(id).checked; draw(); });
  $("k").addEventListener("input", () => { state.chosen = +$("k").value; draw(); });
  addEventListener("resize", () => draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => panel());
  panel();

  // Tables sort by a column's numbers, or texts.
  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("thead th").forEach((th, i) => {
      const button = document.createElement("button");
      button.type = "button"; button.textContent = th.textContent; th.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = th.getAttribute("aria-sort") !== "ascending", body = table.tBodies[0];
        table.querySelectorAll("thead th").forEach((o) => o.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", up ? "ascending" : "descending");
        const of = (row) => { const c = row.cells[i]; return c.dataset.v !== undefined ? +c.dataset.v : NaN; };
        [...body.rows].sort((a, b) => {
          const x = of(a), y = of(b);
          if (isNaN(x) && isNaN(y)) return (up ? 1 : -1) * a.cells[i].textContent.localeCompare(b.cells[i].textContent, undefined, { numeric: true });
          if (isNaN(x)) return 1;
          if (isNaN(y)) return -1;
          return up ? x - y : y - x;
        }).forEach((row) => body.append(row));
      });
    });
  }
  window.report = { state, values, curves, draw };
})();
