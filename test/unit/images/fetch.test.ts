import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { fetchImage } from "../../../images/fetch.ts";

/** As qemu-img writes it, with something behind. */
function qcow2(): Buffer {
  const file = join(mkdtempSync(join(tmpdir(), "hyperlab-fetch-")), "image.qcow2");
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", file, "1M"]);
  const bytes = readFileSync(file);
  rmSync(dirname(file), { recursive: true });
  return Buffer.concat([bytes, Buffer.alloc(900_000, 7)]);
}

const content = qcow2();
const page = Buffer.from("<html>a mirror's page</html>");
const digestOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const sha256 = digestOf(content);
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
    else if (request.url === "/page") response.end(page);
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
  ["what is no qcow2 image", "/page", digestOf(page), /is not a qcow2 image: it is a web page/],
  ["a missing file", "/none", sha256, /the server answers 404/],
  ["a cut connection", "/cut", sha256, /./],
])("refuses %s and leaves nothing behind", async (_what, path, expected, message) => {
  await expect(fetchImage({ url: url + path, sha256: expected, folder })).rejects.toThrow(message);
  expect(readdirSync(folder)).toEqual([]);
});
