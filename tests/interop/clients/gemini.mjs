// A language model that does as a test says, for Gemini CLI (the Gemini API with streamed answers):
//
//   node gemini.mjs TOOL
//
// As model.mjs: it wants the tool called, and after the result once more, and says both results then. Before it answers
// to the first result it prints the line `between` and waits for a line on its standard input. The first line on
// standard output is its own address. It ends when its standard input does.

import { createServer } from "node:http";
import { createInterface } from "node:readline";

const tool = process.argv[2];
const input = createInterface({ input: process.stdin });
const goOn = new Promise((resolve) => input.once("line", resolve));
input.on("close", () => process.exit());

const call = [{ functionCall: { name: tool, args: {} } }];

async function parts({ contents = [] }) {
  const results = contents
    .flatMap(({ parts }) => parts ?? [])
    .filter(({ functionResponse }) => functionResponse?.name === tool)
    .map(({ functionResponse }) => functionResponse.response.output);
  if (results.length === 0) return call;
  if (results.length > 1) return [{ text: results.join(" and ") }];
  console.log("between");
  await goOn;
  return call;
}

const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  if (!request.url.includes(":streamGenerateContent")) {
    // What the client asks beside the conversation, in schemas of its own.
    response.writeHead(404, { "content-type": "application/json" }).end('{"error":{"code":404,"status":"NOT_FOUND"}}');
    return;
  }
  const content = { role: "model", parts: await parts(JSON.parse(body)) };
  const usageMetadata = { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 };
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(`data: ${JSON.stringify({ candidates: [{ content, finishReason: "STOP", index: 0 }], usageMetadata })}\n\n`);
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
