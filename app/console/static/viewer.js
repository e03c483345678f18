// Pictures of inspections: mode, opacity and regions, kept from picture to picture; what cannot be shown says why.
(() => {
  const root = document.documentElement;
  const stored = (name, otherwise) => sessionStorage.getItem(`nominal.${name}`) ?? otherwise;
  const state = { mode: stored("mode", "overlay"), opacity: stored("opacity", "85"), boxes: stored("boxes", "true") };
  const typing = (target) => target.closest?.("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]");

  function apply() {
    root.dataset.viewMode = state.mode;
    root.dataset.viewBoxes = state.boxes;
    root.style.setProperty("--n-opacity", state.opacity / 100);
    for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", button.dataset.mode === state.mode);
    for (const range of document.querySelectorAll(".n-range")) range.value = state.opacity;
    for (const box of document.querySelectorAll(".n-boxes")) box.checked = state.boxes === "true";
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
    const fault = image.parentElement?.querySelector(".n-picture-fault");
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

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-mode]");
    if (button) set("mode", button.dataset.mode);
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches?.(".n-range")) set("opacity", event.target.value);
    if (event.target.matches?.(".n-boxes")) set("boxes", String(event.target.checked));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || typing(event.target) || !document.querySelector(".n-viewer")) return;
    const mode = { 1: "photo", 2: "overlay", 3: "map" }[event.key];
    if (mode) set("mode", mode);
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
