// A classic script: it runs before the first paint, so that a chosen theme does not flash.
(() => {
  const STORED = "rtc-gateway.theme";
  const ORDER = ["auto", "light", "dark"];
  const root = document.documentElement;

  function read() {
    try {
      const stored = localStorage.getItem(STORED);
      return ORDER.includes(stored) ? stored : "auto";
    } catch {
      return "auto"; // storage may be forbidden; then the choice lasts as long as the page
    }
  }

  function apply(theme) {
    root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (!button) return;
    button.textContent = `◐ ${theme[0].toUpperCase()}${theme.slice(1)}`;
    button.title = theme === "auto" ? "Colours: as the system" : `Colours: ${theme}`;
  }

  apply(read());
  addEventListener("DOMContentLoaded", () => {
    apply(root.dataset.theme);
    document.getElementById("theme").addEventListener("click", () => {
      const next = ORDER[(ORDER.indexOf(root.dataset.theme) + 1) % ORDER.length];
      try {
        localStorage.setItem(STORED, next);
      } catch {
        // as above
      }
      apply(next);
    });
  });
})();
