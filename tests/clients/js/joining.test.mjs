import assert from "node:assert/strict";
import test from "node:test";

import { Client } from "@langchain/langgraph-sdk";

import { client, collect, Folder, human, names, newThread, payloads, url } from "./client.mjs";

const background = new Client({
  apiUrl: url,
  apiKey: null,
  callerOptions: { maxRetries: 0 },
  defaultHeaders: { Prefer: "respond-async" },
});

async function started(t, options) {
  const [threadId, folder] = [await newThread(), await Folder.make(t)];
  const run = await background.runs.create(threadId, "two_steps", {
    input: folder.input,
    streamMode: ["custom", "updates"],
    streamResumable: true,
    ...options,
  });
  assert.equal(run.status, "pending");
  return { threadId, runId: run.run_id, folder };
}

const statusInTheEnd = async ({ threadId, runId }) => {
  await client.runs.join(threadId, runId);
  return (await client.runs.get(threadId, runId)).status;
};

async function next(stream, count) {
  const parts = [];
  for (let place = 0; place < count; place += 1) parts.push((await stream.next()).value);
  return parts;
}

test("wait returns the values and raises the graph's error", async () => {
  const threadId = await newThread();
  const created = [];
  const options = { input: { text: "0" }, onRunCreated: (params) => created.push(params) };
  assert.deepEqual(await client.runs.wait(threadId, "slow", options), { text: "0", log: ["0 steps"] });
  assert.equal(created[0].thread_id, threadId);
  await assert.rejects(client.runs.wait(threadId, "fails", { input: { text: "x" } }), /ValueError: boom: x/);
  const told = await client.runs.wait(threadId, "fails", { input: { text: "x" }, raiseError: false });
  assert.deepEqual(told, { __error__: { error: "ValueError", message: "boom: x" } });
});

test("wait tells of interrupts", async () => {
  const found = await client.runs.wait(await newThread(), "interrupting", { input: { question: "sure?" } });
  assert.deepEqual(found.__interrupt__[0].value, { question: "sure?" });
});

test("join waits for a run", async (t) => {
  const { threadId, runId, folder } = await started(t);
  const joining = client.runs.join(threadId, runId);
  await folder.open("gate");
  assert.deepEqual((await joining).done, ["first", "second"]);
});

test("joinStream begins where it is told to", async () => {
  const threadId = await newThread();
  const options = { input: { text: "2" }, streamMode: ["custom", "values"], streamResumable: true };
  const parts = await collect(client.runs.stream(threadId, "slow", options));
  const runId = parts[0].data.run_id;
  const joined = (lastEventId) => collect(client.runs.joinStream(threadId, runId, { lastEventId }));
  assert.deepEqual(await joined("-1"), parts);
  assert.deepEqual(await joined(undefined), parts);
  for (const [place, part] of parts.entries()) {
    assert.deepEqual(await joined(part.id), parts.slice(place + 1));
  }
});

test("joinStream chooses modes, of the kinds it is asked in", async () => {
  const threadId = await newThread();
  const options = { input: { text: "2" }, streamMode: ["values", "custom"] };
  const { run_id: runId } = await client.runs.create(threadId, "slow", options);
  for (const streamMode of ["custom", ["custom"], ["custom", "updates"]]) {
    const parts = await collect(client.runs.joinStream(threadId, runId, { streamMode }));
    assert.deepEqual(names(parts), ["custom", "custom"]);
  }
});

test("joinStream needs no thread", async (t) => {
  const { runId, folder } = await started(t);
  const stream = client.runs.joinStream(null, runId, { lastEventId: "-1" });
  assert.deepEqual(names(await next(stream, 3)), ["metadata", "updates", "custom"]);
  await folder.open("gate");
  assert.deepEqual(names(await collect(stream)), ["updates"]);
});

test("who joins may end the run by leaving", async (t) => {
  for (const cancelOnDisconnect of [false, true]) {
    const run = await started(t);
    const controller = new AbortController();
    const options = { lastEventId: "-1", cancelOnDisconnect, signal: controller.signal };
    const stream = client.runs.joinStream(run.threadId, run.runId, options);
    await next(stream, 3);
    controller.abort();
    await stream.next().catch((error) => assert.equal(error.name, "AbortError"));
    if (!cancelOnDisconnect) await run.folder.open("gate");
    assert.equal(await statusInTheEnd(run), cancelOnDisconnect ? "interrupted" : "success");
  }
});

test("a thread's stream tells of all its runs", async () => {
  const threadId = await newThread();
  await client.runs.wait(threadId, "slow", { input: { text: "0" } });
  const controller = new AbortController();
  const options = { lastEventId: "-", streamMode: ["run_modes", "lifecycle"], signal: controller.signal };
  const stream = client.threads.joinStream(threadId, options);
  const first = await next(stream, 4);
  assert.deepEqual(names(first), ["metadata", "values", "values", "metadata"]);
  assert.equal(first[3].data.status, "run_done");
  await client.runs.wait(threadId, "slow", { input: { text: "0" } });
  assert.deepEqual(names(await next(stream, 4)), names(first));
  controller.abort();
});

test("cancel stops a run", async (t) => {
  for (const wait of [false, true]) {
    const run = await started(t);
    await client.runs.cancel(run.threadId, run.runId, wait);
    assert.equal(await statusInTheEnd(run), "interrupted");
    await assert.rejects(client.runs.cancel(run.threadId, run.runId), { status: 404 });
    const undone = await started(t);
    await client.runs.cancel(undone.threadId, undone.runId, wait, "rollback");
    await assert.rejects(client.runs.get(undone.threadId, undone.runId), { status: 404 });
  }
});

test("cancelMany stops runs of a thread", async (t) => {
  const run = await started(t);
  await client.runs.cancelMany({ threadId: run.threadId, runIds: [run.runId] });
  assert.equal(await statusInTheEnd(run), "interrupted");
  await assert.rejects(client.runs.cancelMany({ threadId: run.threadId, runIds: [run.runId] }), { status: 404 });
});

test("delete deletes, whether a run has ended or not", async (t) => {
  const { threadId, runId } = await started(t);
  await client.runs.delete(threadId, runId);
  const ended = await client.runs.create(threadId, "slow", { input: { text: "0" } });
  await client.runs.delete(threadId, ended.run_id);
  assert.deepEqual(await client.runs.list(threadId), []);
});

test("a run needs no thread", async () => {
  const input = { text: "0" };
  const created = [];
  const onRunCreated = (params) => created.push(params);
  const parts = await collect(client.runs.stream(null, "slow", { input, streamMode: "updates", onRunCreated }));
  assert.deepEqual(payloads(parts, "updates"), [{ node: { log: ["0 steps"] } }]);
  assert.equal(created[0].run_id, parts[0].data.run_id);
  assert.deepEqual(await client.runs.wait(null, "slow", { input }), { text: "0", log: ["0 steps"] });
  const run = await client.runs.create(null, "slow", { input, onCompletion: "keep" });
  assert.deepEqual((await client.runs.join(run.thread_id, run.run_id)).log, ["0 steps"]);
});

test("a batch makes several", async () => {
  const runs = await client.runs.createBatch([
    { assistantId: "slow", input: { text: "0" }, ifNotExists: "create" },
    { assistantId: "echo", input: human("hi") },
  ]);
  const [slow, echo] = await Promise.all(runs.map((run) => client.runs.join(run.thread_id, run.run_id)));
  assert.deepEqual(slow.log, ["0 steps"]);
  assert.equal(echo.messages.at(-1).content, "echo: hi");
});
