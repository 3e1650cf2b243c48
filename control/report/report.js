"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const plots = [];
  const byId = (id) => document.getElementById(id);
  const colour = (name) => () =>
    getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const seriesColour = (number) => colour("s" + number % 8);
  const fixed = (digits) => (value) => value == null ? "" : value.toLocaleString("en-US",
    { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const usd = (value) => {
    if (value == null) return "";
    const cents = Math.abs(value * 100 - Math.round(value * 100)) < 1e-6;
    return fixed(cents ? 2 : 4)(value);
  };
  const whole = (value) => value == null ? "" : value.toLocaleString("en-US");
  const seconds = (ns) => ns / 1e9;
  const price = (value) => value == null ? null : value / 1e4;
  const usdTicks = (plot, values) => {
    const fine = values.some((value) => Math.abs(value * 100 - Math.round(value * 100)) > 1e-6);
    return values.map(fixed(fine ? 4 : 2));
  };
  const stepped = uPlot.paths.stepped({ align: 1 });
  const none = () => null;

  // ---- One way to make every plot --------------------------------------------------------------

  const axis = (more) => ({
    stroke: colour("soft"), font: "12px system-ui, sans-serif",
    grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 },
    ...more,
  });

  function draw(place, options, values) {
    if (!place) return null;
    const unit = options.unit || "";
    const plot = new uPlot({
      width: place.clientWidth, height: options.height || 260, legend: { live: true },
      cursor: { sync: options.sync ? { key: options.sync } : undefined,
                drag: { x: true, y: false }, points: { size: (plot, number) =>
                  plot.series[number].scale === "hidden" ? 0 : 6 }, y: false },
      scales: { x: { time: false, range: options.xRange }, y: { range: options.yRange } },
      axes: [
        axis({ label: options.xLabel, labelSize: 22, labelFont: "12px system-ui, sans-serif",
               size: 34, values: options.xTicks, splits: options.xSplits,
               ...(options.xSteps ? { incrs: options.xSteps } : {}) }),
        axis({ label: options.yLabel, labelSize: 20, labelFont: "12px system-ui, sans-serif",
               size: options.ySize || (options.yTicks === usdTicks ? 80 : 62), values: options.yTicks }),
      ],
      series: [{ label: options.xName, value: options.xValue }, ...options.series],
      hooks: { draw: options.draw ? [options.draw] : [] },
      padding: [10, 12, 0, 0],
      title: undefined,
    }, values, place);
    plot.unit = unit;
    plots.push({ plot, place });
    return plot;
  }

  function forget(place) {
    for (let number = plots.length - 1; number >= 0; number--) {
      if (plots[number].place === place) {
        plots[number].plot.destroy();
        plots.splice(number, 1);
      }
    }
    place.textContent = "";
  }

  // Vertical lines with a word each, on the canvas of a plot.
  function flags(plot, marks) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    let end = -Infinity, row = 0;
    for (const mark of marks) {
      const x = Math.round(plot.valToPos(mark.x, "x", true)) + 0.5;
      if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
      ctx.strokeStyle = ctx.fillStyle = mark.colour();
      ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      if (mark.text) {
        const width = ctx.measureText(mark.text).width + 6 * devicePixelRatio;
        const right = x + width > bbox.left + bbox.width;
        row = (right ? x - width : x) < end ? row + 1 : 0;
        end = Math.max(end, right ? x : x + width);
        ctx.textAlign = right ? "right" : "left";
        ctx.fillText(mark.text, x + (right ? -3 : 3) * devicePixelRatio,
                     bbox.top + (11 + 13 * row) * devicePixelRatio);
      }
    }
    ctx.restore();
  }

  // Dotted lines at a value and its opposite, where it is known.
  function levels(plot, value) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.strokeStyle = colour("s7")();
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const y of value ? [value, -value] : []) {
      const at = Math.round(plot.valToPos(y, "y", true)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(bbox.left, at);
      ctx.lineTo(bbox.left + bbox.width, at);
      ctx.stroke();
    }
    ctx.restore();
  }

  // Marks at points: an upward or downward triangle, or a disc.
  function points(plot, marks) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const size = 5 * devicePixelRatio;
    for (const mark of marks) {
      const x = plot.valToPos(mark.x, "x", true), y = plot.valToPos(mark.y, "y", true);
      ctx.fillStyle = ctx.strokeStyle = mark.colour();
      ctx.lineWidth = 1.5 * devicePixelRatio;
      ctx.beginPath();
      if (mark.form === "disc") {
        ctx.arc(x, y, size * 0.8, 0, 2 * Math.PI);
      } else {
        const tip = mark.form === "up" ? -size : size;
        ctx.moveTo(x, y + tip);
        ctx.lineTo(x - size, y - tip);
        ctx.lineTo(x + size, y - tip);
        ctx.closePath();
      }
      if (mark.hollow) ctx.stroke(); else ctx.fill();
    }
    ctx.restore();
  }

  const overTime = { xLabel: "seconds since the first message", xName: "time",
                     xValue: (plot, value) => value == null ? "" : fixed(6)(value) + " s" };

  // ---- Equity and positions --------------------------------------------------------------------

  const states = data.marks.map((mark) => ({ x: seconds(mark.t), text: mark.text,
                                             colour: colour("soft") }));
  draw(byId("plot-equity"), {
    ...overTime, yLabel: "USD", sync: "run", draw: (plot) => flags(plot, states),
    series: [{ label: "equity, USD", stroke: seriesColour(0), width: 1.5, paths: stepped,
               points: { show: false }, value: (plot, value) => usd(value) }],
  }, [data.equity.t.map(seconds), data.equity.v.map(price)]);

  draw(byId("plot-positions"), {
    ...overTime, yLabel: "shares", sync: "run",
    draw: (plot) => { flags(plot, states); levels(plot, data.position_limit); },
    yRange: (plot, low, high) => {
      const most = data.position_limit || 0;
      const bottom = Math.min(low || 0, -most), top = Math.max(high || 0, most);
      const room = Math.max((top - bottom) * 0.08, 1);
      return [bottom - room, top + room];
    },
    series: data.symbols.map((symbol, number) => ({
      label: symbol, stroke: seriesColour(number), width: 1.5, paths: stepped,
      points: { show: false }, value: (plot, value) => whole(value) })),
  }, [data.positions.t.map(seconds), ...data.positions.v]);

  // ---- Market and own fills, by symbol ---------------------------------------------------------

  const side = (order) => colour(order.sell ? "sell" : "buy");
  const form = (order) => order.sell ? "down" : "up";

  function drawMarket(number) {
    const place = byId("plot-market");
    if (!place) return;
    forget(place);
    const of = data.overview[number];
    const marks = data.orders.filter((order) => order.s === number).flatMap((order) =>
      order.fills.map((fill) => ({ x: seconds(fill[0]), y: price(fill[2]), form: form(order),
                                   colour: side(order) })));
    byId("market-n").textContent = `${data.symbols[number]}; n = ${whole(of.n)} changes` +
      (of.t.length < of.n ? `, ${whole(of.t.length)} drawn` : "") +
      `, ${whole(marks.length)} executions`;
    draw(place, {
      ...overTime, yLabel: "USD", yTicks: usdTicks, sync: "run",
      draw: (plot) => points(plot, marks),
      series: [
        { label: "bid", stroke: seriesColour(7), width: 1, paths: stepped,
          points: { show: false }, value: (plot, value) => usd(value) },
        { label: "ask", stroke: seriesColour(4), width: 1, paths: stepped,
          points: { show: false }, value: (plot, value) => usd(value) }],
    }, [of.t.map(seconds), of.bid.map(price), of.ask.map(price)]);
  }

  const symbolChoice = byId("market-symbol");
  if (symbolChoice) {
    symbolChoice.addEventListener("change", () => drawMarket(Number(symbolChoice.value)));
    drawMarket(0);
  }

  // ---- One order -------------------------------------------------------------------------------

  const rows = [...document.querySelectorAll("tr[data-order]")];
  let shown = -1;

  function firstAfter(times, wanted) {
    let low = 0, high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= wanted) low = middle + 1; else high = middle;
    }
    return low;
  }

  function show(number, scroll) {
    if (number < 0 || number >= data.orders.length) return;
    shown = number;
    rows.forEach((row) => row.setAttribute("aria-selected",
      String(Number(row.dataset.order) === number)));
    if (scroll) rows.find((row) => Number(row.dataset.order) === number)
      .scrollIntoView({ block: "nearest" });
    const order = data.orders[number];
    const began = order.sent - data.window_ns, ended = order.end + data.window_ns;
    const ms = (ns) => (ns - order.sent) / 1e6;
    const of = data.quotes[order.s];
    const from = Math.max(0, firstAfter(of.t, began) - 1), to = firstAfter(of.t, ended);
    const inside = to - firstAfter(of.t, began);
    const slice = (values) => values.slice(from, to);
    // The last row holds until the end of the window, the first one from its beginning.
    const times = slice(of.t).map((t) => ms(Math.max(t, began)));
    const extended = (values) => values.length ? [...values, values[values.length - 1]] : values;
    if (times.length) times.push(ms(ended));
    const bid = extended(slice(of.bid)), ask = extended(slice(of.ask));
    const bidq = extended(slice(of.bidq)), askq = extended(slice(of.askq));
    const micro = extended(slice(of.micro));

    byId("order-title").textContent = `Order ${order.n}: ${order.sell ? "sell" : "buy"} ` +
      `${whole(order.q)} ${data.symbols[order.s]} at ${usd(price(order.p))}, ` +
      `${order.day ? "day" : "IOC"}, ${order.status}`;
    byId("order-facts").replaceChildren(...order.facts.flatMap(([name, value]) => {
      const title = document.createElement("dt"), text = document.createElement("dd");
      title.textContent = name;
      text.textContent = value;
      return [title, text];
    }));

    const marks = [{ x: 0, text: "sent", colour: side(order) }];
    if (order.acc != null) marks.push({ x: ms(order.acc), text: "accepted",
                                        colour: colour("soft") });
    if (order.cancel != null) marks.push({ x: ms(order.cancel), text: "cancel sent",
                                           colour: colour("soft") });
    if (order.ended != null && order.status !== "executed")
      marks.push({ x: ms(order.ended), text: order.status, colour: colour("soft") });
    order.fills.slice(0, 1).forEach((fill) => marks.push({
      x: ms(fill[0]), text: order.fills.length > 1 ? "first fill" : "filled",
      colour: side(order) }));
    marks.sort((a, b) => a.x - b.x);
    const bare = marks.map((mark) => ({ ...mark, text: "" }));
    const dots = [{ x: 0, y: price(order.p), form: form(order), hollow: true,
                    colour: side(order) },
                  ...order.fills.map((fill) => ({ x: ms(fill[0]), y: price(fill[2]),
                                                  form: form(order), colour: side(order) }))];
    const limits = [ms(began), ms(ended)];
    const common = { xRange: (plot, low, high) =>
                       low === plot.data[0][0] && high === plot.data[0].at(-1) ? limits
                         : [low, high],
                     xName: "since sent", sync: "order", ySize: 80,
                     xValue: (plot, value) => value == null ? "" : fixed(6)(value) + " ms" };
    const line = (label, number, value, more) => ({
      label, stroke: seriesColour(number), width: 1.25, paths: stepped, points: { show: false },
      value: (plot, found) => value(found), ...more });
    const places = ["price", "spread", "imbalance", "score"].map((name) => byId("plot-" + name));
    places.forEach(forget);
    draw(places[0], {
      ...common, height: 250, yLabel: "USD", yTicks: usdTicks,
      yRange: (plot, low, high) => {
        const all = [low, high, ...dots.map((dot) => dot.y)].filter((value) => value != null);
        const bottom = Math.min(...all), top = Math.max(...all);
        const room = Math.max((top - bottom) * 0.15, 0.0005);
        return [bottom - room, top + room];
      },
      draw: (plot) => { flags(plot, marks); points(plot, dots); },
      series: [line("bid", 7, usd), line("ask", 4, usd),
               line("microprice", 2, fixed(4), { width: 1, dash: [2, 2] }),
               line("mid", 5, usd, { width: 1 })],
    }, [times, bid.map(price), ask.map(price), micro.map(price),
        bid.map((value, row) => value == null || ask[row] == null ? null
          : (value + ask[row]) / 2e4)]);
    draw(places[1], {
      ...common, height: 130, yLabel: "cents", draw: (plot) => flags(plot, bare),
      yRange: (plot, low, high) => [0, Math.max(1, (high || 0) * 1.1)],
      series: [line("spread, cents", 0, usd)],
    }, [times, bid.map((value, row) => value == null || ask[row] == null ? null
      : (ask[row] - value) / 100)]);
    draw(places[2], {
      ...common, height: 130, yLabel: "octaves", draw: (plot) => flags(plot, bare),
      series: [line("log2(bid shares / ask shares)", 3, fixed(2)),
               line("bid shares", 7, whole, { scale: "hidden", paths: none }),
               line("ask shares", 4, whole, { scale: "hidden", paths: none })],
    }, [times, bidq.map((value, row) => value && askq[row] ? Math.log2(value / askq[row]) : null),
        bidq, askq]);
    drawScores(places[3], order, began, ended, ms, common, bare);
    for (const name of ["price", "spread", "imbalance"])
      byId(`n-${name}`).textContent = `n = ${whole(inside)} changes of the best bid or offer`;
    byId("order-position").textContent = `${number + 1} of ${data.orders.length}`;
  }

  function drawScores(place, order, began, ended, ms, common, bare) {
    const inside = (t) => began <= t && t <= ended;
    const sent = data.orders.filter((other) => other.s === order.s && inside(other.sent))
      .map((other) => [ms(other.sent), other.score, null]);
    const refused = data.refused.filter((row) => row[1] === order.s && inside(row[0]))
      .map((row) => [ms(row[0]), null, row[2]]);
    const of = data.signals && data.signals[order.s];
    const from = of ? Math.max(0, firstAfter(of.t, began) - 1) : 0;
    const to = of ? firstAfter(of.t, ended) : 0;
    const line = [];
    for (let row = from; row < to; row++)
      line.push([ms(Math.max(of.t[row], began)), null, null, of.score[row]]);
    if (line.length) line.push([ms(ended), null, null, line[line.length - 1][3]]);
    // Points between the steps of the line are on it.
    const all = [...line, ...sent, ...refused].sort((a, b) => a[0] - b[0]);
    let last = null;
    for (const row of all) {
      if (row[3] == null) row[3] = last; else last = row[3];
    }
    const dots = (label, number) => ({
      label, stroke: seriesColour(number), paths: none,
      points: { show: true, size: 8, fill: seriesColour(number) },
      value: (plot, value) => whole(value) });
    const threshold = data.threshold;
    byId("n-score").textContent = `n = ` + (of ? `${whole(to - from)} messages, ` : "") +
      `${whole(sent.length)} orders sent, ${whole(refused.length)} refused`;
    draw(place, {
      ...common, height: 170, yLabel: "score", xLabel: "ms since the order's frame began",
      yRange: (plot, low, high) => {
        const most = Math.max(Math.abs(low || 0), Math.abs(high || 0), threshold || 0, 1) * 1.15;
        return [-most, most];
      },
      yTicks: (plot, values) => values.map((value) => Math.abs(value) >= 1e6
        ? value / 1e6 + " M" : Math.abs(value) >= 1e3 ? value / 1e3 + " k" : value),
      draw: (plot) => {
        flags(plot, bare);
        levels(plot, threshold);
      },
      series: [dots("of orders sent", 0), dots("of orders refused", 1),
               { label: "after each message", stroke: seriesColour(3), width: 1.25, paths: stepped,
                 show: Boolean(of), points: { show: false },
                 value: (plot, value) => whole(value) }],
    }, [0, 1, 2, 3].map((column) => all.map((row) => row[column])));
  }

  rows.forEach((row) => {
    row.addEventListener("click", () => show(Number(row.dataset.order), false));
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        show(Number(row.dataset.order), false);
      }
    });
  });
  if (byId("order-next")) {
    byId("order-next").addEventListener("click", () => show(shown + 1, true));
    byId("order-before").addEventListener("click", () => show(shown - 1, true));
  }
  if (data.orders.length) show(Math.max(0, data.orders.findIndex((order) => order.fills.length)));

  // ---- Markouts, latency, refusals -------------------------------------------------------------

  const horizons = data.markouts;
  draw(byId("plot-markouts"), {
    height: 230, yLabel: "cents a share", xName: "after", xLabel: "time after the execution",
    xValue: (plot, value) => value == null || !horizons[value] ? "" : horizons[value].text,
    xSplits: () => horizons.map((row, number) => number),
    xTicks: (plot, values) => values.map((value) => horizons[value] ? horizons[value].text : ""),
    xRange: () => [-0.4, horizons.length - 0.6],
    yRange: (plot, low, high) => {
      const ends = horizons.flatMap((row) => row.mean == null ? []
        : [row.mean - (row.error || 0), row.mean + (row.error || 0)]);
      const bottom = Math.min(0, ...ends), top = Math.max(0, ...ends);
      const room = Math.max((top - bottom) * 0.1, 0.01);
      return [bottom - room, top + room];
    },
    draw: (plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.strokeStyle = colour("soft")();
      ctx.lineWidth = devicePixelRatio;
      const zero = Math.round(plot.valToPos(0, "y", true)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(bbox.left, zero);
      ctx.lineTo(bbox.left + bbox.width, zero);
      ctx.stroke();
      ctx.strokeStyle = seriesColour(0)();
      horizons.forEach((row, number) => {
        if (row.mean == null || row.error == null) return;
        const x = plot.valToPos(number, "x", true);
        ctx.beginPath();
        ctx.moveTo(x, plot.valToPos(row.mean - row.error, "y", true));
        ctx.lineTo(x, plot.valToPos(row.mean + row.error, "y", true));
        ctx.stroke();
      });
      ctx.restore();
    },
    series: [
      { label: "mean, cents a share", stroke: seriesColour(0), width: 1.5,
        points: { show: true, size: 7, fill: seriesColour(0) },
        value: (plot, value) => value == null ? "" : fixed(3)(value) },
      { label: "executions", stroke: seriesColour(7), scale: "hidden", paths: none,
        points: { show: false }, value: (plot, value) => whole(value) }],
  }, [horizons.map((row, number) => number), horizons.map((row) => row.mean),
      horizons.map((row) => row.n)]);

  data.latency.forEach((stage, number) => {
    const low = stage.cycles[0], high = stage.cycles[stage.cycles.length - 1];
    draw(byId("plot-latency-" + number), {
      height: 170, xLabel: "core cycles", yLabel: "orders", xName: "cycles",
      xSteps: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000],
      xValue: (plot, value) => value == null ? ""
        : `${value} cycles, ${fixed(1)(value * 1e9 / data.core_hz)} ns`,
      xRange: () => [Math.max(0, low - 2) - 0.6, Math.max(high + 2, low + 8) + 0.6],
      yRange: (plot, bottom, top) => [0, Math.max(1, top) * 1.08],
      series: [{ label: "orders", stroke: seriesColour(number), fill: seriesColour(number),
                 width: 0, paths: uPlot.paths.bars({ size: [0.8, 28], align: 0 }), points: { show: false },
                 value: (plot, value) => whole(value) }],
    }, filled(stage));
  });

  // Every cycle between the shortest and the longest has a bin, so that bars are equally wide.
  function filled(stage) {
    const low = stage.cycles[0], high = stage.cycles[stage.cycles.length - 1];
    if (high - low > 2000) return [stage.cycles, stage.orders];
    const cycles = [], orders = [];
    for (let cycle = low - 1; cycle <= high + 1; cycle++) {
      const bin = stage.cycles.indexOf(cycle);
      cycles.push(cycle);
      orders.push(bin < 0 ? 0 : stage.orders[bin]);
    }
    return [cycles, orders];
  }

  draw(byId("plot-refusals"), {
    ...overTime, yLabel: "refusals so far", sync: "run",
    yRange: (plot, low, high) => [0, Math.max(1, high || 0) * 1.05], draw: (plot) => flags(plot, states),
    series: data.refusals.checks.map((check, number) => ({
      label: check, stroke: seriesColour(number), width: 1.5, paths: stepped,
      points: { show: false }, value: (plot, value) => whole(value) })),
  }, [data.refusals.t.map(seconds), ...data.refusals.sums]);

  // ---- Size, light and dark, paper -------------------------------------------------------------

  const redraw = () => plots.forEach(({ plot }) => plot.redraw(true, true));
  const fit = () => plots.forEach(({ plot, place }) =>
    plot.setSize({ width: place.clientWidth, height: plot.height }));
  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(fit);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  matchMedia("print").addEventListener("change", () => { fit(); redraw(); });
  addEventListener("beforeprint", () => { fit(); redraw(); });
  addEventListener("afterprint", () => { fit(); redraw(); });
})();
