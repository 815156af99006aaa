// What all tests need: a client of the server in SKEINO_URL, and ways to look at streams.

import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Client } from "@langchain/langgraph-sdk";

export const url = process.env.SKEINO_URL;

// No retries: they would hide a server that fails now and then.
export const client = new Client({ apiUrl: url, apiKey: null, callerOptions: { maxRetries: 0 } });

export async function newThread(options) {
  return (await client.threads.create(options)).thread_id;
}

export async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

export const run = (threadId, graph, options) => collect(client.runs.stream(threadId, graph, options));

export const names = (parts) => parts.map((part) => part.event);

export const payloads = (parts, name) => parts.filter((part) => part.event === name).map((part) => part.data);

export const human = (text) => ({ messages: [{ type: "human", content: text }] });

/** The folder through which a test talks to the graph `two_steps`; see tests/graphs/told.py. */
export class Folder {
  static async make(test) {
    const folder = new Folder(await mkdtemp(join(tmpdir(), "told-")));
    test.after(() => folder.open("gate")); // nobody is left waiting
    return folder;
  }

  constructor(path) {
    this.input = { folder: path };
  }

  open(name) {
    return writeFile(join(this.input.folder, name), "");
  }
}
