/* Panels load their contents when they are open, again when one of their links is followed, and every two
   seconds while they say that something is going on. Without this script each is a page of its own. */
"use strict";

(() => {
  const REFRESH_MS = 2000;

  async function load(box, url) {
    box.dataset.url = url;
    box.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(url, { headers: { "X-Console-Panel": "1" }, credentials: "same-origin" });
      if (!response.ok || response.redirected) throw new Error(response.statusText);
      const text = await response.text();
      if (box.dataset.text !== text) {
        box.dataset.text = text;
        box.innerHTML = text; // escaped by the server
      }
    } catch (error) {
      const note = document.createElement("p");
      note.className = "errornote";
      note.textContent = error.message || String(error);
      box.replaceChildren(note);
    }
    box.removeAttribute("aria-busy");
    if (box.querySelector("[data-active]")) setTimeout(() => refresh(box, url), REFRESH_MS);
  }

  function refresh(box, url) {
    if (!document.contains(box) || box.dataset.url !== url) return;
    if (document.hidden) setTimeout(() => refresh(box, url), REFRESH_MS);
    else load(box, url);
  }

  function open(panel) {
    const box = panel.querySelector("[data-panel]");
    if (panel.open && !box.dataset.url) load(box, panel.dataset.panelUrl);
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const panel of document.querySelectorAll("details[data-panel-url]")) {
      panel.addEventListener("toggle", () => open(panel));
      open(panel);
    }
    for (const box of document.querySelectorAll("[data-panel-now]")) load(box, box.dataset.panelNow);
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-panel-link]");
    const box = link && link.closest("[data-panel]");
    if (!box || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    load(box, link.href);
  });
})();
