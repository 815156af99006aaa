import assert from "node:assert/strict";
import test from "node:test";

import { client, newThread, run } from "./client.mjs";

async function walkedThread() {
  const threadId = await newThread();
  await run(threadId, "sub", { input: { text: "x" } });
  return threadId;
}

test("the state is that of the latest checkpoint", async () => {
  const threadId = await walkedThread();
  const state = await client.threads.getState(threadId);
  assert.deepEqual(state.values, { text: "x", log: ["inner x", "after x"] });
  assert.deepEqual([state.next, state.tasks], [[], []]);
  assert.deepEqual(await client.threads.getHistory(threadId, { limit: 1 }), [state]);
});

test("the state at a checkpoint is found by it and by its id", async () => {
  const threadId = await walkedThread();
  for (const past of await client.threads.getHistory(threadId)) {
    assert.deepEqual(await client.threads.getState(threadId, past.checkpoint), past);
    assert.deepEqual(await client.threads.getState(threadId, past.checkpoint.checkpoint_id), past);
  }
});

test("a subgraph's state stands in its task where asked for", async () => {
  const threadId = await walkedThread();
  const history = await client.threads.getHistory(threadId);
  const { checkpoint } = history.find((state) => state.next.includes("child"));
  for (const place of [checkpoint, checkpoint.checkpoint_id]) {
    const [task] = (await client.threads.getState(threadId, place, { subgraphs: true })).tasks;
    assert.deepEqual(task.state.values, { text: "x", log: ["inner x"] });
  }
});

test("a subgraph has a history of its own", async () => {
  const threadId = await walkedThread();
  const [task] = (await client.threads.getHistory(threadId)).flatMap((state) =>
    state.tasks.filter(({ name }) => name === "child"),
  );
  const checkpoint = { checkpoint_ns: `child:${task.id}` };
  const [latest] = await client.threads.getHistory(threadId, { checkpoint, limit: 1 });
  assert.deepEqual(latest.values, { text: "x", log: ["inner x"] });
});

test("the history before a checkpoint", async () => {
  const threadId = await walkedThread();
  const history = await client.threads.getHistory(threadId);
  assert.equal(history.length, 4);
  const before = { configurable: history[0].checkpoint };
  assert.deepEqual(await client.threads.getHistory(threadId, { before }), history.slice(1));
  assert.deepEqual(await client.threads.getHistory(threadId, { before, limit: 2 }), history.slice(1, 3));
});

test("the history is filtered by metadata", async () => {
  const threadId = await walkedThread();
  const sources = (await client.threads.getHistory(threadId, { metadata: { source: "input" } })).map(
    (state) => state.metadata.source,
  );
  assert.deepEqual(sources, ["input"]);
});

test("an update writes as a node and says where", async () => {
  const threadId = await walkedThread();
  const { checkpoint } = await client.threads.updateState(threadId, {
    values: { log: ["by hand"] },
    asNode: "child",
  });
  const state = await client.threads.getState(threadId);
  assert.deepEqual(state.checkpoint, checkpoint);
  assert.deepEqual(state.next, ["after"]);
  assert.deepEqual(state.values.log, ["inner x", "after x", "by hand"]);
});

test("an update at a checkpoint forks there", async () => {
  const threadId = await walkedThread();
  const [, past] = await client.threads.getHistory(threadId);
  const { checkpoint_id: checkpointId } = past.checkpoint;
  for (const place of [{ checkpoint: past.checkpoint }, { checkpointId }]) {
    await client.threads.updateState(threadId, { values: { text: "fork" }, ...place });
    const state = await client.threads.getState(threadId);
    assert.deepEqual(state.values, { text: "fork", log: ["inner x"] });
    assert.deepEqual(state.parent_checkpoint, past.checkpoint);
  }
});

test("an update as an unknown node is refused", async () => {
  const threadId = await walkedThread();
  await assert.rejects(client.threads.updateState(threadId, { values: {}, asNode: "nope" }), {
    status: 400,
    text: '{"detail":"Node nope does not exist"}',
  });
});
