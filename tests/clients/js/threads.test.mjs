import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test from "node:test";

import { client, newThread, run } from "./client.mjs";

test("a thread needs nothing", async () => {
  const thread = await client.threads.create();
  assert.equal(thread.status, "idle");
  assert.deepEqual(thread.metadata, {});
  assert.equal(thread.values, null);
  assert.deepEqual(await client.threads.get(thread.thread_id), thread);
});

test("a thread is made of everything that was given", async () => {
  const threadId = randomUUID();
  const thread = await client.threads.create({
    threadId,
    metadata: { a: 1 },
    graphId: "sub",
    ttl: 60,
    supersteps: [{ updates: [{ values: { text: "x" }, asNode: "__start__" }] }],
  });
  assert.equal(thread.thread_id, threadId);
  assert.deepEqual(thread.metadata, { a: 1, graph_id: "sub" });
  assert.deepEqual(thread.values, { text: "x", log: [] });
  const { ttl } = await client.threads.get(threadId, { include: ["ttl"] });
  assert.equal(ttl.ttl_minutes, 60);
  assert.deepEqual(await client.threads.create({ threadId, ifExists: "do_nothing" }), thread);
});

test("an id that is taken is a conflict", async () => {
  const threadId = await newThread();
  await assert.rejects(client.threads.create({ threadId, ifExists: "raise" }), {
    status: 409,
    text: `{"detail":"Thread with ID ${threadId} already exists"}`,
  });
});

test("an update merges metadata", async () => {
  const threadId = await newThread({ metadata: { a: 1, b: 1 } });
  const thread = await client.threads.update(threadId, { metadata: { b: 2, c: null }, ttl: 5 });
  assert.deepEqual(thread.metadata, { a: 1, b: 2, c: null });
  const minimal = await client.threads.update(threadId, { metadata: { d: 4 }, returnMinimal: true });
  assert.equal(minimal, undefined);
  assert.equal((await client.threads.get(threadId)).metadata.d, 4);
});

test("threads are found by every condition", async () => {
  const mark = { test: randomUUID() };
  const done = await newThread({ metadata: mark });
  const asked = await newThread({ metadata: mark });
  await run(done, "slow", { input: { text: "0" } });
  await run(asked, "interrupting", { input: { question: "?" } });
  const found = async (query) =>
    (await client.threads.search({ metadata: mark, ...query })).map((thread) => thread.thread_id);
  assert.deepEqual(await found(), [asked, done]);
  assert.deepEqual(await found({ sortBy: "created_at", sortOrder: "asc", limit: 1 }), [done]);
  assert.deepEqual(await found({ limit: 1, offset: 1 }), [done]);
  assert.deepEqual(await found({ status: "interrupted" }), [asked]);
  assert.deepEqual(await found({ values: { text: "0" } }), [done]);
  assert.deepEqual(await found({ ids: [done] }), [done]);
});

test("a search shows what was selected and extracted", async () => {
  const threadId = await newThread();
  await run(threadId, "slow", { input: { text: "0" } });
  const found = await client.threads.search({
    ids: [threadId],
    select: ["status"],
    extract: { last: "values.log[-1]" },
  });
  assert.deepEqual(found, [{ status: "idle", extracted: { last: "0 steps" } }]);
});

test("a copy has the state and says where it comes from", async () => {
  const threadId = await newThread();
  await run(threadId, "slow", { input: { text: "0" } });
  const copy = await client.threads.copy(threadId);
  assert.notEqual(copy.thread_id, threadId);
  assert.equal(copy.metadata.forked_from, threadId);
  const { values } = await client.threads.getState(copy.thread_id);
  assert.deepEqual(values, { text: "0", log: ["0 steps"] });
});

test("a deleted thread is gone", async () => {
  const threadId = await newThread();
  assert.equal(await client.threads.delete(threadId), undefined);
  const gone = { status: 404, text: `{"detail":"Thread with ID ${threadId} not found"}` };
  await assert.rejects(client.threads.get(threadId), gone);
  await assert.rejects(client.threads.delete(threadId), gone);
  await assert.rejects(client.threads.copy(threadId), gone);
  await assert.rejects(client.threads.getState(threadId), gone);
});
