// Opens and seals members of token files with jose, for tests/interop_sealed.rs. A request is a line of JSON on standard
// input: {"key", "open"} gives {"plain", "header"}, {"key", "seal", "header"} gives {"text"}; an error gives {"error"}.
import { createInterface } from "node:readline";
import { CompactEncrypt, base64url, compactDecrypt } from "jose";

async function answer({ key, open, seal, header }) {
  const secret = base64url.decode(key);
  if (open !== undefined) {
    const { plaintext, protectedHeader } = await compactDecrypt(open, secret, {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A256GCM"],
    });
    return { plain: new TextDecoder().decode(plaintext), header: protectedHeader };
  }
  const encrypt = new CompactEncrypt(new TextEncoder().encode(seal)).setProtectedHeader(header);
  return { text: await encrypt.encrypt(secret) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const said = await answer(JSON.parse(line)).catch((error) => ({ error: String(error) }));
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
