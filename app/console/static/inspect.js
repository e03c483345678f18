// Images dropped, chosen or pasted: sent one by one, what became of each told to the page, and kept in the address.
(() => {
  const AT_ONCE = 2, TRIES = 5, REMEMBERED = 24;
  const files = new Map(); // by key, until they are inspected
  const waiting = [];
  let sending = 0, count = 0;
  const zone = () => document.querySelector("[data-inspect]");
  const open = () => zone() && !("off" in zone().dataset);
  const note = () => sessionStorage.setItem("nominal.unfinished", JSON.stringify([...files.values()].map((file) => file.name)));
  const answered = (told) => emitEvent("inspect-answered", told);
  const sleep = (seconds) => new Promise((wake) => setTimeout(wake, seconds * 1000));

  function remember(id) {
    const url = new URL(window.location);
    const shown = (url.searchParams.get("shown") ?? "").split(",").filter(Boolean);
    url.searchParams.set("shown", [...shown, id].slice(-REMEMBERED).join(","));
    history.replaceState(history.state, "", url);
  }
  function begin(found) {
    if (!open() || !found.length) return;
    const serial = document.querySelector(".n-serial input")?.value ?? "";
    const items = found.map((file) => ({ key: `${Date.now()}-${count++}`, name: file.name || "pasted.png", file, serial }));
    emitEvent("inspect-queued", items.map(({ key, name }) => ({ key, name })));
    for (const item of items) {
      files.set(item.key, item);
      waiting.push(item);
    }
    note();
    while (sending < AT_ONCE && waiting.length) pump();
  }
  async function pump() {
    sending += 1;
    for (let item = waiting.shift(); item; item = waiting.shift()) {
      const told = await send(item);
      if (told.id) remember(told.id);
      if (!told.lost) files.delete(item.key);
      note();
      answered({ key: item.key, name: item.name, ...told });
    }
    sending -= 1;
  }
  async function send({ file, name, serial }) {
    if (file.folder) return { folder: true };
    if (file.size === 0 || file.size > Number(zone().dataset.most)) return { bytes: file.size };
    const form = new FormData();
    if (serial.trim()) form.append("serial", serial.trim());
    form.append("image", file, name);
    for (let tried = 1; ; tried += 1) {
      try {
        const answer = await fetch(zone().dataset.inspect, { method: "POST", body: form });
        const told = await answer.json();
        if (answer.ok) return { id: told.id };
        const pause = Number(answer.headers.get("Retry-After"));
        if (!pause || tried === TRIES) return { problem: told.detail, lost: Boolean(pause) };
        await sleep(pause);
      } catch {
        return { lost: true };
      }
    }
  }
  function dropped(transfer) {
    const entries = [...transfer.items].filter((item) => item.kind === "file");
    return entries.map((item) => {
      const folder = item.webkitGetAsEntry?.()?.isDirectory;
      return folder ? { folder, name: item.webkitGetAsEntry().name } : item.getAsFile();
    }).filter(Boolean);
  }

  window.nominal.inspect = {
    again(key) {
      const item = files.get(key);
      if (!item) return;
      waiting.push(item);
      if (sending < AT_ONCE) pump();
    },
  };
  let depth = 0;
  const over = (on) => zone()?.classList.toggle("n-over", on);
  document.addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; over(open()); });
  document.addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) over(false); });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    over(false);
    begin(dropped(event.dataTransfer));
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches?.(".n-file")) return;
    begin([...event.target.files]);
    event.target.value = "";
  });
  document.addEventListener("paste", (event) => {
    if (!open() || event.target.closest?.("input, textarea")) return;
    const found = [...event.clipboardData.files];
    if (found.length) begin(found);
    else emitEvent("inspect-nothing");
  });
  window.addEventListener("load", () => {
    const unfinished = JSON.parse(sessionStorage.getItem("nominal.unfinished") ?? "[]");
    sessionStorage.removeItem("nominal.unfinished");
    if (unfinished.length) setTimeout(() => emitEvent("inspect-unfinished", unfinished), 1000);
  });
})();
