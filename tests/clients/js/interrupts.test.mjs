import assert from "node:assert/strict";
import test from "node:test";

import { client, newThread, payloads, run } from "./client.mjs";

const lastValues = async (...options) => payloads(await run(...options), "values").at(-1);

test("an interrupt is in the values and in the updates", async () => {
  const threadId = await newThread();
  const streamMode = ["values", "updates"];
  const parts = await run(threadId, "interrupting", { input: { question: "sure?" }, streamMode });
  const [interrupt] = payloads(parts, "values").at(-1).__interrupt__;
  assert.deepEqual(interrupt.value, { question: "sure?" });
  assert.deepEqual(payloads(parts, "updates"), [{ __interrupt__: [interrupt] }]);
  const thread = await client.threads.get(threadId);
  assert.equal(thread.status, "interrupted");
  assert.deepEqual(Object.values(thread.interrupts), [[interrupt]]);
});

test("a command answers", async () => {
  for (const answer of ["yes", false, { decisions: [{ type: "approve" }] }]) {
    const threadId = await newThread();
    await run(threadId, "interrupting", { input: { question: "sure?" } });
    const values = await lastValues(threadId, "interrupting", { command: { resume: answer } });
    assert.deepEqual(values, { question: "sure?", answers: [answer, "done"] });
  }
});

test("parallel interrupts are answered by id", async () => {
  const threadId = await newThread();
  await run(threadId, "parallel_interrupts", { input: { question: "?" } });
  const { interrupts } = await client.threads.getState(threadId);
  const resume = Object.fromEntries(interrupts.map(({ id, value }) => [id, `${value} answered`]));
  const values = await lastValues(threadId, "parallel_interrupts", { command: { resume } });
  assert.deepEqual(values.answers, ["left answered", "right answered"]);
});

test("a command updates the state and goes elsewhere", async () => {
  const threadId = await newThread();
  await run(threadId, "sub", { input: { text: "x" } });
  const command = { update: { text: "y" }, goto: [{ node: "after", input: { text: "z" } }] };
  const values = await lastValues(threadId, "sub", { command });
  assert.deepEqual(values, { text: "y", log: ["inner x", "after x", "after z"] });
});

test("a run stops at a breakpoint and goes on without input", async () => {
  const threadId = await newThread();
  const stopped = await lastValues(threadId, "sub", { input: { text: "x" }, interruptBefore: ["after"] });
  assert.deepEqual(stopped.log, ["inner x"]);
  const values = await lastValues(threadId, "sub", { input: null });
  assert.deepEqual(values.log, ["inner x", "after x"]);
});

test("a run begins at a checkpoint, whose thread need not be named", async () => {
  const threadId = await newThread();
  await run(threadId, "slow", { input: { text: "0" } });
  const [{ checkpoint }] = await client.threads.getHistory(threadId);
  await run(threadId, "slow", { input: { text: "0" } });
  delete checkpoint.thread_id;
  const values = await lastValues(threadId, "slow", { input: { text: "1" }, checkpoint });
  assert.deepEqual(values, { text: "1", log: ["0 steps", "1 steps"] });
});
