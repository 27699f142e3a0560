// Headers that depend on settings: those of every response, and the scheme and host of a Location.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";
import { blobOf, newName } from "../support/content.js";
import type { GantrySettings } from "../support/gantry.js";

const plain = await serve();
const other = await serve({ REGISTRY_HTTP_HEADERS: "{x-content-type-options: [other], X-A: [b]}" });
const none = await serve({ REGISTRY_HTTP_HEADERS: "{X-Content-Type-Options: []}" });

test("every response forbids browsers to guess its type, unless the settings say otherwise", async () => {
  const name = newName();
  const blob = blobOf(100);
  for (const [{ client }, expected] of [
    [plain, "nosniff"],
    [other, "other"],
    [none, undefined],
  ] as const) {
    await client.pushBlobs(name, blob);
    const answers = [
      await client.get("/v2/"),
      await client.get(`/v2/${name}/blobs/${blob.digest}`),
      await client.head(`/v2/${name}/blobs/${blob.digest}`),
      await client.get(`/v2/${name}/manifests/none`),
      await client.get("/nothing"),
      await client.get("/livez"),
      await client.request("POST", `/v2/${name}/blobs/uploads/`, { body: "" }),
    ];
    for (const { headers } of answers) assert.equal(headers["x-content-type-options"], expected);
  }
});

const viaHttps = { Host: "registry.example", "X-Forwarded-Proto": "https" };

for (const [what, settings, headers, expected] of [
  ["is a path", {}, viaHttps, ""],
  [
    "is a path if the client's scheme is unknown",
    { REGISTRY_HTTP_RELATIVEURLS: "false" },
    { Host: "registry.example" },
    "",
  ],
  [
    "has the host requested over HTTPS",
    { REGISTRY_HTTP_RELATIVEURLS: "false", REGISTRY_HTTP_TRUSTEDPROXIES: "[127.0.0.1]" },
    viaHttps,
    "https://registry.example",
  ],
  [
    "has http.host",
    { REGISTRY_HTTP_RELATIVEURLS: "false", REGISTRY_HTTP_HOST: "https://public.example" },
    {},
    "https://public.example",
  ],
] as const satisfies readonly (readonly [string, GantrySettings, Record<string, string>, string])[]) {
  const { gantry, client } = await serve(settings);
  test(`with ${JSON.stringify(settings)}, a Location ${what}`, async () => {
    const answer = await client.request("POST", `/v2/${newName()}/blobs/uploads/`, { headers, body: "" });
    assert.equal(answer.status, 202);
    const location = String(answer.headers.location);
    assert.equal(location.slice(0, location.indexOf("/v2/")), expected);
    const isTold = "REGISTRY_HTTP_RELATIVEURLS" in settings && !("REGISTRY_HTTP_HOST" in settings);
    assert.equal(/http\.relativeurls .*: Location is absolute only for clients/.test(gantry.log()), isTold);
  });
}
