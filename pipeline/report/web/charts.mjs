// Charts of the pages, by Observable Plot. Colours: Okabe and Ito's, told apart without red and green.
import * as Plot from "@observablehq/plot";
import {element} from "./tables.mjs";

const kInk = "#1b1f24";
const kMain = "#0072b2";
const kOther = "#d55e00";
const kGroups = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999"];
const kGrey = "#8c959f";

const seen = (values) => values.filter((v) => v !== null && Number.isFinite(v));
const style = {fontSize: "12px", background: "transparent", color: kInk};
// Plot's own room below is for smaller letters: titles of axes would touch the ticks.
const plot = (options) => Plot.plot({marginBottom: 40, ...options});

function panel(title, ...nodes) {
  const box = element("div", {}, element("p", {className: "panel-title", textContent: title}));
  box.append(...nodes);
  return box;
}

function panels(...boxes) {
  return element("div", {className: "panels"}, ...boxes);
}

// One and the same place for a dot on every drawing.
function spreadOut(i) {
  return ((i * 0.6180339887) % 1) - 0.5;
}

function strip(metric, runs, width) {
  const points = metric.values.map((v, i) => ({v, i, id: runs[i][0], href: runs[i][1]})).filter((one) => one.v !== null);
  const far = points.filter((one) => metric.fence !== null && (metric.better < 0 ? one.v > metric.fence : one.v < metric.fence));
  const near = points.filter((one) => !far.includes(one));
  const worst = [...far].sort((a, b) => metric.better * (a.v - b.v)).slice(0, 3);
  const alike = points.every((one) => one.v === points[0].v);
  const arrow = metric.better > 0 ? "more is better \u2192" : "\u2190 less is better";
  return plot({
    width, height: 118, marginLeft: 12, marginRight: 12, marginTop: 26, marginBottom: 32, style,
    ariaLabel: `${metric.label}: ${points.length} runs, ${far.length} beyond the fence`,
    x: {label: `${metric.unit ? `${metric.unit}  ` : ""}${arrow}`, labelArrow: "none", labelAnchor: "center", ...(alike ? {domain: [points[0].v - 1, points[0].v + 1], ticks: [points[0].v], tickFormat: (v) => `all ${Number(v.toPrecision(3))}`} : {nice: true, ticks: 5})},
    y: {axis: null, domain: [-0.8, 0.8]},
    marks: [
      Plot.rectX([metric], {x1: "q1", x2: "q3", y1: -0.7, y2: 0.7, fill: "#d0d7de", fillOpacity: 0.6}),
      Plot.ruleX([metric.median], {stroke: kInk}),
      metric.fence === null ? null : Plot.ruleX(far.length ? [metric.fence] : [], {stroke: kOther, strokeDasharray: "3,3"}),
      Plot.dot(near, {x: "v", y: (one) => spreadOut(one.i), r: near.length > 300 ? 1.5 : 2.5, fill: kMain, fillOpacity: 0.65}),
      Plot.dot(far, {x: "v", y: (one) => spreadOut(one.i), r: 4.5, fill: kOther, symbol: "triangle", href: "href", title: "id", ariaLabel: (one) => `${one.id}: ${one.v}`}),
      Plot.text(worst.slice(0, 1), {x: "v", frameAnchor: "top", dy: -12, text: "id", fontSize: 11, fill: "#9a4400", lineWidth: 30, textOverflow: "ellipsis-start",
        textAnchor: metric.better < 0 ? "end" : "start", href: "href"}),
    ],
  });
}

