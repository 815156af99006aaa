// Prints the names of a stream's events as they come: of a run on the thread, or without one, told by the folder.

import { Client } from "@langchain/langgraph-sdk";

const client = new Client({ apiUrl: process.env.SKEINO_URL, apiKey: null }); // with the retries that all have
const [folder, threadId] = process.argv.slice(2);
const options = { input: { folder }, streamMode: ["updates", "custom"], streamResumable: true };

for await (const part of client.runs.stream(threadId ?? null, "two_steps", options)) console.log(part.event);
