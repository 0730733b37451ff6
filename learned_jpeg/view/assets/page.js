import { draw } from "./curve.js";
import { Setting } from "./setting.js";
import * as viewer from "./viewer.js";

const $ = (id) => document.getElementById(id);
const make = (tag, attributes = {}, text) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
};
const page = crypto.randomUUID();
const grouped = (number) => number.toLocaleString("en");
const pressed = (button) => button.getAttribute("aria-pressed") === "true";

let offered, first, second;
let pictures = [];
let picture = null; // the one that is shown
const files = { first: null, second: null };

// What is being done, and what went wrong

const doing = {};
const say = (place, line) => {
  doing[place] = line;
  const lines = Object.values(doing).filter(Boolean);
  const result = files.first;
  $("status").textContent = lines.join("; ")
    || (result ? `${grouped(result.bytes)} bytes in ${result.seconds.toFixed(2)} s` : "");
};
const wrong = {};
const complain = (place, line) => {
  wrong[place] = line;
  $("alert").textContent = Object.values(wrong).filter(Boolean).join("; ");
  $("alert").hidden = !$("alert").textContent;
};

// Asking the server

const post = async (path, body) => {
  try {
    const answer = await fetch(path, { method: "POST", body });
    return answer.ok || answer.status === 422 ? await answer.json() : { error: await answer.text() };
  } catch {
    return { error: "the server does not answer; is it still running?" };
  }
};

const asked = {};
// Runs a job of a place; a newer one of the same place cancels it.
const ask = async (place, job, body, told) => {
  asked[place]?.abort();
  const stop = asked[place] = new AbortController();
  say(place, "waiting");
  complain(place, null);
  const hear = (line) => {
    if (stop.signal.aborted) return;
    if ("doing" in line) say(place, line.doing);
    else if ("error" in line) complain(place, line.error);
    else if (!("cancelled" in line)) told(line);
  };
  try {
    const answer = await fetch(job, {
      method: "POST", body: JSON.stringify({ place: `${page} ${place}`, ...body }), signal: stop.signal,
    });
    if (!answer.ok) throw new Error(await answer.text());
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop();
      lines.forEach((line) => hear(JSON.parse(line)));
    }
  } catch (error) {
    if (!stop.signal.aborted) hear({ error: `no answer: ${error.message.trim()}` });
  }
  if (!stop.signal.aborted) say(place, null);
};
const end = (place) => {
  asked[place]?.abort();
  say(place, null);
  complain(place, null);
};

// The figures

const rows = () => [
  { name: "dial", label: offered.dial?.[0] ?? "", shown: (value) => +value.toFixed(2) },
  { name: "bytes", label: "bytes", lower: true, shown: grouped },
  { name: "bpp", label: "bits per pixel", lower: true, shown: (value) => value.toFixed(3) },
  ...offered.metrics.map((metric) => ({
    ...metric, label: `${metric.label}${metric.unit ? ` (${metric.unit})` : ""}`,
    shown: (value) => value.toFixed(metric.decimals),
  })),
];
const cell = (row, one, other) => {
  if (!one || (one[row.name] === undefined && !one.done)) return make("td", { class: "waiting" }, one ? "…" : "");
  const value = one[row.name];
  if (value === null || value === undefined) {
    return make("td", {}, row.name === "psnr" && one.psnr === null ? "lossless" : "-");
  }
  const others = other?.[row.name];
  const better = row.lower !== undefined && row.name !== "bpp" && row.name !== "bytes"
    && Number.isFinite(others) && row.shown(value) !== row.shown(others)
    && (row.lower ? value < others : value > others);
  return make("td", better ? { class: "better" } : {}, row.shown(value));
};
const tabulate = () => {
  const compares = $("other").value !== "";
  $("other-name").hidden = !compares;
  $("other-name").textContent = otherName();
  $("figures").tBodies[0].replaceChildren(...rows().filter((row) => row.label).map((row) => {
    const line = make("tr");
    line.append(make("th", { scope: "row" }, row.label), cell(row, files.first, files.second));
    if (compares) line.append(cell(row, files.second, files.first));
    return line;
  }));
  const warnings = Object.values(files).flatMap((file) => file?.warnings ?? []);
  $("warnings").replaceChildren(...new Set(warnings).values().map((line) => make("li", {}, line)));
};

