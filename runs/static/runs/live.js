/* The page of a thread: while a run is active it shows what is being said as it is said, and when the run has
   ended brings the page up to date. Otherwise it asks now and then whether somebody has begun a run, or has
   changed the thread. What is not shown as text node is not shown at all. */
"use strict";

(() => {
  const RETRY_MS = 2000;
  const IDLE_MS = 5000;
  const MAX_TEXT = 20000;
  const MAX_MESSAGES = 100;

  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const marker = () => document.getElementById("console-stream");
  const isBusy = () => marker().hasAttribute("data-busy");
  const refresh = () => consolePage.refresh().catch(() => {});

  /* The messages that are not yet in the panel, by their ids. */
  class Talk {
    constructor(box) {
      this.box = box;
      this.labels = marker().dataset;
      this.said = new Map();
      this.changed = new Set();
      this.settled = Number(this.labels.total);
    }

    take(name, data) {
      if (name === "values") this.takeState(data);
      else if (name === "messages") this.takeChunk(data[0]);
      else if (name.startsWith("messages/") && Array.isArray(data)) {
        for (const message of data) this.write(message, { isWhole: name.endsWith("/complete") });
      }
    }

    takeState(values) {
      const all = Array.isArray(values?.messages) ? values.messages : [];
      all.slice(this.settled).forEach((message, place) => this.write(message, { id: `#${place}`, isWhole: true }));
    }

    takeChunk(chunk) {
      const isPart = chunk?.type === "AIMessageChunk";
      const before = isPart ? this.said.get(chunk.id) : undefined;
      if (!before) return this.write(chunk);
      before.text += textOf(chunk.content);
      this.changed.add(chunk.id);
    }

    write(message, { id: fallback = "#", isWhole = false } = {}) {
      if (!message || typeof message !== "object") return;
      const id = message.id || fallback;
      const role = { AIMessageChunk: "ai", user: "human", assistant: "ai" }[message.type] || message.type || "ai";
      const calls = (Array.isArray(message.tool_calls) ? message.tool_calls : []).filter((call) => call?.name);
      const element = this.said.get(id)?.element;
      if (!element && this.said.size >= MAX_MESSAGES) return;
      this.said.set(id, { role, calls, isWhole, text: textOf(message.content), element });
      this.changed.add(id);
    }

    show() {
      for (const id of this.changed) {
        const message = this.said.get(id);
        message.element ||= this.box.insertBefore(this.article(message.role), this.box.lastElementChild);
        const [, said, called] = message.element.children;
        said.textContent = message.text.length > MAX_TEXT ? `…${message.text.slice(-MAX_TEXT)}` : message.text;
        message.element.setAttribute("aria-busy", String(!message.isWhole)); // read out when it is whole
        called.textContent = message.calls.map((call) => `${this.labels.calls} ${call.name}`).join(", ");
      }
      this.changed.clear();
    }

    article(role) {
      const known = ["human", "ai", "tool", "system"].includes(role);
      const article = document.createElement("article");
      article.className = `console-message console-role-${known ? role : "other"}`;
      for (const [tag, kind] of [["header", ""], ["div", "console-said"], ["div", "console-call-names"]]) {
        article.appendChild(document.createElement(tag)).className = kind;
      }
      article.firstChild.textContent = known ? this.labels[role] : role;
      return article;
    }
  }

  function textOf(content) {
    if (typeof content === "string") return content;
    const blocks = Array.isArray(content) ? content : [];
    return blocks.map((block) => (typeof block === "string" ? block : block?.text || "")).join("");
  }

  /* Where the conversation grows; null for those who may not read it. */
  function liveBox() {
    const panel = document.querySelector("#panel-conversation > [data-panel]");
    if (!panel) return null;
    let box = document.getElementById("console-live");
    if (!box) {
      box = document.createElement("div");
      box.id = "console-live";
      box.className = "console-talk";
      box.setAttribute("role", "log");
      box.setAttribute("aria-live", "polite");
      panel.after(box);
    }
    const working = document.createElement("p");
    working.className = "console-working";
    working.textContent = marker().dataset.working;
    box.replaceChildren(working);
    return box;
  }

  function take(frame, talk) {
    const fields = Object.fromEntries(frame.split("\r\n").map((line) => line.split(/: (.*)/s, 2)));
    if (!fields.event || !talk) return;
    try {
      talk.take(fields.event.split("|")[0], JSON.parse(fields.data));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }

  /* Read the events of the active run. "ended" when it has; without one whether the thread has "changed", or is
     the "same" as on the page; "gone" when it is not shown to this user any more. */
  async function follow(signal) {
    const response = await fetch(marker().dataset.streamUrl, { credentials: "same-origin", signal });
    if (response.redirected || response.status === 403 || response.status === 404) return "gone";
    if (response.status === 204) {
      return response.headers.get("X-Updated-At") === marker().dataset.updatedAt ? "same" : "changed";
    }
    if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
    if (!isBusy()) await refresh(); // somebody has begun it
    const box = liveBox();
    const talk = box && new Talk(box);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const frames = (rest + part.value).split("\r\n\r\n");
      rest = frames.pop();
      for (const frame of frames) take(frame, talk);
      talk?.show();
    }
    return "ended";
  }

  /* As long as the page is seen: a stream that nobody sees would be one too many for the browser. */
  async function followWhileSeen() {
    const abort = new AbortController();
    const leave = () => document.hidden && abort.abort();
    document.addEventListener("visibilitychange", leave);
    try {
      return await follow(abort.signal);
    } catch {
      return isBusy() ? "changed" : "same"; // broken off: the next one begins at the run's first event
    } finally {
      document.removeEventListener("visibilitychange", leave);
    }
  }

  async function untilSeen() {
    while (document.hidden) {
      await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
    }
  }

  async function watch() {
    while (marker()) {
      if (!isBusy()) await pause(IDLE_MS);
      await untilSeen();
      const begun = Date.now();
      const found = await followWhileSeen();
      if (found === "gone") return;
      if (found !== "same") await refresh();
      document.getElementById("console-live")?.replaceChildren();
      if (isBusy() && (found !== "ended" || Date.now() - begun < RETRY_MS / 8)) await pause(RETRY_MS);
    }
  }

  document.addEventListener("DOMContentLoaded", watch);
})();
