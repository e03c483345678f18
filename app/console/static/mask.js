// A bank's mask, drawn over a photograph with shapes.js. Shapes are kept as a list, and drawing them anew without the
// last one is undo. Points are in pixels of the canvas.
(() => {
  const { last, apart, canvas, wipe, outline, paint, left, png, take } = window.nominal.shapes;
  const LONG = 1024, SAME = 0.03, NEAR = 10, STEP = 0.01, FAR = 0.05;
  const state = { kind: "ignore", tool: "rectangle", draft: null, at: null, share: 1 };
  const shapes = [], undone = [];
  let root, words, revision, mask, shown, guide, kept, base, saved, failed;
  const find = (name) => root.querySelector(name);
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
    [shown, guide, kept, base] = [...root.querySelectorAll("canvas"), canvas(1, 1), canvas(1, 1)];
    const scale = LONG / Math.max(root.dataset.width, root.dataset.height);
    const [width, height] = [root.dataset.width, root.dataset.height].map((side) => Math.max(1, Math.round(side * scale)));
    for (const each of [shown, guide, kept, base]) Object.assign(each, { width, height });
    for (const each of [kept, base]) each.getContext("2d", { willReadFrequently: true });
    if (mask) await load();
    redraw();
  }
  async function load() {
    const answer = await fetch(`${root.dataset.url}/picture`, { cache: "no-store" });
    if (!answer.ok) return fault((await answer.json()).detail);
    const picture = await createImageBitmap(await answer.blob());
    if (Math.abs(picture.height * base.width - picture.width * base.height) > SAME * picture.width * base.width) {
      const [mask, photo] = [[picture.width, picture.height], [root.dataset.width, root.dataset.height]].map((each) => each.join(" × "));
      return fault(words.aspect.replace("{mask}", mask).replace("{photo}", photo));
    }
    take(base.getContext("2d"), picture);
  }

  // Shapes

  function redraw() {
    const pen = kept.getContext("2d");
    wipe(pen);
    pen.drawImage(base, 0, 0);
    for (const shape of shapes) paint(pen, shape);
    measure();
  }
  function measure() {
    state.share = left(kept).reduce((sum, value) => sum + value / 255, 0) / (kept.width * kept.height);
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
    wipe(pen);
    pen.drawImage(kept, 0, 0);
    if (state.draft) paint(pen, state.draft);
    lines();
    report();
  }
  function lines() { // outlines, the brush, the cross of the keys
    const pen = guide.getContext("2d"), unit = pixel(), { draft, at } = state, path = new Path2D();
    wipe(pen);
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
    const points = state.draft.points.slice(0, -1); // the last one follows the pointer
    if (points.length > 2) add({ ...state.draft, points });
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
    if (undone.length && !state.draft) shapes.push(undone.pop());
    redraw();
  }
  const acts = { undo, redo, clear: () => add({ tool: "clear" }) };

  // Saving

  async function send(method, match) {
    state.draft = null;
    const drawn = last(shapes), body = method === "PUT" ? await png(kept) : null;
    fault("");
    write(".n-mask-state", words.saving);
    const answer = await fetch(root.dataset.url, { method, body, headers: { "If-Match": match, "Content-Type": "image/png" } }).catch(() => null);
    if (answer?.ok) {
      saved = drawn;
      if (method === "DELETE") return window.location.reload();
      mask = await answer.json();
      revision = answer.headers.get("ETag");
    } else if (answer?.status === 412) fault(words.stale, method);
    else fault(answer ? (await answer.json()).detail : words.lost);
    show();
  }
  window.nominal.mask = { save: () => send("PUT", revision), remove: () => send("DELETE", revision), anyway: () => send(failed, "*") };

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
  document.addEventListener("pointercancel", (event) => over(event) && state.draft && state.tool !== "polygon" && give());
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
    const command = event.ctrlKey || event.metaKey;
    if (command && (key === "y" || (key === "z" && event.shiftKey))) redo();
    else if (command && key === "z") undo();
    else if (command || event.altKey || !keyed(event, key)) return;
    event.preventDefault();
  });
  function keyed(event, key) {
    if (key === "Escape" && state.draft) give();
    else if (!over(event)) return false;
    else if (key === "Enter" && state.draft?.tool === "polygon") close();
    else if (key === " ") pen();
    else if (key.startsWith("Arrow")) cross(key, event.shiftKey ? FAR : STEP);
    else return false;
    lines();
    return true;
  }
  const middle = () => ({ x: guide.width / 2, y: guide.height / 2, key: true });
  function pen() {
    state.at ??= middle();
    if (state.draft && state.tool !== "polygon") release();
    else press(state.at);
  }
  function cross(key, step) {
    const at = state.at ?? middle();
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    const within = (value, most) => Math.min(Math.max(value, 0), most);
    state.at = { x: within(at.x + x * step * LONG, guide.width), y: within(at.y + y * step * LONG, guide.height), key: true };
    move(state.at);
  }
  window.addEventListener("beforeunload", (event) => root && dirty() && event.preventDefault());
  new MutationObserver((_, watch) => {
    const found = document.querySelector(".n-mask-side")?.closest(".n-mask");
    if (!found) return;
    watch.disconnect();
    begin(found);
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
