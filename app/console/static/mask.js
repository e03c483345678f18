// A bank's mask, drawn over a photograph: what is left out is opaque in a canvas. Shapes are kept as a list, and
// drawing them anew without the last one is undo. Points are in pixels of the canvas.
(() => {
  const LONG = 1024, HALF = 128, NEAR = 10, STEP = 0.01, FAR = 0.05;
  const state = { kind: "ignore", tool: "rectangle", draft: null, at: null, share: 1 };
  const shapes = [], undone = [];
  let root, words, revision, mask, shown, guide, kept, base, saved, failed;
  const find = (name) => root.querySelector(name);
  const last = (list) => list[list.length - 1];
  const apart = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
  const percent = (share) => `${Number((100 * share).toPrecision(3))}\u00a0%`;
  const dirty = () => last(shapes) !== saved || Boolean(state.draft);
  const pixel = () => guide.width / guide.clientWidth; // of the canvas, for one of the window
  const draws = () => find("[data-tool]") !== null; // who may only look has no tools
  const write = (name, text) => { find(name).textContent = text; };

  async function begin(found) {
    root = found;
    words = JSON.parse(root.dataset.words);
    revision = `"${root.dataset.revision}"`;
    mask = root.dataset.mask ? JSON.parse(root.dataset.mask) : null;
    [shown, guide] = root.querySelectorAll("canvas");
    [kept, base] = [0, 1].map(() => document.createElement("canvas"));
    const { width, height } = root.dataset, scale = LONG / Math.max(width, height);
    for (const each of [shown, guide, kept, base]) {
      each.width = Math.max(1, Math.round(width * scale));
      each.height = Math.max(1, Math.round(height * scale));
      each.getContext("2d", { willReadFrequently: each !== shown && each !== guide });
    }
    if (mask) await load();
    redraw();
  }
  async function load() {
    const answer = await fetch(`${root.dataset.url}/picture`, { cache: "no-store" });
    if (!answer.ok) return fault((await answer.json()).detail);
    const pen = base.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(await createImageBitmap(await answer.blob()), 0, 0, base.width, base.height);
    const pixels = pen.getImageData(0, 0, base.width, base.height);
    for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i] < HALF ? 255 : 0;
    pen.putImageData(pixels, 0, 0);
    pen.globalCompositeOperation = "source-in";
    fill(pen);
  }

  // Shapes

  function stripes(pen) {
    const tile = document.createElement("canvas"), ink = tile.getContext("2d");
    tile.width = tile.height = 24;
    ink.fillStyle = "#0b1216";
    ink.fillRect(0, 0, 24, 24);
    ink.strokeStyle = "#4d6a76";
    ink.lineWidth = 4;
    for (const x of [-24, 0, 24]) ink.stroke(new Path2D(`M${x - 6} 30L${x + 30} -6`));
    return pen.createPattern(tile, "repeat");
  }
  function fill(pen) {
    pen.fillStyle = stripes(pen);
    pen.fillRect(0, 0, base.width, base.height);
  }
  function outline({ tool, points }) {
    const [from, to] = [points[0], last(points)], path = new Path2D();
    if (tool === "rectangle") path.rect(Math.min(from.x, to.x), Math.min(from.y, to.y), Math.abs(to.x - from.x), Math.abs(to.y - from.y));
    else if (tool === "circle") path.arc(from.x, from.y, apart(from, to), 0, 2 * Math.PI);
    else for (const { x, y } of [from, ...points]) path.lineTo(x, y);
    return path;
  }
  function paint(pen, shape) {
    if (shape.tool === "clear") return pen.clearRect(0, 0, base.width, base.height);
    if (shape.only) fill(pen);
    pen.globalCompositeOperation = shape.inspect ? "destination-out" : "source-over";
    pen.fillStyle = pen.strokeStyle = stripes(pen);
    Object.assign(pen, { lineWidth: shape.size, lineCap: "round", lineJoin: "round" });
    if (shape.size) pen.stroke(outline(shape));
    else pen.fill(outline(shape));
    pen.globalCompositeOperation = "source-over";
  }
  function left() {
    const { data } = kept.getContext("2d").getImageData(0, 0, kept.width, kept.height);
    return Uint8Array.from({ length: data.length / 4 }, (_, i) => (data[4 * i + 3] < HALF ? 255 : 0));
  }
  function redraw() {
    const pen = kept.getContext("2d");
    pen.clearRect(0, 0, kept.width, kept.height);
    pen.drawImage(base, 0, 0);
    for (const shape of shapes) paint(pen, shape);
    measure();
  }
  function measure() {
    const bright = left();
    state.share = bright.reduce((sum, value) => sum + value, 0) / 255 / bright.length;
    show();
  }
  function add(shape) {
    state.draft = null;
    shapes.push(shape);
    undone.length = 0;
    paint(kept.getContext("2d"), shape);
    measure();
  }

  // What is seen

  function show() {
    const pen = shown.getContext("2d");
    pen.clearRect(0, 0, shown.width, shown.height);
    pen.drawImage(kept, 0, 0);
    if (state.draft) paint(pen, state.draft);
    lines();
    report();
  }
  function lines() {
    const pen = guide.getContext("2d"), unit = pixel(), { draft, at } = state, path = new Path2D();
    pen.clearRect(0, 0, guide.width, guide.height);
    if (draft && !draft.size) path.addPath(outline(draft));
    if (draft?.tool === "polygon") for (const { x, y } of draft.points.slice(0, -1)) path.rect(x - 3 * unit, y - 3 * unit, 6 * unit, 6 * unit);
    if (at && brushing()) path.addPath(new Path2D(arc(at, size() / 2)));
    else if (at?.key) path.addPath(new Path2D(`M${at.x - 9 * unit} ${at.y}h${18 * unit}M${at.x} ${at.y - 9 * unit}v${18 * unit}`));
    for (const [colour, width] of [["rgb(0 0 0 / 60%)", 4], ["#00e5ff", 2]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width * unit;
      pen.stroke(path);
    }
  }
  const arc = ({ x, y }, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
  function report() {
    write(".n-mask-share", percent(state.share));
    const counted = mask && !dirty();
    write(".n-mask-patches", counted ? words.patches.replace("{some}", mask.inspected_patches).replace("{all}", mask.patches) : "–");
    write(".n-mask-state", dirty() ? words.drawn : mask ? words.saved : words.everything);
    root.toggleAttribute("data-has", Boolean(mask));
    if (!draws()) return;
    for (const name of ["tool", "kind"]) for (const each of root.querySelectorAll(`[data-${name}]`)) each.setAttribute("aria-pressed", each.dataset[name] === state[name]);
    write(".n-mask-hint", words.hints[state.tool]);
    find(".n-mask-size").classList.toggle("n-mask-off", !brushing());
    find("[data-do=undo]").disabled = !shapes.length && !state.draft;
    find("[data-do=redo]").disabled = !undone.length;
    find("[data-do=clear]").disabled = state.share === 1;
  }
  function fault(text, again = null) {
    failed = again;
    write(".n-mask-why", text);
    root.toggleAttribute("data-stale", Boolean(again));
  }

  // Drawing

  const brushing = () => state.tool === "brush" || state.tool === "eraser";
  const size = () => (brushing() ? (find(".n-range").value / 100) * LONG : 0);
  function press(point) {
    const points = state.draft?.points;
    if (points && state.tool === "polygon") {
      const near = (other) => apart(point, other) < NEAR * pixel();
      if (near(points[points.length - 2]) || (points.length > 3 && near(points[0]))) return close();
      points.push({ ...point });
    } else {
      const inspect = (state.kind === "inspect") !== (state.tool === "eraser");
      const only = inspect && state.tool !== "eraser" && state.share === 1; // the first to inspect leaves out the rest
      state.draft = { tool: state.tool, inspect, only, size: size(), points: [{ ...point }, { ...point }] };
    }
    show();
  }
  function move(point) {
    const points = state.draft?.points;
    if (points && state.draft.size) points.push({ ...point });
    else if (points) points[points.length - 1] = { ...point };
    if (points) show();
    else lines();
  }
  function release() {
    const { draft } = state;
    if (!draft || draft.tool === "polygon") return;
    if (draft.size || apart(draft.points[0], last(draft.points)) > 3 * pixel()) add(draft);
    else give();
  }
  function close() {
    const { draft } = state;
    const points = draft.points.slice(0, -1); // the last one follows the pointer
    if (points.length > 2) add({ ...draft, points });
  }
  function give() {
    state.draft = null;
    show();
  }
  function undo() {
    const { draft } = state;
    if (draft?.tool === "polygon" && draft.points.length > 2) draft.points.splice(-2, 1);
    else if (draft) state.draft = null;
    else if (shapes.length) undone.push(shapes.pop());
    redraw();
  }
  function redo() {
    if (state.draft || !undone.length) return;
    shapes.push(undone.pop());
    redraw();
  }
  const acts = { undo, redo, clear: () => add({ tool: "clear" }) };

  // Saving

  function png() {
    const made = document.createElement("canvas"), pen = made.getContext("2d"), bright = left();
    Object.assign(made, { width: kept.width, height: kept.height });
    const pixels = pen.createImageData(made.width, made.height);
    bright.forEach((value, i) => pixels.data.set([value, value, value, 255], 4 * i));
    pen.putImageData(pixels, 0, 0);
    return new Promise((give) => made.toBlob(give, "image/png"));
  }
  async function send(method, match) {
    state.draft = null;
    const drawn = last(shapes), body = method === "PUT" ? await png() : null;
    fault("");
    write(".n-mask-state", words.saving);
    const answer = await fetch(root.dataset.url, { method, body, headers: { "If-Match": match, "Content-Type": "image/png" } }).catch(() => null);
    if (answer?.ok) {
      saved = drawn;
      if (method === "DELETE") return leave();
      mask = await answer.json();
      revision = answer.headers.get("ETag");
    } else if (answer?.status === 412) fault(words.stale, method);
    else fault(answer ? (await answer.json()).detail : words.lost);
    show();
  }
  function leave() {
    saved = last(shapes);
    window.location.reload();
  }
  window.nominal.mask = {
    save: () => send("PUT", revision),
    remove: () => send("DELETE", revision),
    anyway: () => send(failed, "*"),
  };

  // What people do

  function place(event) {
    const box = guide.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * guide.width, y: ((event.clientY - box.top) / box.height) * guide.height };
  }
  const over = (event, what = ".n-mask-frame") => root && draws() && event.target.closest?.(what);
  document.addEventListener("pointerdown", (event) => {
    if (!over(event, ".n-frames") || event.button || !event.isPrimary) return; // also from beside the photograph
    const frame = find(".n-mask-frame");
    event.preventDefault();
    frame.focus({ preventScroll: true });
    frame.setPointerCapture(event.pointerId);
    press((state.at = place(event)));
  });
  document.addEventListener("pointermove", (event) => {
    if (!over(event) || !event.isPrimary) return;
    state.at = place(event);
    for (const each of event.getCoalescedEvents?.() ?? []) if (state.draft?.size) state.draft.points.push(place(each));
    move(state.at);
  });
  document.addEventListener("pointerup", (event) => over(event) && event.isPrimary && release());
  document.addEventListener("pointercancel", (event) => over(event) && state.draft?.size && give());
  document.addEventListener("pointerout", (event) => {
    if (!over(event) || state.draft) return;
    state.at = null;
    lines();
  });
  document.addEventListener("click", (event) => {
    const button = root && event.target.closest?.("[data-tool], [data-kind], [data-do]");
    if (!button) return;
    const { tool, kind } = button.dataset;
    if (tool || kind) Object.assign(state, { draft: null }, tool ? { tool } : { kind });
    else acts[button.dataset.do]();
    show();
  });
  document.addEventListener("keydown", (event) => {
    if (!root || !draws() || document.querySelector(".q-dialog")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
      if (key === "y" || event.shiftKey) redo();
      else undo();
    } else if (event.ctrlKey || event.metaKey || event.altKey || !keyed(event, key)) return;
    event.preventDefault();
  });
  function keyed(event, key) {
    const by = { "[": -1, "]": 1 }[key];
    if (by && brushing()) find(".n-range").value = Number(find(".n-range").value) + by;
    else if (key === "Escape" && state.draft) give();
    else if (!over(event)) return false;
    else if (key === "Enter" && state.draft?.tool === "polygon") close();
    else if (key === " ") pen();
    else if (key.startsWith("Arrow")) cross(key, event.shiftKey ? FAR : STEP);
    else return false;
    lines();
    return true;
  }
  function pen() {
    state.at ??= { x: guide.width / 2, y: guide.height / 2 };
    state.at.key = true;
    if (state.draft && state.tool !== "polygon") release();
    else press(state.at);
  }
  function cross(key, step) {
    const at = state.at ?? { x: guide.width / 2, y: guide.height / 2 };
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    const within = (value, most) => Math.min(Math.max(value, 0), most);
    state.at = { x: within(at.x + x * step * LONG, guide.width), y: within(at.y + y * step * LONG, guide.height), key: true };
    move(state.at);
  }
  window.addEventListener("beforeunload", (event) => root && dirty() && event.preventDefault());
  window.addEventListener("resize", () => root && lines());
  new MutationObserver((_, watch) => {
    const found = document.querySelector(".n-mask-side")?.closest(".n-mask");
    if (!found) return;
    watch.disconnect();
    begin(found);
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
