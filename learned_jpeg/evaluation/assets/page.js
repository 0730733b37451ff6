"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const $ = (id) => document.getElementById(id);
  const figures = read("figures");
  const pictures = read("pictures");
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const options = (select, labels, chosen) => {
    select.replaceChildren(...labels.map((label, index) => make("option", label, { value: index })));
    select.value = String(Math.max(0, Math.min(chosen, labels.length - 1)));
  };
  const shown = (value) => (value === null ? "-" : String(value));

  // Curves

  let metric = figures.metrics[0];
  const hidden = new Set(
    figures.curves.filter((curve) => !curve.front && figures.curves.length > 8).map((c) => c.label),
  );
  const axis = (text, more = {}) => ({
    type: "linear", title: { display: true, text }, grid: { color: "#e4e4e4" }, ...more,
  });
  const chart = (id, x, y) => new Chart($(id), {
    type: "line",
    data: { datasets: [] },
    options: {
      animation: false, parsing: false, normalized: true, maintainAspectRatio: false,
      interaction: { mode: "nearest", intersect: false },
      scales: { x, y },
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { title: (items) => items[0].dataset.label, label: (item) => item.raw.text } },
      },
    },
  });
  const dataset = (curve, data, radius) => ({
    label: curve.label, data, borderColor: curve.color, backgroundColor: curve.color,
    borderWidth: curve.front ? 2.5 : 1.2, pointRadius: curve.front ? radius : radius / 2,
    pointHoverRadius: 6, order: curve.front ? 0 : 1, hidden: hidden.has(curve.label),
    borderDash: curve.kind === "encoder" ? [6, 3] : [],
  });
  const curves = chart("curves", axis("bits per pixel", { min: 0 }), axis(""));
  const saved = chart("saved", axis(""), axis(""));

  const range = (points, key) => {
    const values = points.map((point) => point[key]);
    return [Math.min(...values), Math.max(...values)];
  };
  const drawCurves = () => {
    const trained = figures.curves.filter((curve) => curve.kind !== "encoder");
    const framed = (trained.length ? trained : figures.curves).flatMap((curve) => curve.points);
    const right = 1.15 * Math.max(...framed.map((point) => point.bpp));
    curves.data.datasets = figures.curves.map((curve) => dataset(
      curve,
      curve.points.filter((point) => point[metric.name] !== null).map((point) => ({
        x: point.bpp, y: point[metric.name],
        text: `${point.name}: ${point[metric.name]} at ${point.bpp} bpp`,
      })), 3.5));
    const inside = curves.data.datasets.flatMap((set) => set.data).filter((point) => point.x <= right);
    const [low, high] = range(inside, "y");
    Object.assign(curves.options.scales.x, { max: right, ticks: { includeBounds: false } });
    Object.assign(curves.options.scales.y, { min: low - 0.04 * (high - low), max: high + 0.04 * (high - low),
      ticks: { includeBounds: false } });
    curves.options.scales.y.title.text = metric.axis;
    curves.update();

    saved.data.datasets = figures.curves.map((curve) => dataset(
      curve,
      curve.saved[metric.name].map(([x, y]) => ({
        x, y, text: `${y > 0 ? "+" : ""}${y}% of the bits at ${x}`,
      })), 0));
    const dataOf = (chosen) => figures.curves.flatMap((curve, index) => (
      chosen(curve) ? saved.data.datasets[index].data : []));
    const seen = dataOf((curve) => curve.kind !== "encoder" || !trained.length);
    if (seen.length) {
      const [left, end] = range(seen, "x");
      const front = dataOf((curve) => curve.front).filter(({ x }) => left <= x && x <= end);
      const [under, over] = range([...seen, ...front, { y: 0 }], "y");
      Object.assign(saved.options.scales.x, { min: left, max: end, reverse: metric.lower,
        ticks: { includeBounds: false } });
      Object.assign(saved.options.scales.y, { min: under - 2, max: over + 2, ticks: { includeBounds: false } });
    }
    saved.options.scales.x.title.text = metric.axis;
    saved.options.scales.y.title.text = `% of bits, against ${figures.curves[0].label}`;
    saved.update();
  };
  const buttons = figures.metrics.map((one) => {
    const button = make("button", one.label, { type: "button", "aria-pressed": one === metric });
    button.addEventListener("click", () => {
      metric = one;
      buttons.forEach((other) => other.setAttribute("aria-pressed", other === button));
      drawCurves();
    });
    return button;
  });
  $("metrics").replaceChildren(...buttons);
  $("legend").replaceChildren(...figures.curves.map((curve) => {
    const label = make("label");
    const box = make("input", undefined, { type: "checkbox" });
    box.checked = !hidden.has(curve.label);
    box.addEventListener("change", () => {
      hidden[box.checked ? "delete" : "add"](curve.label);
      drawCurves();
    });
    const line = make("i");
    line.style.borderTopColor = curve.color;
    if (curve.kind === "encoder") line.style.borderTopStyle = "dashed";
    label.append(box, line, curve.label);
    return label;
  }));
  drawCurves();

  // The table

  const anchors = [...new Set(figures.deltas.map((row) => row.against))];
  options($("against"), ["everything", ...anchors], 1);
  const all = [["curve", "curve"], ["against", "against"],
    ...figures.metrics.map((one) => [one.name, one.label])];
  let sorted = { column: figures.metrics[0].name, down: false };
  const key = (row) => {
    const value = row[sorted.column];
    return typeof value === "string" ? value : value.percent ?? Infinity;
  };
  const cell = (row, column) => {
    const value = row[column];
    if (typeof value === "string") return make("td", value);
    if (value.percent === null) return make("td", "-");
    const signed = (number) => (number === null ? "-" : (number > 0 ? "+" : "") + number.toFixed(1));
    const element = make("td", `${value.open ? "~" : ""}${signed(value.percent)} `);
    const part = value.overlap < 0.995 ? `; ${Math.round(100 * value.overlap)}% of the range` : "";
    element.append(make("small",
      `[${signed(value.low)}, ${signed(value.high)}] ${value.wins}/${value.compared}${part}`));
    if (!value.open) element.className = value.percent < 0 ? "fewer" : "more";
    return element;
  };
  const drawTable = () => {
    const anchor = anchors[$("against").value - 1];
    const columns = all.filter(([column]) => column !== "against" || anchor === undefined);
    const rows = figures.deltas.filter((row) => anchor === undefined || row.against === anchor);
    rows.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      return (sorted.down ? -1 : 1) * (x < y ? -1 : x > y ? 1 : 0);
    });
    const headings = make("tr");
    columns.forEach(([column, label], index) => {
      const is = sorted.column === column;
      const heading = make("th", undefined,
        { scope: "col", "aria-sort": is ? (sorted.down ? "descending" : "ascending") : "none" });
      const arrow = is ? (sorted.down ? " \u25bc" : " \u25b2") : "";
      const button = make("button", label + arrow, { type: "button" });
      button.addEventListener("click", () => {
        sorted = { column, down: is && !sorted.down };
        drawTable();
        $("deltas").tHead.rows[0].cells[index].firstChild.focus();
      });
      heading.append(button);
      headings.append(heading);
    });
    $("deltas").tHead.replaceChildren(headings);
    $("deltas").tBodies[0].replaceChildren(...rows.map((row) => {
      const element = make("tr");
      element.append(...columns.map(([column]) => cell(row, column)));
      return element;
    }));
  };
  $("against").addEventListener("change", drawTable);
  drawTable();

  // The viewer

  if (!pictures.length) return;
  $("viewer").hidden = false;
  const zooms = [0, 1, 2, 4, 8]; // 0: as large as there is room for
  const state = { zoom: 0, place: 50 };
  const image = () => pictures[$("image").value];
  const files = () => {
    const original = { label: "original", src: image().src };
    return [...(image().sizes[$("size").value]?.files ?? []), original];
  };
  const side = (name) => files()[$(name).value] ?? files().at(-1);

  const place = (percent) => {
    state.place = Math.max(0, Math.min(100, percent));
    $("right-image").style.clipPath = `inset(0 0 0 ${state.place}%)`;
    $("divider").style.left = `${state.place}%`;
    $("divider").setAttribute("aria-valuenow", Math.round(state.place));
  };
  const scale = () => {
    const room = $("stage").clientWidth;
    const factor = zooms[state.zoom]
      || Math.min(1, room / image().width, (0.8 * window.innerHeight) / image().height);
    $("canvas").style.width = `${Math.round(image().width * factor)}px`;
    $("canvas").style.height = `${Math.round(image().height * factor)}px`;
    $("canvas").classList.toggle("reduced", factor < 1);
    $("zoom").textContent = zooms[state.zoom] ? `${factor}x` : "fit";
  };
  const zoom = (step) => {
    const stage = $("stage");
    const centre = [
      (stage.scrollLeft + stage.clientWidth / 2) / stage.scrollWidth,
      (stage.scrollTop + stage.clientHeight / 2) / stage.scrollHeight,
    ];
    state.zoom = Math.max(0, Math.min(zooms.length - 1, state.zoom + step));
    scale();
    stage.scrollTo(centre[0] * stage.scrollWidth - stage.clientWidth / 2,
      centre[1] * stage.scrollHeight - stage.clientHeight / 2);
  };
  const describe = (id, one, other) => {
    const rows = [make("dt", one.label, { class: "title" })];
    const add = (label, text, better) => rows.push(
      make("dt", label), make("dd", text, better ? { class: "better" } : {}));
    if (one.bytes !== undefined) {
      add("bytes", `${one.bytes} (${one.bpp} bits per pixel)`);
      for (const each of figures.metrics) {
        const [mine, others] = [one[each.name], other[each.name]];
        const better = Number.isFinite(others) && (each.lower ? mine < others : mine > others);
        add(each.label, shown(mine), better);
      }
    }
    $(id).replaceChildren(...rows);
  };
  const show = () => {
    const [left, right] = [side("left"), side("right")];
    for (const [id, one] of [["left-image", left], ["right-image", right]]) {
      $(id).src = one.src;
      $(id).alt = `${image().name}: ${one.label}`;
    }
    $("original-image").src = image().src;
    describe("left-figures", left, right);
    describe("right-figures", right, left);
    scale();
  };
  const fill = () => {
    const before = ["left", "right"].map((name) => $(name).selectedOptions[0]?.textContent);
    const names = files().map((file) => file.label);
    const front = figures.curves.filter((curve) => curve.front && curve.kind === "run");
    const wanted = [before[0] ?? figures.curves[0].label, before[1] ?? front[0]?.label];
    options($("left"), names, names.indexOf(wanted[0]));
    options($("right"), names, names.includes(wanted[1]) ? names.indexOf(wanted[1]) : names.length - 1);
    show();
  };
  const step = (by) => {
    $("image").value = String((Number($("image").value) + by + pictures.length) % pictures.length);
    fill();
  };
  const swap = () => {
    [$("left").value, $("right").value] = [$("right").value, $("left").value];
    show();
  };
  const original = (on) => { $("original-image").hidden = !on; };

  options($("image"), pictures.map((one) => one.name), 0);
  options($("size"), pictures[0].sizes.map((one) => one.label), 0);
  $("size-label").hidden = pictures[0].sizes.length < 2;
  for (const id of ["image", "size"]) $(id).addEventListener("change", fill);
  for (const id of ["left", "right"]) $(id).addEventListener("change", show);
  $("swap").addEventListener("click", swap);
  $("larger").addEventListener("click", () => zoom(1));
  $("smaller").addEventListener("click", () => zoom(-1));
  for (const name of ["pointerdown", "pointerup", "pointerleave", "pointercancel"]) {
    $("show-original").addEventListener(name, () => original(name === "pointerdown"));
  }
  const moveTo = (event) => {
    const box = $("canvas").getBoundingClientRect();
    place(100 * (event.clientX - box.left) / box.width);
  };
  $("divider").addEventListener("pointerdown", (event) => {
    $("divider").setPointerCapture(event.pointerId);
    $("divider").focus({ preventScroll: true });
    event.preventDefault();
  });
  $("divider").addEventListener("pointermove", (event) => {
    if ($("divider").hasPointerCapture(event.pointerId)) moveTo(event);
  });
  $("canvas").addEventListener("click", moveTo);
  $("divider").addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10,
      Home: -100, End: 100 };
    if (!(event.key in steps)) return;
    place(state.place + steps[event.key] * (event.shiftKey ? 10 : 1));
    event.preventDefault();
  });
  const keys = { n: () => step(1), p: () => step(-1), "+": () => zoom(1), "=": () => zoom(1),
    "-": () => zoom(-1), s: swap, o: () => original(true) };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    keys[event.key.toLowerCase()]?.();
  });
  document.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "o") original(false); });
  addEventListener("resize", scale);
  fill();
  place(50);
})();
