import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { fetchImage } from "../../../images/fetch.ts";

const content = Buffer.from("an image ".repeat(100_000));
const sha256 = createHash("sha256").update(content).digest("hex");
let folder = "";
let server: Server;
let requests = 0;
let url = "";

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hyperlab-fetch-"));
  requests = 0;
  server = createServer((request, response) => {
    requests += 1;
    if (request.url === "/image") response.end(content);
    else if (request.url === "/cut") {
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, 1000), () => response.destroy());
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  url = typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : "";
});

afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

it("downloads once", async () => {
  const image = await fetchImage({ url: `${url}/image`, sha256, folder });
  expect(readFileSync(image.path)).toEqual(content);
  expect(await fetchImage({ url: `${url}/image`, sha256, folder })).toEqual(image);
  expect(requests).toBe(1);
});

it.each([
  [
    "another content",
    "/image",
    "0".repeat(64),
    /is not the declared one: its SHA-256 is [0-9a-f]{64}, declared is 0{64}/,
  ],
  ["a missing file", "/none", sha256, /the server answers 404/],
  ["a cut connection", "/cut", sha256, /./],
])("refuses %s and leaves nothing behind", async (_what, path, expected, message) => {
  await expect(fetchImage({ url: url + path, sha256: expected, folder })).rejects.toThrow(message);
  expect(readdirSync(folder)).toEqual([]);
});
