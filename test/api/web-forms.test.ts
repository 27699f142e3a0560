// Forms that another site sends from a visitor's browser are refused, on every row of the table that takes a form.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Route } from "../../src/http/router.js";
import { webRoutes } from "../../src/http/web/routes.js";
import { serve } from "../support/client.js";
import { index } from "../support/content.js";
import { basic, LoginFiles, newRobot } from "../support/login.js";
import { storedByRequests } from "../support/store.js";
import { loggedIn, tokenIn, Visitor } from "../support/visitor.js";

const files = await LoginFiles.make();
await files.users({ alice: "alice's" });
await files.policy(`
robots: { users: alice }
rules: [{ repositories: "**", users: alice, allow: admin }]
`);
const { gantry, client } = await serve({
  ...files.settings,
  REGISTRY_HTTP_UI_ENABLED: "true",
  REGISTRY_STORAGE_DELETE_ENABLED: "true",
});
const { url } = gantry;
const earlier = index([], { annotations: { version: "earlier" } });
const pushed = index([]);
await newRobot(gantry.root, "ci", "--scope", "team/**:pull");

/** Pushes both indexes: the tag points to `pushed` then, and its history has `earlier`. */
async function pushTag(): Promise<void> {
  for (const { bytes, mediaType } of [earlier, pushed]) {
    const headers = { ...basic("alice", "alice's"), "Content-Type": mediaType };
    const { status } = await client.request("PUT", "/v2/team/app/manifests/v1", { body: bytes, headers });
    assert.equal(status, 201);
  }
}

await pushTag();

const rows: readonly Route[] = webRoutes;
const forms = rows.filter(({ methods }) => methods.includes("POST"));

/** Fields with which each action does something. */
const fields = {
  ...{ user: "alice", password: "alice's", confirmed: "yes", confirm: "yes" },
  ...{ "digest of v1": pushed.digest, robot: "ci", to: "/ui/" },
  ...{ name: "forged", repositories: "**", permissions: "admin", expires: "never" },
};

/** The query says which tag to delete, and what to roll it back to. */
function pathOf(row: Route): string {
  const query = new URLSearchParams({ tag: "v1", digest: earlier.digest, from: pushed.digest });
  return `${row.path.replace("<name>", "team/app").replace(/<[a-z]+>$/, "v1")}?${query}`;
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
  return [tag.status, tag.headers["docker-content-digest"], await storedByRequests(gantry.root)];
}

test("the table has forms", () => assert.ok(forms.length >= 2));

test("a visitor whose browser refuses cookies is told so", async () => {
  const form = await new Visitor(url).formToken();
  const answer = await new Visitor(url).post("/ui/login", { form, user: "alice", password: "alice's" });
  assert.equal(answer.status, 403);
  assert.match(answer.body.toString(), /accept cookies from here/);
});

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
      (await visitor.post(`${path}&form=${form}`, fields)).status,
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

  // A login changes only the visitor's cookies.
  if (row.action !== "login")
    test(`${row.path} does what the refused forms ask for, with the token of the session`, async () => {
      const visitor = await loggedIn(url, "alice", "alice's");
      await pushTag();
      const before = await state();
      const answer = await visitor.post(path, { form: await visitor.formToken("/"), ...fields });
      assert.ok(answer.status < 400, answer.body.toString());
      assert.notDeepEqual(await state(), before);
      await pushTag();
    });

  test(`${row.path} takes a form of its own page`, async () => {
    for (const headers of [{}, { Origin: url }, { Origin: url, "Sec-Fetch-Site": "same-origin" }]) {
      const visitor = await loggedIn(url, "alice", "alice's");
      const answer = await visitor.post(path, { form: await visitor.formToken("/") }, headers);
      assert.ok(answer.status < 500 && answer.status !== 403, answer.body.toString());
    }
  });

  if (!rows.some((other) => other.path === row.path && other.methods.includes("GET")))
    test(`${row.path} is no page`, async () => {
      const visitor = await loggedIn(url, "alice", "alice's");
      assert.equal((await visitor.get(path)).status, 405);
    });
}
