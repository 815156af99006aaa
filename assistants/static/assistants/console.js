/* Panels load their contents when they are open, again when one of their links is followed, and every two
   seconds while they say that something is going on. Without this script each is a page of its own.
   `consolePage.refresh()` brings what the page shows up to date, but for what somebody is filling in. */
"use strict";

const consolePage = (() => {
  const REFRESH_MS = 2000;
  const FILLED_IN = "textarea:focus, input:focus, select:focus";
  const timers = new WeakMap();

  async function fetched(url, headers = {}) {
    const response = await fetch(url, { headers, credentials: "same-origin" });
    if (!response.ok || response.redirected) throw new Error(response.statusText || `HTTP ${response.status}`);
    return response.text();
  }

  async function load(box, url) {
    clearTimeout(timers.get(box));
    box.dataset.url = url;
    box.setAttribute("aria-busy", "true");
    try {
      const text = await fetched(url, { "X-Console-Panel": "1" });
      if (box.dataset.url !== url) return; // another was asked for meanwhile
      if (box.dataset.text !== text) {
        box.dataset.text = text;
        box.innerHTML = text; // escaped by the server
        watchPanels(box);
      }
    } catch (error) {
      const note = document.createElement("p");
      note.className = "errornote";
      note.textContent = error.message || String(error);
      delete box.dataset.text;
      box.replaceChildren(note);
    }
    box.removeAttribute("aria-busy");
    if (box.querySelector("[data-active]")) timers.set(box, setTimeout(() => again(box, url), REFRESH_MS));
  }

  function again(box, url) {
    if (!document.contains(box) || box.dataset.url !== url) return;
    if (document.hidden) timers.set(box, setTimeout(() => again(box, url), REFRESH_MS));
    else load(box, url);
  }

  function open(panel) {
    const box = panel.querySelector("[data-panel]");
    if (panel.open && !box.dataset.url) load(box, panel.dataset.panelUrl);
  }

  function watchPanels(within) {
    for (const panel of within.querySelectorAll("details[data-panel-url]")) {
      panel.addEventListener("toggle", () => open(panel));
      open(panel);
    }
  }

  /* Parts of the page by their ids, and panels that have come or gone. */
  function replaceParts(now) {
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = now.getElementById(part.id);
      if (next && !part.querySelector(FILLED_IN)) part.replaceWith(document.importNode(next, true));
    }
    const panels = document.getElementById("console-panels");
    const wanted = now.getElementById("console-panels");
    if (!panels || !wanted) return;
    for (const panel of [...panels.children]) if (!now.getElementById(panel.id)) panel.remove();
    [...wanted.children].forEach((panel, place) => {
      if (document.getElementById(panel.id)) return;
      panels.insertBefore(document.importNode(panel, true), panels.children[place] || null);
      const added = panels.children[place];
      added.addEventListener("toggle", () => open(added));
      open(added);
    });
  }

  /* Raises an error when the page cannot be had; the panels tell of theirs themselves. */
  async function refresh() {
    const page = await fetched(location.href);
    const loaded = [...document.querySelectorAll("#console-panels > details > [data-url]")];
    await Promise.all(loaded.map((box) => load(box, box.dataset.url)));
    replaceParts(new DOMParser().parseFromString(page, "text/html"));
  }

  document.addEventListener("DOMContentLoaded", () => {
    watchPanels(document);
    for (const box of document.querySelectorAll("[data-panel-now]")) load(box, box.dataset.panelNow);
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-panel-link]");
    const box = link && link.closest("[data-panel]");
    if (!box || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    load(box, link.href);
  });

  return { refresh };
})();
