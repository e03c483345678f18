// Pictures: mode, opacity and regions, kept from picture to picture; zoom, pan, values; what cannot be shown says why.
(() => {
  const MOST = 32, STEP = 1.4;
  const root = document.documentElement;
  const stored = (name, otherwise) => sessionStorage.getItem(`nominal.${name}`) ?? otherwise;
  const state = { mode: stored("mode", "overlay"), opacity: stored("opacity", "85"), boxes: stored("boxes", "true"), outlines: stored("outlines", "true") };
  const views = new WeakMap(); // of each viewer: zoom, x and y of the picture's corner in parts of the frame
  const pointers = new Map();
  const typing = (target) => target.closest?.("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]");
  const frameOf = (target) => target.closest?.(".n-frame");
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  // Mode, opacity, regions

  function apply() {
    root.dataset.viewMode = state.mode;
    root.dataset.viewBoxes = state.boxes;
    root.dataset.viewOutlines = state.outlines;
    root.style.setProperty("--n-opacity", state.opacity / 100);
    for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", button.dataset.mode === state.mode);
    for (const range of document.querySelectorAll(".n-range")) range.value = state.opacity;
    for (const name of ["boxes", "outlines"]) {
      for (const box of document.querySelectorAll(`.n-${name}`)) box.checked = state[name] === "true";
    }
  }
  function set(name, value) {
    state[name] = value;
    sessionStorage.setItem(`nominal.${name}`, value);
    apply();
  }
  function mark(target, on) {
    const region = target.closest?.("[data-region]");
    const answer = region?.closest(".n-inspection");
    if (!answer) return;
    for (const each of answer.querySelectorAll(`[data-region="${region.dataset.region}"]`)) each.classList.toggle("n-marked", on);
  }
  async function explain(image) {
    const fault = image.closest(".n-frame, .n-crop-stage")?.querySelector(".n-picture-fault");
    if (!fault || !image.getAttribute("src")) return;
    image.classList.add("n-broken");
    try {
      const answer = await fetch(image.src);
      if (answer.redirected) return window.location.reload(); // to sign in
      if (answer.ok) return image.classList.remove("n-broken");
      fault.textContent = (await answer.json()).detail;
    } catch {
      fault.textContent = document.querySelector("meta[name=nominal-lost]").content;
    }
  }

  // Zoom and pan

  const viewOf = (viewer) => views.get(viewer) ?? { zoom: 1, x: 0, y: 0 };
  const last = () => [...document.querySelectorAll(".n-viewer")].pop(); // a dialog's comes after the page's
  function within(frame, event) {
    const box = frame.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }
  function show(viewer, zoom, x, y) {
    zoom = clamp(zoom, 1, MOST);
    const view = { zoom, x: clamp(x, 1 - zoom, 0), y: clamp(y, 1 - zoom, 0) };
    views.set(viewer, view);
    viewer.style.setProperty("--zoom", zoom);
    viewer.style.setProperty("--dx", `${100 * view.x}%`);
    viewer.style.setProperty("--dy", `${100 * view.y}%`);
    viewer.classList.toggle("n-zoomed", zoom > 1);
    viewer.classList.toggle("n-pixels", zoom > 6);
    viewer.querySelector(".n-zoom-level").textContent = `${Math.round(100 * zoom)}\u00a0%`;
    if (zoom > 1.5) for (const image of viewer.querySelectorAll("[data-full]")) {
      image.src = image.dataset.full; // all of its pixels, once one looks closely
      image.removeAttribute("data-full");
    }
  }
  function zoomBy(viewer, factor, at = { x: 0.5, y: 0.5 }) {
    const view = viewOf(viewer);
    const zoom = clamp(view.zoom * factor, 1, MOST);
    show(viewer, zoom, at.x - (at.x - view.x) / view.zoom * zoom, at.y - (at.y - view.y) / view.zoom * zoom);
  }
  function panBy(viewer, x, y) {
    const view = viewOf(viewer);
    show(viewer, view.zoom, view.x + x, view.y + y);
  }
  function enlarge(viewer) {
    const full = viewer.classList.toggle("n-full");
    viewer.querySelector("[data-enlarge]").setAttribute("aria-pressed", full);
    if (full) viewer.requestFullscreen?.().catch(() => {}); // where that is forbidden the window is filled
    else if (document.fullscreenElement) document.exitFullscreen();
  }
  function act(viewer, name) {
    if (name === "in") zoomBy(viewer, STEP);
    if (name === "out") zoomBy(viewer, 1 / STEP);
    if (name === "fit") show(viewer, 1, 0, 0);
  }

  // Values

  async function values(viewer) {
    if (!viewer.dataset.values) return null;
    viewer.loading ??= fetch(viewer.dataset.values).then(async (answer) => (answer.ok ? npy(await answer.arrayBuffer()) : null));
    return viewer.loading;
  }
  function npy(buffer) {
    const length = new DataView(buffer).getUint16(8, true);
    const head = new TextDecoder().decode(new Uint8Array(buffer, 10, length));
    const [rows, columns] = head.match(/'shape': \((\d+), (\d+)\)/).slice(1).map(Number);
    return { rows, columns, data: new Float32Array(buffer.slice(10 + length)) };
  }
  async function read(frame, event) {
    const viewer = frame.closest(".n-viewer"), out = viewer.querySelector(".n-readout");
    const view = viewOf(viewer), at = within(frame, event);
    const place = { x: (at.x - view.x) / view.zoom, y: (at.y - view.y) / view.zoom };
    if (place.x < 0 || place.x >= 1 || place.y < 0 || place.y >= 1) return;
    const x = Math.floor(place.x * viewer.dataset.width), y = Math.floor(place.y * viewer.dataset.height);
    const said = out.dataset.place.replace("{x}", x).replace("{y}", y);
    viewer.reading = said;
    const map = await values(viewer);
    if (viewer.reading !== said) return; // the pointer has moved on
    const value = map?.data[Math.floor(place.y * map.rows) * map.columns + Math.floor(place.x * map.columns)];
    out.textContent = value === undefined ? said : `${said} · ${out.dataset.value.replace("{value}", value.toFixed(3))}`;
  }

  // What people do

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-mode], [data-zoom], [data-enlarge]");
    if (!button) return;
    if (button.dataset.mode) set("mode", button.dataset.mode);
    else if (button.dataset.zoom) act(button.closest(".n-viewer"), button.dataset.zoom);
    else enlarge(button.closest(".n-viewer"));
  });
  document.addEventListener("dblclick", (event) => {
    const frame = frameOf(event.target), viewer = frame?.closest(".n-viewer");
    if (!viewer) return;
    if (viewOf(viewer).zoom > 1) show(viewer, 1, 0, 0);
    else zoomBy(viewer, 3, within(frame, event));
  });
  document.addEventListener("wheel", (event) => {
    const frame = frameOf(event.target), viewer = frame?.closest(".n-viewer");
    if (!viewer || (viewOf(viewer).zoom === 1 && event.deltaY > 0)) return; // the page goes on scrolling
    event.preventDefault();
    zoomBy(viewer, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), within(frame, event));
  }, { passive: false });
  document.addEventListener("pointerdown", (event) => {
    const frame = frameOf(event.target);
    if (!frame) return;
    pointers.set(event.pointerId, { frame, ...within(frame, event) });
    if (viewOf(frame.closest(".n-viewer")).zoom > 1 || pointers.size > 1) frame.setPointerCapture(event.pointerId);
  });
  document.addEventListener("pointermove", (event) => {
    const held = pointers.get(event.pointerId), frame = held?.frame ?? frameOf(event.target);
    if (!frame) return;
    if (held) drag(held, event);
    if (event.pointerType === "mouse" || !held) read(frame, event);
  });
  function drag(held, event) {
    const viewer = held.frame.closest(".n-viewer"), now = within(held.frame, event);
    const other = [...pointers].find(([id, each]) => id !== event.pointerId && each.frame === held.frame)?.[1];
    if (other) {
      const apart = (point) => Math.hypot(point.x - other.x, point.y - other.y);
      if (apart(held) > 0.01) zoomBy(viewer, apart(now) / apart(held), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    } else if (viewOf(viewer).zoom > 1) panBy(viewer, now.x - held.x, now.y - held.y);
    Object.assign(held, now);
  }
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, (event) => {
    const held = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (held && event.pointerType !== "mouse" && end === "pointerup") read(held.frame, event); // where a finger touched
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches?.(".n-range")) set("opacity", event.target.value);
    for (const name of ["boxes", "outlines"]) {
      if (event.target.matches?.(`.n-${name}`)) set(name, String(event.target.checked));
    }
  });
  document.addEventListener("keydown", (event) => {
    const viewer = last();
    if (event.ctrlKey || event.altKey || event.metaKey || typing(event.target) || !viewer) return;
    const mode = { 1: "photo", 2: "overlay", 3: "map", 4: "both" }[event.key];
    const zoom = { "+": "in", "=": "in", "-": "out", 0: "fit" }[event.key];
    const pan = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[event.key];
    if (mode) set("mode", mode);
    else if (zoom) act(viewer, zoom);
    else if (pan && frameOf(event.target) && viewOf(viewer).zoom > 1) panBy(viewer, ...pan);
    else if (event.key === "Escape" && viewer.classList.contains("n-full")) enlarge(viewer);
    else return;
    event.preventDefault();
  });
  document.addEventListener("fullscreenchange", () => {
    const viewer = document.querySelector(".n-viewer.n-full");
    if (viewer && !document.fullscreenElement) enlarge(viewer);
  });
  for (const [kind, on] of [["mouseover", true], ["mouseout", false], ["focusin", true], ["focusout", false]]) {
    document.addEventListener(kind, (event) => mark(event.target, on));
  }
  document.addEventListener("error", (event) => event.target.tagName === "IMG" && explain(event.target), true);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    new MutationObserver((changes) => {
      const shown = (node) => node.nodeType === 1 && (node.matches(".n-viewer") || node.querySelector(".n-viewer"));
      if (changes.some((change) => [...change.addedNodes].some(shown))) apply();
    }).observe(document.body, { childList: true, subtree: true });
  });
})();
