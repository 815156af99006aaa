import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test from "node:test";

import { client, collect, Folder, human, names, newThread, payloads, run } from "./client.mjs";

test("the default mode is values", async () => {
  const parts = await run(await newThread(), "slow", { input: { text: "0" } });
  assert.deepEqual(names(parts), ["metadata", "values", "values"]);
  assert.deepEqual(parts.at(-1).data, { text: "0", log: ["0 steps"] });
});

test("modes are streamed together in order", async () => {
  const streamMode = ["updates", "custom", "values"];
  const parts = await run(await newThread(), "slow", { input: { text: "1" }, streamMode });
  assert.deepEqual(names(parts), ["metadata", "values", "custom", "updates", "values"]);
  assert.deepEqual(payloads(parts, "custom"), [{ step: 1 }]);
  assert.deepEqual(payloads(parts, "updates"), [{ node: { log: ["1 steps"] } }]);
});

test("messages-tuple streams a message in pieces", async () => {
  const streamMode = ["messages-tuple", "values"];
  const parts = await run(await newThread(), "tokens", { input: human("hi"), streamMode });
  const pieces = payloads(parts, "messages").map(([message]) => message);
  const answer = payloads(parts, "values").at(-1).messages.at(-1);
  assert.ok(pieces.length > 2);
  assert.equal(pieces.map((piece) => piece.content).join(""), answer.content);
  assert.deepEqual(new Set(pieces.map((piece) => piece.id)), new Set([answer.id]));
});

test("the modes for looking inside", async () => {
  for (const streamMode of ["tasks", "checkpoints", "debug", "events"]) {
    const parts = await run(await newThread(), "slow", { input: { text: "0" }, streamMode });
    assert.deepEqual(new Set(names(parts)), new Set(["metadata", streamMode]));
  }
});

test("subgraphs' events carry their namespace", async () => {
  const options = { input: { text: "x" }, streamMode: ["updates"] };
  const parts = await run(await newThread(), "sub", { ...options, streamSubgraphs: true });
  const [inner, ...others] = names(parts).filter((name) => name.includes("|"));
  assert.match(inner, /^updates\|child:[0-9a-f-]{36}$/);
  assert.deepEqual(others, []);
  const without = await run(await newThread(), "sub", options);
  assert.deepEqual(names(without), ["metadata", "updates", "updates"]);
});

test("the run is known before its first event", async () => {
  const threadId = await newThread();
  const created = [];
  const stream = client.runs.stream(threadId, "slow", {
    input: { text: "0" },
    onRunCreated: (params) => created.push(params),
  });
  const { value: first } = await stream.next();
  assert.deepEqual(created, [{ run_id: first.data.run_id, thread_id: threadId }]);
  await collect(stream);
});

test("resumable streams have ids", async () => {
  const options = { input: { text: "1" }, streamMode: ["custom"] };
  const resumable = await run(await newThread(), "slow", { ...options, streamResumable: true });
  assert.equal(new Set(resumable.map((part) => part.id)).size, 2);
  const others = await run(await newThread(), "slow", options);
  assert.deepEqual(others.map((part) => part.id), [undefined, undefined]);
});

async function abandoned(t, options) {
  const [threadId, folder, controller] = [await newThread(), await Folder.make(t), new AbortController()];
  const stream = client.runs.stream(threadId, "two_steps", {
    input: folder.input,
    streamMode: "custom",
    signal: controller.signal,
    ...options,
  });
  const { run_id: runId } = (await stream.next()).value.data;
  assert.equal((await stream.next()).value.data, "waiting");
  controller.abort();
  await stream.next().catch((error) => assert.equal(error.name, "AbortError"));
  return { threadId, runId, folder };
}

const statusInTheEnd = async ({ threadId, runId }) => {
  await client.runs.create(threadId, "slow", { input: { text: "0" } }); // its turn comes after the other's
  return (await client.runs.get(threadId, runId)).status;
};

test("a run goes on when its client aborts", async (t) => {
  const left = await abandoned(t);
  await left.folder.open("gate");
  assert.equal(await statusInTheEnd(left), "success");
});

test("a run is cancelled when its client aborts, if it says so", async (t) => {
  assert.equal(await statusInTheEnd(await abandoned(t, { onDisconnect: "cancel" })), "interrupted");
});

test("a created run has been executed", async () => {
  const threadId = await newThread();
  const created = [];
  const found = await client.runs.create(threadId, "slow", {
    input: { text: "0" },
    metadata: { a: 1 },
    onRunCreated: (params) => created.push(params),
  });
  assert.equal(found.status, "success");
  assert.equal(found.metadata.a, 1);
  assert.deepEqual(created, [{ run_id: found.run_id, thread_id: threadId }]);
  assert.deepEqual(await client.runs.get(threadId, found.run_id), found);
});

test("runs are listed newest first", async () => {
  const threadId = await newThread();
  const made = [];
  for (const graph of ["slow", "fails"]) {
    made.unshift((await client.runs.create(threadId, graph, { input: { text: "0" } })).run_id);
  }
  const listed = async (options) => (await client.runs.list(threadId, options)).map((found) => found.run_id);
  assert.deepEqual(await listed(), made);
  assert.deepEqual(await listed({ limit: 1, offset: 1 }), made.slice(1));
  assert.deepEqual(await listed({ status: "error" }), made.slice(0, 1));
});

test("a list of runs shows what was selected", async () => {
  const threadId = await newThread();
  await client.runs.create(threadId, "slow", { input: { text: "0" } });
  assert.deepEqual(await client.runs.list(threadId, { select: ["status"] }), [{ status: "success" }]);
});

test("a failure is an event, and no exception", async () => {
  const threadId = await newThread();
  const parts = await run(threadId, "fails", { input: { text: "x" } });
  const error = { error: "ValueError", message: "boom: x" };
  assert.deepEqual(parts.at(-1), { id: undefined, event: "error", data: error });
  assert.deepEqual((await client.runs.list(threadId))[0].error, error);
});

test("a missing thread is made where asked for", async () => {
  const threadId = randomUUID();
  const detail = `{"detail":"Thread with ID ${threadId} not found"}`;
  const options = { input: { text: "0" } };
  await assert.rejects(run(threadId, "slow", options), { status: 404, text: detail });
  const parts = await run(threadId, "slow", { ...options, ifNotExists: "create" });
  assert.equal(parts[0].data.thread_id, threadId);
});

test("a busy thread may be a conflict", async (t) => {
  const [threadId, folder] = [await newThread(), await Folder.make(t)];
  const stream = client.runs.stream(threadId, "two_steps", { input: folder.input, streamMode: "custom" });
  await stream.next();
  await assert.rejects(run(threadId, "slow", { multitaskStrategy: "reject" }), (error) => {
    assert.equal(error.status, 409);
    return /^Thread is already running a task\./.test(JSON.parse(error.text).detail);
  });
  await folder.open("gate");
  await collect(stream);
});

test("the error says what is wrong", async () => {
  const threadId = await newThread();
  const wrong = [
    ["nope", {}, /Invalid assistant: 'nope'/],
    ["slow", { streamMode: "nope" }, /^stream_mode: "nope" is not a stream mode/],
    ["slow", { webhook: "/runs" }, /^webhook: The webhook must be an absolute http or https URL/],
  ];
  for (const [graph, options, detail] of wrong) {
    await assert.rejects(run(threadId, graph, options), (error) => {
      assert.equal(error.status, 422);
      return detail.test(JSON.parse(error.text).detail);
    });
  }
});
