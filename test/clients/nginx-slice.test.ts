/**
 * nginx' slice module fetches content in ranges of 1 MiB to cache it, also an empty blob. Through it, Gantry serves blobs of
 * every size as CNCF distribution 3 does.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { blobOf } from "../support/content.js";
import { freePort } from "../support/free-port.js";
import { startGantry } from "../support/gantry.js";
import { startDistribution3 } from "./distribution-3.js";
import { needs, startDaemon, temporaryFolder } from "./support.js";

const mebibyte = 1024 * 1024;
const blobs = [0, 1, mebibyte - 1, mebibyte, mebibyte + 1, 3 * mebibyte].map((bytes) => blobOf(bytes));

async function startSlicing(
  folder: string,
  upstream: string,
): Promise<AsyncDisposable & { readonly url: string }> {
  await mkdir(folder);
  const port = await freePort();
  await writeFile(
    join(folder, "nginx.conf"),
    `user root; error_log stderr; pid ${folder}/nginx.pid; events {}
http {
  access_log off;
  proxy_cache_path ${folder}/cache keys_zone=blobs:1m;
  proxy_temp_path ${folder}/temp;
  server {
    listen 127.0.0.1:${port};
    location / {
      slice 1m;
      proxy_cache blobs;
      proxy_cache_key $uri$slice_range;
      proxy_cache_valid 200 206 1h;
      proxy_ignore_headers Cache-Control;
      proxy_set_header Range $slice_range;
      proxy_set_header Host $http_host;
      proxy_http_version 1.1;
      proxy_pass ${upstream};
    }
  }
}
`,
  );
  const url = `http://127.0.0.1:${port}`;
  const daemon = await startDaemon(
    "nginx",
    ["-p", folder, "-c", join(folder, "nginx.conf"), "-g", "daemon off;"],
    () => fetch(`${url}/v2/`),
  );
  return { url, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}

for (const kind of ["Gantry", "distribution 3"] as const) {
  test(`blobs are sent through nginx in slices from ${kind}`, {
    skip: needs("nginx", "registry"),
  }, async () => {
    await using folder = await temporaryFolder();
    await using upstream =
      kind === "Gantry" ? await startGantry() : await startDistribution3(folder.path, "registry");
    const client = new Client(upstream.url);
    for (const { bytes, digest } of blobs) {
      const { pathname, search } = new URL(await client.openUpload("team/app"), upstream.url);
      const headers = { "Content-Type": "application/octet-stream" };
      assert.equal((await client.close(pathname + search, digest, bytes, headers)).status, 201);
    }
    await using slicing = await startSlicing(join(folder.path, "nginx"), upstream.url);
    const through = new Client(slicing.url);
    // The second time from nginx' cache.
    for (const { bytes, digest } of [...blobs, ...blobs]) {
      const answer = await through.get(`/v2/team/app/blobs/${digest}`);
      assert.equal(answer.status, 200, `${bytes.length} bytes`);
      assert.equal(`sha256:${createHash("sha256").update(answer.body).digest("hex")}`, digest);
    }
  });
}
