// The console's own script: appearance before the first paint, the bank looked at last, times in the browser's zone.
(() => {
  const here = document.currentScript.dataset;
  const root = document.documentElement;
  const remember = (name, value) => {
    document.cookie = `${name}=${value}; path=${here.root}; max-age=31536000; samesite=strict`;
  };
  root.dataset.theme = here.theme;
  if (here.bank) remember("nominal_bank", here.bank);
  remember("nominal_offset", -new Date().getTimezoneOffset()); // minutes, so that a day of a filter is a local day

  const MOMENT = /(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d) UTC/g;
  const form = new Intl.DateTimeFormat("en-GB", {
    year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  const MONTH = new Intl.DateTimeFormat("en-GB", { month: "short" });
  function local(text, short) {
    return text.replace(MOMENT, (_, year, month, day, hour, minute) => {
      const time = new Date(Date.UTC(year, month - 1, day, hour, minute));
      const parts = form.formatToParts(time);
      const part = (type) => parts.find((each) => each.type === type).value;
      if (short) return time.getHours() ? `${part("hour")}:${part("minute")}` : `${time.getDate()} ${MONTH.format(time)}`;
      return `${part("year")}-${part("month")}-${part("day")} ${part("hour")}:${part("minute")} ${part("timeZoneName")}`;
    });
  }
  function localise(node) {
    if ((node.parentElement ?? node).closest?.("script")) return; // what a page is made from: the page itself follows
    if (node.nodeType === Node.TEXT_NODE) {
      const said = local(node.data, node.parentElement?.classList.contains("n-hour"));
      if (said !== node.data) node.data = said;
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      const title = node.getAttribute("title");
      const said = title && local(title);
      if (said !== title) node.setAttribute("title", said);
      for (const child of node.childNodes) localise(child);
    }
  }
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "childList") change.addedNodes.forEach(localise);
      else localise(change.target);
    }
  }).observe(root, { childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ["title"] });

  window.nominal = {
    root: here.root === "/" ? "" : here.root,
    setTheme(theme) {
      root.dataset.theme = theme;
      remember("nominal_theme", theme);
      Quasar.Dark.set(theme === "system" ? "auto" : theme === "dark");
    },
  };
})();