// The results

const otherName = () => ($("other").value === "setting" ? "second" : $("other").selectedOptions[0].textContent);
const showLeft = () => {
  const isSecond = $("left").value === "second" && files.second;
  viewer.show("left", isSecond ? `file/${files.second.number}` : `original/${picture.number}`,
    `${picture.name}, ${isSecond ? otherName() : "original"}`);
  viewer.label("left", isSecond ? otherName() : "original");
};
const showMap = async () => {
  const on = pressed($("map")) && files.first;
  $("map-image").hidden = !on;
  $("map-hint").hidden = !on;
  complain("map", null);
  if (!on) return;
  const map = `difference/${files.first.number}`;
  if (await viewer.show("map", map, "visible differences")) return;
  const answer = await fetch(map);
  if (!answer.ok) complain("map", (await answer.json()).error);
};
const took = (place) => (line) => {
  if (line.file) {
    files[place] = line.file;
    if (place === "first") showFirst();
    else showLeft();
  }
  Object.assign(files[place], line.figures, line.done ? { done: true } : {});
  if (place === "first") {
    first.known = { ...files.first, size: files.first.bytes };
    for (const name in first.known) {
      if (typeof first.known[name] === "number") first.known[name] = +first.known[name].toPrecision(4);
    }
    first.known.size = files.first.bytes;
  }
  tabulate();
};
const showFirst = () => {
  const file = files.first;
  viewer.show("right", `file/${file.number}`, `${picture.name}, result`);
  viewer.label("right", "result");
  showMap();
  $("download").href = `file/${file.number}`;
  $("download").download = file.name;
  $("download").removeAttribute("aria-disabled");
  $("download").textContent = `Download ${file.name}`;
  $("command").textContent = file.command;
  $("command-box").hidden = false;
  $("copy").disabled = false;
  place();
  askSecond();
};

const askFirst = () => {
  const choice = first.choice;
  if (!picture || !choice) return;
  ask("first", "choice", { picture: picture.number, choice }, took("first")).then(askCurve);
};
const askSecond = () => {
  const other = $("other").value;
  if (!picture || !files.first || !other) return;
  const shared = { picture: picture.number };
  if (other === "setting") {
    second.bytes = files.first.bytes;
    const choice = second.choice;
    if (choice) ask("second", "choice", { ...shared, choice }, took("second"));
  } else {
    ask("second", "encoder", { ...shared, name: other, bytes: files.first.bytes }, took("second"));
  }
};
const chooseOther = () => {
  const other = $("other").value;
  end("second");
  files.second = null;
  $("second-setting").hidden = other !== "setting";
  const left = $("left").options[1];
  left.disabled = !other;
  left.textContent = other ? otherName() : "second";
  $("left").value = other ? "second" : "original";
  tabulate();
  if (picture) showLeft();
  askSecond();
};

// The curve

let curve = { key: null, points: [] };
let onDial = null;
const place = () => {
  if (!offered.dial) return;
  const file = files.first;
  onDial = draw(offered.dial, curve.points, file && file.dial !== null ? [file.dial, file.bytes] : null);
};
const askCurve = () => {
  const choice = first.choice;
  if (!$("curve-box").open || !picture || !choice || !first.model.dial) return;
  const key = JSON.stringify([picture.number, { ...choice, dial: null, target: null }]);
  if (curve.key === key) return;
  curve = { key, points: [] };
  ask("curve", "curve", { picture: picture.number, choice }, ({ point }) => {
    if (point) curve.points.push(point);
    place();
  });
};
$("curve-box").addEventListener("toggle", askCurve);
$("curve").addEventListener("click", (event) => { if (onDial) first.dial = onDial(event); });

// The pictures