const charts = {
  strips(data, width) {
    const one = Math.max(260, Math.min(400, width / Math.max(1, Math.floor(width / 300)) - 16));
    return panels(...data.metrics.map((metric) => panel(metric.label, strip(metric, data.runs, one))));
  },

  missing(data, width) {
    const cells = data.patterns.flatMap((pattern, row) => [...pattern.missing].map((flag, i) => ({row, measure: data.measures[i], missing: flag === "1"})));
    return plot({
      width: Math.max(width, data.measures.length * 13), height: 120 + 16 * data.patterns.length, marginLeft: 60, marginBottom: 100, style,
      ariaLabel: "Patterns of missing measures",
      x: {domain: data.measures, tickRotate: -90, label: null, tickSize: 0},
      y: {domain: data.patterns.map((_, i) => i), tickFormat: (i) => String(data.patterns[i].n), label: "sessions", labelAnchor: "top"},
      marks: [Plot.cell(cells, {x: "measure", y: "row", fill: (one) => (one.missing ? kInk : "#cfe3f2"), inset: 0.5,
        title: (one) => `${one.measure}: ${one.missing ? "missing" : "there"}`})],
    });
  },

  qcfc(data, width) {
    const half = Math.min(width, 460);
    const bars = data.r.map((n, i) => ({x1: i / 20 - 1, x2: (i + 1) / 20 - 1, n}));
    const parts = [panel("connections by their correlation with mean FD", plot({
      width: half, height: 240, marginLeft: 52, style, x: {label: "r", domain: [-1, 1]}, y: {label: "connections", grid: true},
      ariaLabel: "Histogram of QC-FC correlations",
      marks: [Plot.rectY(bars, {x1: "x1", x2: "x2", y: "n", fill: kMain}), Plot.ruleX([0], {stroke: kInk})],
    }))];
    if (data.bins.length) {
      parts.push(panel("that correlation by distance", plot({
        width: half, height: 240, marginLeft: 52, style, x: {label: "distance of the regions [mm]"}, y: {label: "r", grid: true},
        ariaLabel: "QC-FC by distance",
        marks: [Plot.ruleY([0], {stroke: kInk}), Plot.areaY(data.bins, {x: "mm", y1: "q1", y2: "q3", fill: kMain, fillOpacity: 0.2}),
          Plot.lineY(data.bins, {x: "mm", y: "median", stroke: kMain, marker: "circle"})],
      })));
    }
    return panels(...parts);
  },

  scores(data, width) {
    const long = data.people.flatMap((one) => one.v.map((v, i) => ({score: data.names[i], group: one.group || "no group", v}))).filter((one) => one.v !== null);
    const groups = [...new Set(long.map((one) => one.group))].sort();
    return plot({
      width, height: 60 + data.names.length * (14 + 16 * groups.length), marginLeft: 10, marginRight: 10, style, grid: true,
      ariaLabel: "Circuit scores by group",
      color: {domain: groups, range: kGroups, legend: true}, fy: {label: null, domain: data.names, axis: null, padding: 0.15}, y: {axis: null, domain: groups},
      x: {label: "healthy SD", labelAnchor: "center"},
      marks: [Plot.ruleX([0], {stroke: kInk}), Plot.boxX(long, {fy: "score", y: "group", x: "v", fill: "group", fillOpacity: 0.5, stroke: kInk, r: 2}),
        Plot.text(data.names, {fy: (name) => name, text: (name) => name, frameAnchor: "top-left", dy: -6, fontWeight: "bold"})],
    });
  },

  classes(data, width) {
    const one = Math.max(260, Math.min(360, width / 3 - 20));
    const square = {width: one, height: one, marginLeft: 46, style};
    const chance = Plot.line([[0, 0], [1, 1]], {stroke: kGrey, strokeDasharray: "3,3"});
    const parts = [];
    if (data.roc.length) {
      parts.push(panel("ROC", plot({...square, ariaLabel: "ROC curve", x: {label: "false positive rate", domain: [0, 1]}, y: {label: "true positive rate", domain: [0, 1], grid: true},
        marks: [chance, Plot.line(data.roc, {stroke: kMain, strokeWidth: 2})]})));
    }
    if (data.calibration.length) {
      parts.push(panel("calibration", plot({...square, ariaLabel: "Calibration", x: {label: "predicted", domain: [0, 1]}, y: {label: "observed, with 95 % interval", domain: [0, 1], grid: true},
        marks: [chance, Plot.ruleX(data.calibration, {x: "p", y1: "l", y2: "u", stroke: kMain}), Plot.dot(data.calibration, {x: "p", y: "o", r: 4, fill: kMain, title: (bin) => `${bin.n} people`})]})));
    }
    if (data.decision.length) {
      const low = Math.min(-0.05, ...seen(data.decision.map((point) => point.m)));
      const lines = data.decision.flatMap((point) => [{t: point.t, v: point.m, who: "model"}, {t: point.t, v: point.e, who: "everybody"}, {t: point.t, v: 0, who: "nobody"}]);
      parts.push(panel("decision curve", plot({...square, ariaLabel: "Decision curve", clip: true, x: {label: "threshold probability"}, y: {label: "net benefit", domain: [Math.max(low, -0.2), Math.max(0.1, ...data.decision.map((point) => Math.max(point.m, point.e)))], grid: true},
        color: {domain: ["model", "everybody", "nobody"], range: [kMain, kOther, kGrey], legend: true},
        marks: [Plot.line(lines, {x: "t", y: "v", z: "who", stroke: "who", strokeWidth: (one) => (one.who === "model" ? 2.5 : 1.5), clip: true})]})));
    }
    return parts.length ? panels(...parts) : element("p", {className: "absent", textContent: "Too few people of both classes for curves."});
  },

  scatter(data, width) {
    const all = seen(data.people.flatMap((one) => [one.y, one.p]));
    const ends = [Math.min(...all), Math.max(...all)];
    return plot({
      width: Math.min(width, 480), height: 400, marginLeft: 52, style, grid: true, x: {label: `predicted ${data.target}`}, y: {label: `observed ${data.target}`},
      ariaLabel: "Observed against predicted",
      marks: [Plot.line([[ends[0], ends[0]], [ends[1], ends[1]]], {stroke: kGrey, strokeDasharray: "3,3"}),
        Plot.dot(data.people, {x: "p", y: "y", r: 3.5, stroke: kMain, fill: (one) => (one.abstain ? "none" : kMain), fillOpacity: 0.7, title: (one) => (one.why ? `${one.id}: ${one.why}` : one.id), href: "href"})],
    });
  },

  null(data, width) {
    return plot({
      width: Math.min(width, 480), height: 200, marginLeft: 52, style, x: {label: data.metric}, y: {label: "permutations", grid: true},
      ariaLabel: `Permutation null of ${data.metric}`,
      marks: [Plot.rectY(seen(data.null), Plot.binX({y: "count"}, {x: (v) => v, fill: kGrey})), Plot.ruleY([0]),
        Plot.ruleX(data.observed === null ? [] : [data.observed], {stroke: kOther, strokeWidth: 2.5}),
        Plot.text(data.observed === null ? [] : [data.observed], {x: (v) => v, frameAnchor: "top", dy: -10, text: () => "observed", fill: "#9a4400"})],
    });
  },

  stages(data, width) {
    return plot({
      width: Math.min(width, 900), height: 50 + 20 * data.length, marginLeft: 170, style, x: {label: "seconds, summed over people", grid: true},
      y: {domain: data.map((one) => one.stage), label: null}, ariaLabel: "Time of stages",
      marks: [Plot.barX(data, {y: "stage", x: "wall", fill: kMain, title: (one) => `${one.stage}: ${one.wall} s wall, ${one.cpu} s CPU, ${one.mb} MB`}),
        Plot.tickX(data, {y: "stage", x: "cpu", stroke: kOther, strokeWidth: 3})],
    });
  },

  timeline(data, width) {
    const items = [...new Set(data.map((one) => one.item))];
    const stages = [...new Set(data.map((one) => one.stage))];
    const end = Math.max(1, ...data.map((one) => one.b));
    const frame = {width: Math.min(width, 900), marginLeft: 170, marginRight: 16, style};
    const x = {domain: [0, end], label: "s", labelAnchor: "right"};
    const about = (one) => `${one.stage}, ${one.item}: ${one.a} to ${one.b} s, ${one.cores} cores, ${one.mb} MB`;
    const steps = [...data].sort((a, b) => a.a - b.a);
    return element("div", {}, panel("stages", plot({
      ...frame, height: 50 + 18 * stages.length, ariaLabel: "When each stage ran", x: {...x, grid: true}, y: {domain: stages, label: null},
      color: {domain: items, range: kGroups, legend: items.length > 1},
      marks: [Plot.rect(data, {x1: "a", x2: (one) => Math.max(one.b, one.a + end / 400), y: "stage", fill: "item", inset: 2, title: about})],
    })), panel("cores in use", plot({
      ...frame, height: 110, ariaLabel: "Cores in use over time", x: {...x, axis: null}, y: {label: null, zero: true, grid: true, ticks: 4},
      marks: [Plot.rectY(steps, {x1: "a", x2: "b", y1: 0, y2: "cores", fill: kMain, fillOpacity: 0.5, title: about})],
    })), panel("memory of the process [MB]", plot({
      ...frame, height: 130, marginBottom: 34, ariaLabel: "Memory over time", x, y: {label: null, zero: true, grid: true, ticks: 4},
      marks: [Plot.line(steps.filter((one) => one.mb > 0), {x: "b", y: "mb", stroke: kOther, marker: "circle", title: about})],
    })));
  },

  sites(data, width) {
    const when = ["before", "after"];
    const long = data.flatMap((one) => when.flatMap((name) => seen(one[name]).map((v, i) => ({site: one.site, name, v, i}))));
    const sites = data.map((one) => one.site);
    return plot({
      width: Math.min(width, 820), height: 82 + 42 * sites.length, marginLeft: 150, marginBottom: 40, style, grid: true, ariaLabel: "Offset of sites before and after harmonisation",
      color: {domain: when, range: [kOther, kMain], legend: true}, fy: {domain: sites, label: null, padding: 0.15}, y: {domain: when, axis: null},
      x: {label: "offset in pooled SD", labelAnchor: "center"},
      marks: [Plot.ruleX([0], {stroke: kInk}), Plot.dot(long, {fy: "site", y: "name", x: "v", fill: "name", r: 2.5, fillOpacity: 0.6, title: (one) => `${one.site}, ${one.name}: ${one.v}`}),
        Plot.tickX(long, Plot.groupZ({x: "median"}, {fy: "site", y: "name", z: (one) => `${one.site}\n${one.name}`, x: "v", stroke: kInk, strokeWidth: 2}))],
    });
  },

  norms(data, width) {
    const half = Math.min(width, 460);
    const who = ["made the norm", "others"];
    const bins = [data.own, data.others].flatMap((counts, k) => {
      const all = counts.reduce((sum, n) => sum + n, 0);
      return all ? counts.map((n, i) => ({x: 5 * i, share: (100 * n) / all, who: who[k]})) : [];
    });
    const points = data.measures.flatMap((one) => [{name: one.name, v: one.own, who: who[0]}, {name: one.name, v: one.others, who: who[1]}]).filter((one) => one.v !== null);
    const color = {domain: data.others.some((n) => n > 0) ? who : who.slice(0, 1), range: [kMain, kOther], legend: true};
    return panels(panel("centiles", plot({
      width: half, height: 260, marginLeft: 52, style, color, x: {label: "centile", domain: [0, 100]}, y: {label: "% of values", grid: true, zero: true}, ariaLabel: "Histogram of centiles",
      marks: [Plot.ruleY([5], {stroke: kGrey, strokeDasharray: "3,3"}), Plot.line(bins, {x: (one) => one.x + 2.5, y: "share", stroke: "who", marker: "circle"})],
    })), panel("beyond z = 1.96, by measure", plot({
      width: half, height: 40 + 13 * data.measures.length, marginLeft: 130, style, color, x: {label: "% of sessions", percent: true, zero: true, grid: true}, y: {domain: data.measures.map((one) => one.name), label: null, tickSize: 0}, ariaLabel: "Share of sessions beyond z = 1.96",
      marks: [Plot.ruleX([0.05], {stroke: kGrey, strokeDasharray: "3,3"}), Plot.dot(points, {x: "v", y: "name", fill: "who", title: (one) => `${one.name}, ${one.who}: ${one.v}`})],
    })));
  },

  contributions(data, width) {
    return plot({
      width: Math.min(width, 700), height: 62 + 22 * data.bars.length, marginLeft: 130, marginBottom: 40, style, x: {label: data.unit, labelAnchor: "center", grid: true}, y: {domain: data.bars.map((one) => one.name), label: null},
      ariaLabel: "What drove the prediction",
      marks: [Plot.barX(data.bars, {y: "name", x: "v", fill: (one) => (one.v < 0 ? kMain : kOther), title: (one) => `${one.name}: ${one.v}`}), Plot.ruleX([0], {stroke: kInk})],
    });
  },

  traces(data, width) {
    const dropped = data.kept.flatMap((flag, t) => (flag ? [] : [{a: t * data.tr, b: (t + 1) * data.tr}]));
    return element("div", {}, ...data.traces.map((trace, i) => panel(trace.label, plot({
      width, height: i === data.traces.length - 1 ? 106 : 76, marginLeft: 48, marginRight: 20, marginTop: 8, marginBottom: i === data.traces.length - 1 ? 36 : 6, style,
      ariaLabel: `${trace.label} over time`, x: {axis: i === data.traces.length - 1 ? "bottom" : null, label: "s", domain: [0, trace.values.length * data.tr]}, y: {label: null, ticks: 3, grid: true, nice: true},
      marks: [Plot.rect(dropped, {x1: "a", x2: "b", fill: "#e69f00", fillOpacity: 0.35}),
        Plot.line(trace.values, {x: (_, t) => t * data.tr, y: (v) => v ?? NaN, stroke: kMain, strokeWidth: 1.2})],
    }))));
  },

  matrix(data, width) {
    const n = data.names.length;
    const size = Math.max(1, Math.floor(Math.min(n > 40 ? 520 : 420, width - 130) / n));
    const canvas = element("canvas", {width: n, height: n});
    const context = canvas.getContext("2d");
    const image = context.createImageData(n, n);
    const cells = square(data.levels, n);
    cells.forEach((v, i) => image.data.set(v === null ? [200, 200, 200, 255] : shade(v), 4 * i));
    context.putImageData(image, 0, 0);
    const ticks = n > 40 ? [] : data.names;
    const fontSize = Math.min(10, size + 1);
    return plot({
      width: size * n + 150, height: size * n + (n > 40 ? 20 : 130), marginLeft: 140, marginTop: 4, marginRight: 10, marginBottom: n > 40 ? 16 : 126, style, ariaLabel: `Matrix of ${n} by ${n}`,
      x: {domain: [0, n], axis: null}, y: {domain: [n, 0], axis: null},
      marks: [Plot.image([0], {x: n / 2, y: n / 2, src: canvas.toDataURL(), width: size * n, height: size * n, imageRendering: "pixelated", preserveAspectRatio: "none"}),
        Plot.frame({stroke: "#d0d7de"}),
        Plot.text(ticks, {x: 0, y: (_, i) => i + 0.5, text: (name) => name, textAnchor: "end", dx: -4, fontSize, lineWidth: 13, textOverflow: "ellipsis-end"}),
        Plot.text(ticks, {x: (_, i) => i + 0.5, y: n, text: (name) => name, textAnchor: "end", rotate: -90, dy: 4, fontSize, lineWidth: 12, textOverflow: "ellipsis-end"}),
        Plot.tip(cells.map((v, i) => ({v, a: i % n, b: Math.floor(i / n)})).slice(0, n > 40 ? 0 : n * n), Plot.pointer({x: (one) => one.a + 0.5, y: (one) => one.b + 0.5,
          title: (one) => `${data.names[one.b]}\n${data.names[one.a]}\n${one.v ?? "missing"}`}))],
    });
  },

  profile(data, width) {
    const names = data.points.map((one) => one.name);
    const there = data.points.filter((one) => one.v !== null);
    const reach = Math.max(2, ...seen(data.points.flatMap((one) => [one.l, one.h, one.v])).map(Math.abs)) * 1.1;
    return plot({
      width: Math.min(width, 820), height: 62 + 19 * names.length, marginLeft: 130, marginBottom: 40, style, grid: true, x: {label: data.unit ?? "healthy SD", labelAnchor: "center", domain: [-reach, reach]},
      y: {domain: names, label: null}, ariaLabel: data.label ?? "Circuit profile against the healthy band",
      marks: [Plot.barX(data.points.filter((one) => one.l !== null), {y: "name", x1: "l", x2: "h", fill: "#d0d7de"}), Plot.ruleX([0], {stroke: kInk}),
        Plot.ruleY(there.filter((one) => one.se !== null), {y: "name", x1: (one) => Math.max(-reach, one.v - one.se), x2: (one) => Math.min(reach, one.v + one.se), stroke: kMain, strokeWidth: 2}),
        Plot.dot(there, {y: "name", x: "v", r: 4, stroke: kMain, fill: (one) => (one.unsure ? "#fff" : kMain), title: (one) => `${one.name}: ${one.v}`})],
    });
  },
};

