// A setting: the fields of a form, and the choice that they stand for.

const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });

export class Setting {
  // box: the element that gets the fields; offered: the server's; equal: whether it may be at the
  // bytes of another file, whose number `bytes` is; changed: function (), called after any change.
  constructor(box, offered, equal, changed) {
    box.append(document.getElementById("setting").content.cloneNode(true));
    this.offered = offered;
    this.equal = equal;
    this.bytes = null;
    this.field = (name) => box.querySelector(`[name="${name}"]`);
    this.box = box;
    this.field("model").append(...offered.models.map((model) => option(model.name, model.name)));
    const trained = option("", "default"); // of the model
    this.field("sampling").append(trained, ...offered.samplings.map((name) => option(name, name)));
    this.field("tune").append(trained.cloneNode(true), ...offered.tunes.map((name) => option(name, name)));
    box.querySelector(".refine").hidden = !offered.refine;
    if (offered.dial) {
      const [name, low, high, start] = offered.dial;
      box.querySelector(".dial span").textContent = name;
      for (const each of ["range", "dial"]) {
        Object.assign(this.field(each), { min: low, max: high, value: start });
        this.field(each).setAttribute("aria-label", each === "range" ? name : `${name}, as a number`);
      }
    }
    this.fill();
    box.addEventListener("input", (event) => {
      const { name, value } = event.target;
      if (name === "range") this.field("dial").value = value;
      if (name === "dial") this.field("range").value = value;
      if (name === "model") this.fill();
      if (name === "by") this.arrange(true);
      if (name) changed();
    });
    box.addEventListener("submit", (event) => event.preventDefault());
  }

  get model() { return this.offered.models.find((model) => model.name === this.field("model").value); }

  fill() {
    const by = this.field("by");
    const before = by.value;
    const ways = [];
    if (this.equal && this.model.target) ways.push(option("equal", "equal bytes"));
    ways.push(this.model.dial ? option("dial", this.offered.dial[0]) : option("", "a single rate"));
    if (this.model.target) {
      ways.push(...this.offered.targets.map(({ kind, label }) => option(kind, `a target: ${label}`)));
    }
    by.replaceChildren(...ways);
    if (ways.some((way) => way.value === before)) by.value = before;
    this.arrange(false);
  }

  get target() { return this.offered.targets.find(({ kind }) => kind === this.field("by").value); }

  arrange(afresh) {
    const target = this.target;
    this.box.querySelector(".dial").hidden = this.field("by").value !== "dial";
    this.box.querySelector(".target").hidden = !target;
    if (!target) return;
    this.box.querySelector(".target span").textContent = `${target.label}, at ${target.least ? "least" : "most"}`;
    // What the file before has, for a start.
    if (afresh) this.field("value").value = this.known?.[target.kind] ?? "";
  }

  // Moves the dial by some steps.
  step(by) {
    const field = this.field("dial");
    const [, low, high] = this.offered.dial ?? [];
    if (this.field("by").value !== "dial") return;
    field.value = Math.max(low, Math.min(high, Number(field.value) + by));
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  set dial(value) {
    this.field("by").value = "dial";
    this.arrange(false);
    this.field("dial").value = value;
    this.field("dial").dispatchEvent(new Event("input", { bubbles: true }));
  }

  // The choice, or null where a number is missing still.
  get choice() {
    const by = this.field("by").value;
    const number = (name) => (this.field(name).value === "" ? null : Number(this.field(name).value));
    const target = by === "equal" ? ["size", this.bytes] : this.target ? [by, number("value")] : null;
    const dial = by === "dial" ? number("dial") : null;
    if ((target && !target[1]) || (by === "dial" && dial === null)) return null;
    return {
      model: this.model.name, dial, target, sampling: this.field("sampling").value || null,
      tune: this.field("tune").value || null, refine: number("refine") || 0,
    };
  }
}
