// The console's own script: appearance before the first paint, the bank looked at last.
(() => {
  const here = document.currentScript.dataset;
  const root = document.documentElement;
  const remember = (name, value) => {
    document.cookie = `${name}=${value}; path=${here.root}; max-age=31536000; samesite=strict`;
  };
  root.dataset.theme = here.theme;
  if (here.bank) remember("nominal_bank", here.bank);
  window.nominal = {
    root: here.root === "/" ? "" : here.root,
    setTheme(theme) {
      root.dataset.theme = theme;
      remember("nominal_theme", theme);
      Quasar.Dark.set(theme === "system" ? "auto" : theme === "dark");
    },
  };
})();