// Correlations, row by row, from the upper triangle in hundredths: a byte each, 0 is -1, 200 is 1, 201 is missing (null).
function square(levels, n) {
  const bytes = atob(levels);
  const cells = new Array(n * n);
  for (let a = 0, at = 0; a < n; a++) {
    for (let b = a; b < n; b++, at++) {
      const level = bytes.charCodeAt(at);
      cells[a * n + b] = cells[b * n + a] = level > 200 ? null : (level - 100) / 100;
    }
  }
  return cells;
}

// Blue below 0, white, orange above: read without telling red from green.
function shade(v) {
  const t = Math.max(-1, Math.min(1, v));
  const end = t < 0 ? [0, 90, 170] : [200, 80, 0];
  return [...end.map((c) => Math.round(255 + Math.abs(t) * (c - 255))), 255];
}

export function draw(figure) {
  const place = figure.querySelector(".plot");
  const data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  place.replaceChildren(charts[figure.dataset.chart](data, Math.max(280, place.clientWidth || 800)));
  for (const part of place.querySelectorAll("svg [aria-label]")) part.removeAttribute("aria-label"); // "rect", "rule"
  for (const link of place.querySelectorAll("svg a")) link.setAttribute("aria-label", (link.querySelector("title") ?? link).textContent);
  for (const svg of place.querySelectorAll("svg")) {
    if (!svg.hasAttribute("aria-label")) svg.setAttribute("aria-hidden", "true"); // swatches of a legend, said beside it
    else svg.setAttribute("role", svg.querySelector("a") ? "group" : "img");
  }
}
