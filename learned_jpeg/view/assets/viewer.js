// Two pictures under one border, which scroll and grow together.

const $ = (id) => document.getElementById(id);
const stage = $("stage");
const canvas = $("canvas");
const divider = $("divider");
const state = { zoom: 0, place: 50, flip: null, width: 0, height: 0 };

// An image that is there to be shown, or null where it cannot be.
const loaded = async (id, src, alt) => {
  const image = new Image();
  Object.assign(image, { id, src, alt, draggable: false });
  try {
    await image.decode();
    return image;
  } catch {
    return null;
  }
};

const newest = {};
// Shows an image in place of another one, which stays until the new one is there; tells whether it
// could be loaded.
export const show = async (side, src, alt) => {
  const id = `${side}-image`;
  newest[side] = src;
  if (!src) {
    $(id).removeAttribute("src");
    return true;
  }
  const image = await loaded(id, src, alt);
  if (!image || newest[side] !== src) return Boolean(image);
  image.hidden = $(id).hidden;
  $(id).replaceWith(image);
  if (side !== "map" && (image.naturalWidth !== state.width || image.naturalHeight !== state.height)) {
    Object.assign(state, { width: image.naturalWidth, height: image.naturalHeight });
    scale();
  }
  clip();
  return true;
};

export const label = (side, text) => { $(`${side}-side`).textContent = text; };

// The part of the right picture that is seen: what is right of the border, wherever one scrolls.
const clip = () => {
  const border = stage.getBoundingClientRect().left + (state.place / 100) * stage.clientWidth;
  const inside = Math.round(border - canvas.getBoundingClientRect().left);
  const hidden = { left: "100%", right: "0px" }[state.flip] ?? `${Math.max(0, inside)}px`;
  for (const side of ["right", "map"]) $(`${side}-image`).style.clipPath = `inset(0 0 0 ${hidden})`;
  divider.style.left = `${(state.place / 100) * stage.clientWidth}px`;
  divider.hidden = state.flip !== null;
  $("left-side").hidden = state.flip === "right";
  $("right-side").hidden = state.flip === "left";
};

const place = (percent) => {
  state.place = Math.max(0, Math.min(100, percent));
  divider.setAttribute("aria-valuenow", Math.round(state.place));
  clip();
};

// At 100% a pixel of the picture is one of the screen.
const scale = () => {
  const room = [stage.clientWidth / state.width, stage.clientHeight / state.height];
  const factor = state.zoom ? state.zoom / devicePixelRatio : Math.min(1 / devicePixelRatio, ...room);
  canvas.style.width = `${state.width * factor}px`;
  canvas.style.height = `${state.height * factor}px`;
  canvas.classList.toggle("reduced", factor * devicePixelRatio < 1);
  clip();
};

export const zoom = (value) => {
  const centre = [
    (stage.scrollLeft + stage.clientWidth / 2) / stage.scrollWidth,
    (stage.scrollTop + stage.clientHeight / 2) / stage.scrollHeight,
  ];
  state.zoom = value;
  for (const button of $("zooms").children) {
    button.setAttribute("aria-pressed", Number(button.value) === value);
  }
  scale();
  stage.scrollTo(centre[0] * stage.scrollWidth - stage.clientWidth / 2,
    centre[1] * stage.scrollHeight - stage.clientHeight / 2);
};

export const flip = (side = state.flip === "right" ? "left" : "right") => {
  state.flip = side;
  $("flip").setAttribute("aria-pressed", side !== null);
  clip();
};

// Dragging: the border anywhere, the picture by a mouse; a finger scrolls by itself.

const moveTo = (event) => {
  const box = stage.getBoundingClientRect();
  place((100 * (event.clientX - box.left)) / stage.clientWidth);
};
divider.addEventListener("pointerdown", (event) => {
  divider.setPointerCapture(event.pointerId);
  divider.focus({ preventScroll: true });
  event.preventDefault();
});
divider.addEventListener("pointermove", (event) => {
  if (divider.hasPointerCapture(event.pointerId)) moveTo(event);
});
divider.addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10,
    Home: -100, End: 100 };
  if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
  place(state.place + steps[event.key] * (event.shiftKey ? 10 : 1));
  event.preventDefault();
});
canvas.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  canvas.classList.add("held");
});
canvas.addEventListener("pointermove", (event) => {
  if (canvas.hasPointerCapture(event.pointerId)) stage.scrollBy(-event.movementX, -event.movementY);
});
canvas.addEventListener("lostpointercapture", () => canvas.classList.remove("held"));
stage.addEventListener("scroll", clip, { passive: true });
new ResizeObserver(() => { if (state.width) scale(); }).observe(stage);
$("zooms").addEventListener("click", (event) => { if (event.target.value) zoom(Number(event.target.value)); });
$("flip").addEventListener("click", () => flip(state.flip === null ? "right" : null));
$("left").addEventListener("change", () => { if (state.flip === "right") flip("left"); });
place(50);