const choosePicture = (one) => {
  for (const name of Object.keys(asked)) end(name);
  picture = one;
  Object.assign(files, { first: null, second: null });
  curve = { key: null, points: [] };
  for (const button of $("strip").querySelectorAll(".show")) {
    button.setAttribute("aria-pressed", button.value === String(one?.number));
  }
  for (const side of ["left", "right", "map"]) viewer.show(side, null);
  $("empty").hidden = Boolean(one);
  for (const side of ["left", "right"]) viewer.label(side, "");
  $("download").removeAttribute("href");
  $("download").setAttribute("aria-disabled", "true");
  $("download").textContent = "Download";
  $("copy").disabled = true;
  $("command-box").hidden = true;
  tabulate();
  place();
  if (!one) return;
  showLeft();
  askFirst();
};
const list = () => {
  $("strip").replaceChildren(...pictures.map((one) => {
    const item = make("li");
    const button = make("button", { type: "button", class: "show", value: one.number, title: one.name,
      "aria-pressed": one === picture });
    button.append(make("img", { src: `thumbnail/${one.number}`, alt: one.name, loading: "lazy" }));
    button.addEventListener("click", () => choosePicture(one));
    item.append(button);
    if (one.dropped) {
      const remove = make("button", { type: "button", class: "remove", "aria-label": `Remove ${one.name}` }, "×");
      remove.addEventListener("click", () => removePicture(one));
      item.append(remove);
    }
    return item;
  }));
  $("strip").hidden = !pictures.length;
};
const removePicture = (one) => {
  pictures = pictures.filter((other) => other !== one);
  post("remove", JSON.stringify({ place: page, picture: one.number }));
  list();
  if (picture === one) choosePicture(pictures[0] ?? null);
};
const add = async (chosen) => {
  const errors = [];
  let added = null;
  complain("add", null);
  for (const file of chosen) {
    say("add", `opening ${file.name}`);
    const answer = file.size > offered.most_bytes
      ? { error: `${file.name}: the file has ${grouped(file.size)} bytes; at most ${grouped(offered.most_bytes)} fit` }
      : await post(`pictures?name=${encodeURIComponent(file.name.slice(-200))}`, file);
    if (answer.error) errors.push(answer.error);
    else pictures.push(added = answer);
  }
  say("add", null);
  complain("add", errors.join("; ") || null);
  list();
  if (added) choosePicture(added);
};
const stepPicture = (by) => {
  if (pictures.length < 2) return;
  choosePicture(pictures[(pictures.indexOf(picture) + by + pictures.length) % pictures.length]);
};
$("picked").addEventListener("change", async () => {
  await add([...$("picked").files]);
  $("picked").value = "";
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  add([...event.dataTransfer.files]);
});

// The rest

$("left").addEventListener("change", () => { if (picture) showLeft(); });
$("other").addEventListener("change", chooseOther);
const toggleMap = () => {
  $("map").setAttribute("aria-pressed", !pressed($("map")));
  showMap();
};
$("map").addEventListener("click", toggleMap);
$("download").addEventListener("click", (event) => { if (!files.first) event.preventDefault(); });
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("command").textContent);
    say("copy", "copied");
  } catch {
    getSelection().selectAllChildren($("command"));
    say("copy", "selected; copy it with the keyboard");
  }
  setTimeout(() => say("copy", null), 2000);
});
const keys = {
  f: () => viewer.flip(), d: toggleMap, n: () => stepPicture(1), p: () => stepPicture(-1),
  "[": () => first.step(-1), "]": () => first.step(1), escape: () => viewer.flip(null),
  0: () => viewer.zoom(0), 1: () => viewer.zoom(1), 2: () => viewer.zoom(2), 4: () => viewer.zoom(4),
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  keys[event.key.toLowerCase()]?.();
});

const start = async () => {
  const answer = await fetch("state");
  offered = await answer.json();
  pictures = offered.pictures;
  $("other").append(...offered.encoders.map((one) => make("option", { value: one.name }, `${one.label}, equal bytes`)));
  first = new Setting($("first"), offered, false, askFirst);
  second = new Setting($("second-setting"), offered, true, askSecond);
  $("curve-box").hidden = !offered.dial;
  list();
  say("start", null);
  choosePicture(pictures[0] ?? null);
};
start().catch(() => complain("start", "the server does not answer; is it still running?"));
