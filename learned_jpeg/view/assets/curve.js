// The curve of bytes against quality, with the place of the file that is shown.

const box = document.getElementById("curve");
const [left, right, top, bottom] = [52, 330, 10, 172];
const make = (tag, attributes, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
};
const short = (bytes) => (bytes >= 1e6 ? `${+(bytes / 1e6).toPrecision(2)} MB` : `${+(bytes / 1e3).toPrecision(2)} kB`);

// dial: [name, low, high]; points: [[value, bytes]]; here: such a point, or null.
export const draw = ([name, low, high], points, here) => {
  const all = here ? [...points, here] : points;
  if (!all.length) {
    box.replaceChildren();
    return;
  }
  const bytes = all.map((point) => Math.log(point[1]));
  const [least, most] = [Math.min(...bytes) - 0.1, Math.max(...bytes) + 0.1];
  const x = (value) => left + ((value - low) / (high - low)) * (right - left);
  const y = (value) => bottom - ((Math.log(value) - least) / (most - least)) * (bottom - top);
  const sorted = [...points].sort((a, b) => a[0] - b[0]);
  const parts = [
    make("line", { x1: left, x2: right, y1: bottom, y2: bottom }),
    make("line", { x1: left, x2: left, y1: top, y2: bottom }),
    make("text", { x: (left + right) / 2, y: 196, "text-anchor": "middle" }, name),
  ];
  for (const value of [low, (low + high) / 2, high].map(Math.round)) {
    parts.push(make("text", { x: x(value), y: 185, "text-anchor": "middle" }, value));
  }
  for (const value of [0.02, 0.5, 0.98].map((part) => Math.exp(least + part * (most - least)))) {
    parts.push(make("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  if (sorted.length) {
    parts.push(make("path", { d: `M${sorted.map((point) => `${x(point[0])},${y(point[1])}`).join("L")}` }));
    parts.push(...sorted.map((point) => make("circle", { class: "dot", cx: x(point[0]), cy: y(point[1]), r: 2.5 })));
  }
  if (here) parts.push(make("circle", { class: "here", cx: x(here[0]), cy: y(here[1]), r: 6 }));
  box.replaceChildren(...parts);
  const said = sorted.map((point) => `${point[0]}: ${short(point[1])}`).join(", ");
  box.setAttribute("aria-label", `Bytes against ${name}. ${said}${here ? `. Now ${+here[0].toPrecision(4)}: ${short(here[1])}` : ""}`);
  // Where a click is on the dial.
  box.onclick = null;
  return (event) => {
    const rect = box.getBoundingClientRect();
    const at = ((event.clientX - rect.left) / rect.width) * 340;
    return Math.round(Math.max(low, Math.min(high, low + ((at - left) / (right - left)) * (high - low))));
  };
};
