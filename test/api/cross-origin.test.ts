// A web page of another origin may read the registry if http.headers says so. Browsers first send a request without
// credentials to ask whether they may send the page's request.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";
import { newName } from "../support/content.js";
import { LoginFiles } from "../support/login.js";

const files = await LoginFiles.make();
await files.users({ alice: "alice's password" });
const { REGISTRY_AUTH_HTPASSWD_PATH = "" } = files.settings;
const { client } = await serve({
  REGISTRY_AUTH_HTPASSWD_PATH,
  REGISTRY_HTTP_HEADERS: `{Access-Control-Allow-Origin: ["https://ui.example"], Access-Control-Allow-Methods: ["HEAD, GET, OPTIONS, DELETE"], Access-Control-Allow-Headers: ["Authorization, Accept"], Access-Control-Allow-Credentials: ["true"]}`,
});

const preflight = {
  Origin: "https://ui.example",
  "Access-Control-Request-Method": "DELETE",
  "Access-Control-Request-Headers": "authorization",
};
const name = newName();
for (const path of [
  "/v2/",
  "/v2/_catalog",
  `/v2/${name}/tags/list`,
  `/v2/${name}/manifests/latest`,
  "/token",
  "/",
]) {
  test(`a preflight of ${path} gets 200 with the headers, without a login`, async () => {
    const answer = await client.request("OPTIONS", path, { headers: preflight });
    assert.equal(answer.status, 200);
    assert.equal(answer.body.length, 0);
    assert.equal(answer.headers["www-authenticate"], undefined);
    assert.equal(answer.headers["access-control-allow-origin"], "https://ui.example");
    assert.equal(answer.headers["access-control-allow-methods"], "HEAD, GET, OPTIONS, DELETE");
    assert.equal(answer.headers["access-control-allow-headers"], "Authorization, Accept");
  });
}

test("the request itself still needs the login, and the page can read its refusal", async () => {
  const answer = await client.get(`/v2/${name}/tags/list`, { Origin: "https://ui.example" });
  assert.equal(answer.status, 401);
  assert.equal(answer.headers["access-control-allow-origin"], "https://ui.example");
});

test("a preflight reveals nothing about stored content", async () => {
  const [one, other] = await Promise.all(
    [name, "UPPER"].map((of) =>
      client.request("OPTIONS", `/v2/${of}/manifests/latest`, { headers: preflight }),
    ),
  );
  assert.deepEqual([one?.status, one?.headers.allow], [other?.status, other?.headers.allow]);
});
