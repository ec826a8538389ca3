// The part of the chosen picture that is asked about, dragged on it or typed: fractions of its sides, left, top, right
// and bottom; null is all of it. A component of Gradio's carries it to the server and back (selection.py).
const region = (() => {
  "use strict";
  const LEAST = 16; // px of the picture; less is a click
  const GRIP = { mouse: 10, pen: 16, touch: 26 }; // px of the screen around a corner
  const WHOLE = [0, 0, 1, 1];
  let chosen = null;
  let open = false; // a finger draws instead of scrolling, and the numbers are shown
  let drag = null; // from: the corner that stays, box: what is drawn so far

  const block = () => document.getElementById("picture");
  const image = () => {
    const shown = block()?.querySelector(".image-frame img");
    return shown?.naturalWidth ? shown : null;
  };
  const sizes = ({ naturalWidth: width, naturalHeight: height }) => [width, height, width, height];
  const limited = (value) => Math.min(Math.max(value, 0), 1);
  const ordered = ([x1, y1, x2, y2]) => [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
  const isWhole = (box) => box.every((side, number) => side === WHOLE[number]);

  const layer = () => document.getElementById("region-layer") ?? built();
  const built = () => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    made.id = "region-layer";
    for (const [name, value] of [["viewBox", "0 0 1 1"], ["preserveAspectRatio", "none"], ["aria-hidden", "true"]])
      made.setAttribute(name, value);
    made.innerHTML = '<path class="beside"/><path class="frame under"/><path class="frame"/><path class="corners"/>';
    made.onpointerdown = begin;
    made.onpointermove = go;
    made.onpointerup = end;
    made.onpointercancel = () => draw((drag = null));
    return block().appendChild(made);
  };

  // Over the picture itself: its box has room beside it where the shapes differ.
  const place = () => {
    const shown = image();
    if (!shown) return document.getElementById("region-layer")?.remove();
    const frame = shown.getBoundingClientRect();
    const around = block().getBoundingClientRect();
    const scale = Math.min(frame.width / shown.naturalWidth, frame.height / shown.naturalHeight);
    const [width, height] = [shown.naturalWidth * scale, shown.naturalHeight * scale];
    const left = frame.left - around.left - block().clientLeft + (frame.width - width) / 2;
    const top = frame.top - around.top - block().clientTop + (frame.height - height) / 2;
    Object.assign(layer().style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
    layer().classList.toggle("open", open);
    watched.observe(shown);
  };

  const draw = (box = drag?.box ?? chosen) => {
    if (!image()) return;
    const [x1, y1, x2, y2] = box ?? WHOLE;
    const around = `M${x1} ${y1}H${x2}V${y2}H${x1}Z`;
    const parts = layer().children;
    parts[0].setAttribute("d", box ? `M0 0H1V1H0Z${around}` : "");
    parts[1].setAttribute("d", box ? around : "");
    parts[2].setAttribute("d", box ? around : "");
    const corners = [[x1, y1], [x2, y1], [x2, y2], [x1, y2]].map(([x, y]) => `M${x} ${y}h0`);
    parts[3].setAttribute("d", box ? corners.join("") : "");
    write(box ?? WHOLE);
  };

  const write = (box) => {
    const row = document.querySelector("#region .region");
    const shown = image();
    if (!row || !shown) return;
    row.querySelector("fieldset").hidden = !open;
    row.querySelector("[data-region=whole]").hidden = !open;
    row.querySelector("[data-region=select]").setAttribute("aria-expanded", open);
    row.querySelectorAll("[data-side]").forEach((field, side) => {
      field.max = sizes(shown)[side];
      if (field !== document.activeElement || drag) field.value = Math.round(box[side] * sizes(shown)[side]);
    });
  };

  const point = (event) => {
    const frame = layer().getBoundingClientRect();
    return [limited((event.clientX - frame.left) / frame.width), limited((event.clientY - frame.top) / frame.height)];
  };

  // The corner opposite to the one that is taken hold of, else where the pointer is.
  const anchor = (event) => {
    const frame = layer().getBoundingClientRect();
    const [x, y] = point(event);
    if (!chosen) return [x, y];
    const [x1, y1, x2, y2] = chosen;
    for (const [one, other] of [[[x1, y1], [x2, y2]], [[x2, y1], [x1, y2]], [[x2, y2], [x1, y1]], [[x1, y2], [x2, y1]]])
      if (Math.hypot((one[0] - x) * frame.width, (one[1] - y) * frame.height) < GRIP[event.pointerType]) return other;
    return [x, y];
  };

  const begin = (event) => {
    if (event.button || (event.pointerType === "touch" && !open)) return;
    drag = { from: anchor(event), box: null };
    event.currentTarget.setPointerCapture(event.pointerId);
    event.preventDefault();
  };
  const go = (event) => {
    if (!drag) return;
    drag.box = ordered([...drag.from, ...point(event)]);
    draw();
  };
  const end = () => {
    const box = drag?.box;
    drag = null;
    const [width, height] = sizes(image());
    if (box && (box[2] - box[0]) * width >= LEAST && (box[3] - box[1]) * height >= LEAST) choose(box);
    else draw();
  };

  const choose = (box) => {
    chosen = box && !isWhole(box) ? box : null;
    open = Boolean(box);
    place();
    draw();
    document.getElementById("region-chosen").click();
  };

  const typed = () => {
    const fields = [...document.querySelectorAll("#region [data-side]")];
    const sides = fields.map((field, side) => limited(Number(field.value) / sizes(image())[side]));
    if (fields.some((field) => field.value === "")) draw();
    else choose(ordered(sides));
  };

  document.addEventListener("change", (event) => event.target.matches?.("#region [data-side]") && typed());
  document.addEventListener("focusout", (event) => event.target.matches?.("#region [data-side]") && draw());
  document.addEventListener("click", (event) => {
    const wanted = event.target.closest?.("[data-region]")?.dataset.region;
    if (wanted === "whole") {
      choose(null);
      document.querySelector("[data-region=select]").focus();
    } else if (wanted === "select") {
      open = true;
      place();
      draw();
      document.querySelector("#region [data-side]").focus({ preventScroll: true });
    }
  });

  // Pictures come, go and change their size with the page. On another one nothing is selected, but what the server
  // told of it: an earlier conversation brings its picture and its part in one go, in either order.
  const watched = new ResizeObserver(() => place());
  let told = null;
  let source = "";
  const look = () => {
    const shown = image();
    if ((shown?.src ?? "") === source) return;
    source = shown?.src ?? "";
    take(told);
  };
  const take = (value) => {
    chosen = value;
    open = Boolean(value);
    place();
    draw();
  };
  const show = (value) => take((told = value));
  const picked = () => {
    const stale = told && chosen === told;
    told = null;
    if (stale) take(null);
    return chosen;
  };
  document.addEventListener("load", look, true); // an image tells its size only now
  new MutationObserver(look).observe(document.documentElement, { subtree: true, childList: true });

  return { value: () => chosen, show, picked };
})();
