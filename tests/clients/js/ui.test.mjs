// What chat interfaces rely on: the parts of useStream that need no browser, and what browsers must see.

import assert from "node:assert/strict";
import test from "node:test";

import {
  extractInterrupts,
  getBranchContext,
  MessageTupleManager,
  StreamManager,
} from "@langchain/langgraph-sdk/ui";

import { client, human, newThread, run, url } from "./client.mjs";

/** What chat interfaces ask for through useStream. */
const AS_A_HOOK = {
  streamMode: ["values", "messages-tuple", "custom", "updates"],
  streamSubgraphs: true,
  streamResumable: true,
  onDisconnect: "continue",
};

/** useStream's own view of a run: its values, messages, interrupts and error. */
async function shown(threadId, graph, options) {
  const manager = new StreamManager(new MessageTupleManager(), { throttle: false });
  const seen = { metadata: [], updates: [], errors: [], contents: new Set() };
  manager.subscribe(() => seen.contents.add(manager.values?.messages?.at(-1)?.content));
  const action = async (signal) => client.runs.stream(threadId, graph, { ...AS_A_HOOK, ...options, signal });
  await manager.start(action, {
    getMessages: (values) => values.messages ?? [],
    setMessages: (values, messages) => ({ ...values, messages }),
    initialValues: {},
    callbacks: {
      onMetadataEvent: (data) => seen.metadata.push(data),
      onUpdateEvent: (data, { namespace }) => seen.updates.push([namespace, data]),
    },
    onSuccess: () => undefined,
    onError: (error) => void seen.errors.push(error),
  });
  return { ...seen, values: manager.values };
}

test("what is shown in the end is the thread's state", async () => {
  const threadId = await newThread();
  const { values, metadata, errors } = await shown(threadId, "tokens", { input: human("hi") });
  assert.deepEqual(values, (await client.threads.getState(threadId)).values);
  assert.equal(metadata[0].thread_id, threadId);
  assert.deepEqual(errors, []);
});

test("a message grows while it is said", async () => {
  const { contents, values } = await shown(await newThread(), "tokens", { input: human("hi") });
  const answer = values.messages.at(-1).content;
  const grown = [...contents].filter((content) => content && answer.startsWith(content));
  assert.ok(grown.length > 2);
});

test("a subgraph's updates are told apart", async () => {
  const { updates } = await shown(await newThread(), "sub", { input: { text: "x" } });
  const [inner, ...others] = updates.filter(([namespace]) => namespace);
  assert.match(inner[0][0], /^child:/);
  assert.deepEqual(others, []);
});

test("questions are shown until they are answered", async () => {
  const threadId = await newThread();
  const asked = await shown(threadId, "parallel_interrupts", { input: { question: "?" } });
  const interrupts = extractInterrupts(asked.values);
  assert.deepEqual(interrupts.map(({ value }) => value).sort(), ["left", "right"]);
  const resume = Object.fromEntries(interrupts.map(({ id }) => [id, "yes"]));
  const answered = await shown(threadId, "parallel_interrupts", { command: { resume } });
  assert.equal(extractInterrupts(answered.values), undefined);
});

test("a question is shown when the thread is looked at later", async () => {
  const threadId = await newThread();
  await run(threadId, "interrupting", { input: { question: "sure?" } });
  const [threadState] = await client.threads.getHistory(threadId, { limit: 10 });
  assert.deepEqual(extractInterrupts(threadState.values, { threadState }).value, { question: "sure?" });
});

test("a breakpoint is shown", async () => {
  const threadId = await newThread();
  await run(threadId, "sub", { input: { text: "x" }, interruptBefore: ["after"] });
  const threadState = await client.threads.getState(threadId);
  assert.deepEqual(extractInterrupts(threadState.values, { threadState }), { when: "breakpoint" });
});

test("a failure is shown by its name and its message", async (t) => {
  t.mock.method(console, "error", () => {}); // where the hook writes it too
  const { errors } = await shown(await newThread(), "fails", { input: { text: "x" } });
  assert.deepEqual(errors.map(({ name, message }) => [name, message]), [["ValueError", "boom: x"]]);
});

test("a fork is a branch", async () => {
  const threadId = await newThread();
  await run(threadId, "slow", { input: { text: "0" } });
  const [, , { checkpoint }] = await client.threads.getHistory(threadId);
  await run(threadId, "slow", { input: { text: "1" }, checkpoint });
  const { branchByCheckpoint, threadHead } = getBranchContext("", await client.threads.getHistory(threadId));
  assert.deepEqual(threadHead.values.log, ["1 steps"]);
  assert.equal(branchByCheckpoint[threadHead.checkpoint.checkpoint_id].branchOptions.length, 2);
});

test("states have what a history is shown by", async () => {
  const threadId = await newThread();
  await run(threadId, "sub", { input: { text: "x" } });
  const history = await client.threads.getHistory(threadId, { limit: 10 });
  for (const state of history) {
    assert.equal(typeof state.checkpoint.checkpoint_id, "string");
    assert.equal(state.checkpoint.checkpoint_ns, "");
    assert.ok(!Number.isNaN(Date.parse(state.created_at)));
    for (const task of state.tasks) {
      assert.deepEqual(task.path, ["__pregel_pull", task.name]);
      assert.equal(typeof task.id, "string");
      assert.deepEqual([task.error, task.interrupts], [null, []]);
      assert.ok("result" in task && "checkpoint" in task && "state" in task);
    }
  }
  const parents = history.slice(0, -1).map((state) => state.parent_checkpoint);
  assert.deepEqual(parents, history.slice(1).map((state) => state.checkpoint));
});

test("a thread that never ran has no checkpoint", async () => {
  const state = await client.threads.getState(await newThread());
  assert.equal(state.checkpoint, null);
});

/** A request as a page of another origin sends it. */
function fromAPage(path, body) {
  const headers = { "Content-Type": "application/json", Origin: "https://chat.example" };
  return fetch(`${url}${path}`, body && { method: "POST", headers, body: JSON.stringify(body) });
}

test("a page can read where its run is", async () => {
  const threadId = await newThread();
  const body = { assistant_id: "slow", input: { text: "0" } };
  for (const path of [`/threads/${threadId}/runs/stream`, `/threads/${threadId}/runs`]) {
    const response = await fromAPage(path, body);
    const runs = new RegExp(`^/threads/${threadId}/runs/[0-9a-f-]{36}$`);
    assert.match(response.headers.get("Content-Location"), runs);
    assert.match(response.headers.get("Access-Control-Expose-Headers"), /content-location/i);
    assert.equal(response.headers.get("Access-Control-Allow-Origin"), "*");
    await response.text();
  }
});

test("a page can probe the server", async () => {
  const { flags } = await (await fromAPage("/info")).json();
  assert.equal(flags.assistants, true);
});
