import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test from "node:test";

import { client } from "./client.mjs";

test("assistants are found by what they are", async () => {
  const [found, ...others] = await client.assistants.search({
    graphId: "sub",
    metadata: { created_by: "system" },
    sortBy: "created_at",
    sortOrder: "asc",
  });
  assert.deepEqual(others, []);
  assert.equal(found.name, "sub");
  assert.deepEqual(await client.assistants.get(found.assistant_id), found);
  assert.deepEqual(await client.assistants.get("sub"), found);
});

test("a page of assistants tells where the next begins", async () => {
  const seen = [];
  let next = "0";
  while (next !== null) {
    const page = await client.assistants.search({ limit: 6, offset: Number(next), includePagination: true });
    seen.push(...page.assistants.map((assistant) => assistant.graph_id));
    next = page.next;
  }
  const all = await client.assistants.search({ limit: 100 });
  assert.deepEqual(seen, all.map((assistant) => assistant.graph_id));
});

test("a search shows what was selected", async () => {
  assert.deepEqual(await client.assistants.search({ graphId: "echo", select: ["name"] }), [{ name: "echo" }]);
});

test("schemas describe what goes in and comes out", async () => {
  const schemas = await client.assistants.getSchemas("hidden");
  assert.equal(schemas.graph_id, "hidden");
  assert.deepEqual(Object.keys(schemas.input_schema.properties).sort(), ["secret", "text"]);
  assert.deepEqual(Object.keys(schemas.output_schema.properties), ["text"]);
});

test("a graph is drawn, with what is inside where asked for", async () => {
  const ids = async (options) =>
    (await client.assistants.getGraph("sub", options)).nodes.map((node) => node.id).sort();
  assert.deepEqual(await ids(), ["__end__", "__start__", "after", "child"]);
  for (const xray of [true, 1]) {
    assert.deepEqual(await ids({ xray }), ["__end__", "__start__", "after", "child:inner"]);
  }
});

test("subgraphs are described by name", async () => {
  for (const options of [undefined, { recurse: true }, { namespace: "child" }]) {
    const subgraphs = await client.assistants.getSubgraphs("sub", options);
    assert.deepEqual(Object.keys(subgraphs), ["child"]);
    assert.deepEqual(Object.keys(subgraphs.child.state_schema.properties).sort(), ["log", "text"]);
  }
  assert.deepEqual(await client.assistants.getSubgraphs("echo"), {});
});

test("an unknown assistant is named in the error", async () => {
  const missing = randomUUID();
  await assert.rejects(client.assistants.get(missing), {
    status: 404,
    message: `HTTP 404: {"detail":"Assistant ${missing} not found"}`,
  });
});
