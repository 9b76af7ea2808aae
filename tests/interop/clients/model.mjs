// A language model that does as a test says, for Claude Code (the Messages API with streamed answers):
//
//   node model.mjs TOOL
//
// It wants the tool called, and after the result once more, and says both results then. Before it answers to the
// first result it prints the line `between` and waits for a line on its standard input. The first line on standard
// output is its own address. It ends when its standard input does.

import { createServer } from "node:http";
import { createInterface } from "node:readline";

const tool = process.argv[2];
const input = createInterface({ input: process.stdin });
const goOn = new Promise((resolve) => input.once("line", resolve));
input.on("close", () => process.exit());

const results = ({ messages = [] }) =>
  messages
    .flatMap(({ content }) => (Array.isArray(content) ? content : []))
    .filter(({ type }) => type === "tool_result")
    .map(({ content }) => (Array.isArray(content) ? content.map(({ text }) => text).join() : content));

const says = (text) => [{ type: "text", text: "" }, { type: "text_delta", text }, "end_turn"];
const calls = (id) => [
  { type: "tool_use", id, name: tool, input: {} },
  { type: "input_json_delta", partial_json: "{}" },
  "tool_use",
];

async function answer(asked) {
  const found = results(asked);
  // What the client asks beside the conversation: a title, for example.
  if (!asked.tools?.length) return says("ok");
  if (found.length === 0) return calls("toolu_1");
  if (found.length === 1) {
    console.log("between");
    await goOn;
    return calls("toolu_2");
  }
  return says(found.join(" and "));
}

const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  if (request.method !== "POST" || !request.url.startsWith("/v1/messages?") && request.url !== "/v1/messages") {
    response.writeHead(404).end("{}");
    return;
  }
  const [block, delta, reason] = await answer(JSON.parse(body));
  const message = { id: "msg_1", type: "message", role: "assistant", model: "scripted", content: [], stop_reason: null };
  const usage = { input_tokens: 1, output_tokens: 1 };
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const event of [
    { type: "message_start", message: { ...message, stop_sequence: null, usage } },
    { type: "content_block_start", index: 0, content_block: block },
    { type: "content_block_delta", index: 0, delta },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: 1 } },
    { type: "message_stop" },
  ]) {
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
  response.end();
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
