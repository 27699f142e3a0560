// Forms that another site sends from a visitor's browser are refused, on every row of the table that takes a form.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Route } from "../../src/http/router.js";
import { webRoutes } from "../../src/http/web/routes.js";
import { serve } from "../support/client.js";
import { index } from "../support/content.js";
import { basic, LoginFiles } from "../support/login.js";
import { storedBelow } from "../support/store.js";
import { loggedIn, tokenIn, Visitor } from "../support/visitor.js";

const files = await LoginFiles.make();
await files.users({ alice: "alice's" });
await files.policy(`
robots: { users: alice }
rules: [{ repositories: "**", users: alice, allow: admin }]
`);
const { gantry, client } = await serve({ ...files.settings, REGISTRY_HTTP_UI_ENABLED: "true" });
const { url } = gantry;
const pushed = index([]);
await client
  .request("PUT", "/v2/team/app/manifests/v1", {
    body: pushed.bytes,
    headers: { ...basic("alice", "alice's"), "Content-Type": pushed.mediaType },
  })
  .then(({ status }) => assert.equal(status, 201));

const rows: readonly Route[] = webRoutes;
const forms = rows.filter(({ methods }) => methods.includes("POST"));

/** Fields with which some action could do something. */
const fields = {
  ...{ user: "alice", password: "alice's", confirmed: "yes", confirm: "yes" },
  ...{ tag: "v1", tags: "v1", digest: pushed.digest, reference: "v1", to: "/ui/" },
  ...{ name: "forged", repositories: "**", permissions: "admin", expires: "never" },
};

function pathOf(row: Route): string {
  return row.path.replace("<name>", "team/app").replace(/<[a-z]+>$/, "v1");
}

const { host } = new URL(url);
const foreign: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "the origin of another site": { Origin: "https://evil.example" },
  "the origin of another site at the same port": { Origin: `http://evil.example:${new URL(url).port}` },
  "the origin of another port": { Origin: "http://127.0.0.1:1" },
  "the origin of a sandboxed frame": { Origin: "null" },
  "an origin that contains ours": { Origin: `http://${host}.evil.example` },
  "an origin that ends with ours": { Origin: `http://evil.example/${host}` },
  "two origins": { Origin: `http://${host}, https://evil.example` },
  "a request across sites": { "Sec-Fetch-Site": "cross-site" },
  "a request of a sibling, such as another port": { "Sec-Fetch-Site": "same-site" },
  "a request that is of no site": { "Sec-Fetch-Site": "none" },
  "a request across sites with our origin": { "Sec-Fetch-Site": "cross-site", Origin: url },
  "a form as text": { "Content-Type": "text/plain" },
  "a form in parts": { "Content-Type": "multipart/form-data; boundary=a" },
};

/** What the store contains, and what the tag points to. */
async function state(): Promise<unknown> {
  const tag = await client.head("/v2/team/app/manifests/v1", basic("alice", "alice's"));
  return [tag.status, tag.headers["docker-content-digest"], (await storedBelow(gantry.root)).sort()];
}

test("the table has forms", () => assert.ok(forms.length >= 2));

for (const row of forms) {
  const path = pathOf(row);

  test(`${row.path} is a form whose body and headers are checked`, () => {
    assert.equal(row.body, true);
    assert.equal(row.action === "public" ? undefined : row.page, true);
    for (const header of ["cookie", "origin", "sec-fetch-site", "content-type", "content-length"])
      assert.ok(row.headers.includes(header), header);
  });

  test(`${row.path} refuses forms of other sites, and changes nothing`, async () => {
    const visitor = await loggedIn(url, "alice", "alice's");
    const form = await visitor.formToken("/");
    const before = await state();
    for (const [what, headers] of Object.entries(foreign)) {
      const answer = await visitor.post(path, { form, ...fields }, headers);
      const isTyped = "Content-Type" in headers;
      const html = answer.body.toString();
      assert.equal(answer.status, isTyped ? 400 : 403, `${what}: ${html}`);
      assert.match(html, isTyped ? /Expected a form/ : /This form is not from this page/, what);
      assert.doesNotMatch(answer.headers["set-cookie"]?.join() ?? "", /gantry-session/, what);
    }
    assert.deepEqual(await state(), before);
    assert.equal((await visitor.get("/ui/")).status, 200, "the visitor is still logged in");
  });

  test(`${row.path} refuses forms without the token of the session, and changes nothing`, async () => {
    const visitor = await loggedIn(url, "alice", "alice's");
    const form = await visitor.formToken("/");
    const others = await (await loggedIn(url, "alice", "alice's")).formToken("/");
    const anonymous = tokenIn(await new Visitor(url).open("/ui/login")) ?? "";
    const before = await state();
    for (const token of [others, anonymous, "", form.slice(1), `${form}AA`, form.toLowerCase(), "%00"]) {
      const answer = await visitor.post(path, { form: token, ...fields });
      assert.equal(answer.status, 403, `${token}: ${answer.body.toString()}`);
      assert.match(answer.body.toString(), /This form is not from this page/);
    }
    assert.equal((await visitor.post(path, fields)).status, 403, "without a token");
    assert.equal(
      (await visitor.post(`${path}?form=${form}`, fields)).status,
      403,
      "with a token in the address",
    );
    assert.deepEqual(await state(), before);
    assert.equal((await visitor.get("/ui/")).status, 200);
  });

  test(`${row.path} refuses a form without a session`, async () => {
    const before = await state();
    const { status } = await new Visitor(url).post(path, { form: "", ...fields });
    assert.ok(status === 401 || status === 403, `status ${status}`);
    assert.deepEqual(await state(), before);
  });

  test(`${row.path} takes a form of its own page`, async () => {
    for (const headers of [{}, { Origin: url }, { Origin: url, "Sec-Fetch-Site": "same-origin" }]) {
      const visitor = await loggedIn(url, "alice", "alice's");
      const answer = await visitor.post(path, { form: await visitor.formToken("/") }, headers);
      assert.notEqual(answer.status, 403, answer.body.toString());
    }
  });

  test(`${row.path} is no page`, async () => {
    const visitor = await loggedIn(url, "alice", "alice's");
    if (rows.some((other) => other.path === row.path && other.methods.includes("GET"))) return;
    assert.equal((await visitor.get(path)).status, 405);
  });
}
