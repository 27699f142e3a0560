// Logging in to the web page at a login server (OpenID Connect), and what a lying or broken one can do.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Answer, serve } from "../support/client.js";
import { gantry as command } from "../support/command.js";
import { index } from "../support/content.js";
import type { GantrySettings } from "../support/gantry.js";
import { startInside } from "../support/inside.js";
import { ecKeys, type Json, nowSeconds, signJwt } from "../support/jwt.js";
import { basic, LoginFiles } from "../support/login.js";
import { clientId, clientSecret, sendJson, startLoginServer, tokenPath } from "../support/login-server.js";
import { discoveryPath, keysPath } from "../support/oidc-issuer.js";
import { eventually } from "../support/store.js";
import { cookiesOf, loggedIn, nextIn, Visitor } from "../support/visitor.js";

const files = await LoginFiles.make();
await files.users({ alice: "alice's" });
await files.policy(`
robots: { users: "oidc:alice" }
rules:
  - { repositories: "team/**", users: "oidc:alice", allow: pull }
  - { repositories: "ops/**", groups: operators, allow: pull }
  - { repositories: "ci/**", claims: { repository: acme/app }, allow: pull }
  - { repositories: "**", users: alice, allow: admin }
`);
const issuer = await startLoginServer();
after(() => issuer[Symbol.asyncDispose]());
const audit = join(files.folder, "audit.log");
const settings = {
  ...files.settings,
  REGISTRY_HTTP_UI_ENABLED: "true",
  REGISTRY_LIMITS_LOGINS_FAILURES: "1000000",
  REGISTRY_AUDIT_TO: audit,
  REGISTRY_AUTH_OIDC_ISSUER: issuer.url,
  REGISTRY_AUTH_OIDC_CLIENTID: clientId,
  REGISTRY_AUTH_OIDC_CLIENTSECRETFILE: await files.write("secret", `${clientSecret}\n`),
  REGISTRY_AUTH_OIDC_USERNAMECLAIM: "preferred_username",
  REGISTRY_AUTH_OIDC_GROUPSCLAIM: "groups",
  REGISTRY_AUTH_OIDC_LABEL: "Example & Co",
};
const { gantry, client } = await serve(settings);
const { url } = gantry;
const alice: Json = { sub: "1", preferred_username: "alice", groups: ["operators"] };

/** Goes to the login server. */
async function leave(visitor: Visitor, to = "/ui/"): Promise<string> {
  const answer = await visitor.get(`/ui/oidc/login?${new URLSearchParams({ to })}`);
  assert.equal(answer.status, 303, answer.body.toString());
  return answer.headers.location ?? "";
}

function comeBack(visitor: Visitor, query: URLSearchParams): Promise<Answer> {
  // The browser sends no strict cookie.
  const cookies = visitor.cookieHeader.replace(/gantry-session=[^;]*;? ?/, "");
  return visitor.get(`/ui/oidc/callback?${query}`, { Cookie: cookies, "Sec-Fetch-Site": "cross-site" });
}

async function logIn(visitor: Visitor, person: Json, header?: Json): Promise<Answer> {
  return comeBack(visitor, issuer.authorize(await leave(visitor), person, header));
}

async function isIn(visitor: Visitor): Promise<boolean> {
  return (await visitor.get("/ui/")).status === 200;
}

/** Replaces an answer of the login server while `work` runs. */
async function answering<T>(path: string, answer: RequestListener, work: () => Promise<T>): Promise<T> {
  const before = issuer.answers.get(path);
  issuer.answers.set(path, answer);
  try {
    return await work();
  } finally {
    if (before !== undefined) issuer.answers.set(path, before);
  }
}

const pushed = index([]);
for (const name of ["team/app", "ops/tool", "private/app", "ci/app"]) {
  const { status } = await client.request("PUT", `/v2/${name}/manifests/v1`, {
    body: pushed.bytes,
    headers: { ...basic("alice", "alice's"), "Content-Type": pushed.mediaType },
  });
  assert.equal(status, 201);
}

test("people log in at the login server, and come back to their page", async () => {
  const visitor = new Visitor(url);
  const page = await visitor.open("/ui/login?to=/ui/%3Fin=team");
  assert.match(page.body.toString(), /Log in with Example &amp; Co/);
  const at = await leave(visitor, "/ui/?in=team");
  const asked = new URL(at).searchParams;
  assert.equal(asked.get("scope"), "openid profile email");
  assert.equal(asked.get("redirect_uri"), `${url}/ui/oidc/callback`);
  const answer = await comeBack(visitor, issuer.authorize(at, alice));
  assert.equal(answer.status, 200, answer.body.toString());
  assert.equal(nextIn(answer), "/ui/?in=team");
  const html = (await visitor.get("/ui/")).body.toString();
  assert.match(html, />oidc:alice</);
  assert.match(html, /team/);
  assert.match(html, />ops\//, "by group");
  assert.doesNotMatch(html, /private/, "of a user with that name and a password");
  assert.equal((await visitor.get("/ui/robots")).status, 200);
});

test("the cookies of a login are for the way back only, and its session is strict", async () => {
  const visitor = new Visitor(url);
  const led = await visitor.get("/ui/oidc/login");
  const [flow, ...none] = cookiesOf(led);
  assert.deepEqual(none, []);
  assert.equal(flow?.name, "gantry-oidc");
  assert.deepEqual(Object.fromEntries(flow.attributes), {
    path: "/ui/oidc/",
    httponly: "",
    samesite: "Lax",
    "max-age": "600",
  });
  const answer = await comeBack(visitor, issuer.authorize(led.headers.location ?? "", alice));
  const cookies = new Map(cookiesOf(answer).map(({ name, attributes }) => [name, attributes]));
  assert.equal(cookies.get("gantry-oidc")?.get("max-age"), "0");
  assert.equal(cookies.get("gantry-session")?.get("samesite"), "Strict");
});

test("the audit log has the person, and nothing of the code", async () => {
  const visitor = new Visitor(url);
  const query = issuer.authorize(await leave(visitor), alice);
  await comeBack(visitor, query);
  const text = await eventually("the line", async () => {
    const lines = await readFile(audit, "utf8");
    return lines.includes("/ui/oidc/callback") ? lines : undefined;
  });
  const line = JSON.parse(text.split("\n").findLast((one) => one.includes("/ui/oidc/callback")) ?? "");
  assert.deepEqual([line.action, line.subject, line.outcome], ["login", "user:oidc:alice", "granted"]);
  assert.equal(text.includes(query.get("code") ?? ""), false);
});

test("claims that the ID token lacks are in the user info", async () => {
  issuer.infos.set("7", { preferred_username: "alice", groups: "operators" });
  const visitor = new Visitor(url);
  assert.equal((await logIn(visitor, { sub: "7" })).status, 200);
  assert.match((await visitor.get("/ui/")).body.toString(), />ops\//);
  issuer.infos.set("8", { sub: "7", preferred_username: "alice" });
  assert.equal((await logIn(new Visitor(url), { sub: "8" })).status, 401, "another person's info");
});

test("claims of a person are not those of a CI job, and groups need not be valid", async () => {
  for (const groups of [[], [1, null, {}, "a\u0000b"], { operators: true }, null, "x".repeat(10_000)]) {
    const visitor = new Visitor(url);
    const answer = await logIn(visitor, { ...alice, groups, repository: "acme/app" });
    assert.equal(answer.status, 200, answer.body.toString());
    const html = (await visitor.get("/ui/")).body.toString();
    assert.match(html, /team/);
    // Its random tokens may contain such short names.
    assert.doesNotMatch(html, />(ops|ci)\//);
  }
});

test("of many groups, those that the policy names are kept", async () => {
  const groups = [...Array.from({ length: 2000 }, (_, number) => `group-${number}`), "operators"];
  const visitor = new Visitor(url);
  assert.equal((await logIn(visitor, { ...alice, groups })).status, 200);
  assert.match((await visitor.get("/ui/")).body.toString(), />ops\//);
});

/** Each is tried with a valid code of a valid flow. */
const badTokens: Readonly<Record<string, { readonly claims?: Json; readonly header?: Json }>> = {
  "another nonce": { claims: { nonce: "another" } },
  "no nonce": { claims: { nonce: undefined } },
  "another audience": { claims: { aud: "other" } },
  "more audiences, for another party": { claims: { aud: [clientId, "other"], azp: "other" } },
  "another issuer": { claims: { iss: "https://evil.example" } },
  "an expired token": { claims: { exp: nowSeconds() - 3600 } },
  "no expiry": { claims: { exp: undefined } },
  "a token that is not valid yet": { claims: { nbf: nowSeconds() + 3600 } },
  "no subject": { claims: { sub: undefined } },
  "no name": { claims: { preferred_username: undefined } },
  "a name that is no text": { claims: { preferred_username: ["alice"] } },
  "an empty name": { claims: { preferred_username: "" } },
  "a name with a line break": { claims: { preferred_username: "alice\nadmin" } },
  "a long name": { claims: { preferred_username: "a".repeat(300) } },
  "an unknown key": { header: { kid: "unknown" } },
};
for (const [what, { claims, header }] of Object.entries(badTokens)) {
  test(`an ID token with ${what} lets nobody in`, async () => {
    const visitor = new Visitor(url);
    const answer = await logIn(visitor, { ...alice, ...claims }, header);
    assert.equal(answer.status, 401, answer.body.toString());
    assert.match(answer.body.toString(), /role="alert"/);
    assert.equal(await isIn(visitor), false);
  });
}

const forgeries: Readonly<Record<string, (claims: Json) => string | undefined>> = {
  "no ID token": () => undefined,
  "a token of another key": (claims) =>
    signJwt({ alg: "ES256", typ: "JWT", kid: "key-1" }, claims, ecKeys().privateKey),
  "an unsigned token": (claims) => signJwt({ alg: "none" }, claims, "nothing"),
  "a token signed with the client's secret": (claims) =>
    signJwt({ alg: "HS256", kid: "key-1" }, claims, { secret: clientSecret }),
  "a token without a signature": (claims) => signJwt({ alg: "ES256", kid: "key-1" }, claims, "nothing"),
  text: () => "a.b.c",
};
for (const [what, forge] of Object.entries(forgeries)) {
  test(`${what} from the token endpoint lets nobody in`, async () => {
    const visitor = new Visitor(url);
    const at = await leave(visitor);
    const nonce = new URL(at).searchParams.get("nonce");
    const now = nowSeconds();
    const claims = { iss: issuer.url, aud: clientId, iat: now, exp: now + 300, nonce, ...alice };
    const token: RequestListener = (_, response) =>
      sendJson(response, 200, { access_token: "a", token_type: "Bearer", id_token: forge(claims) });
    const answer = await answering(tokenPath, token, () => comeBack(visitor, issuer.authorize(at, alice)));
    assert.equal(answer.status, 401, answer.body.toString());
    assert.equal(await isIn(visitor), false);
  });
}

const wrongQueries: Readonly<Record<string, (query: URLSearchParams) => void>> = {
  "another state": (query) => query.set("state", "another"),
  "no state": (query) => query.delete("state"),
  "two states": (query) => query.append("state", "another"),
  "another code": (query) => query.set("code", "another"),
  "no code": (query) => query.delete("code"),
  "another issuer": (query) => query.set("iss", "https://evil.example"),
  "no issuer, although the login server tells it": (query) => query.delete("iss"),
};
for (const [what, change] of Object.entries(wrongQueries)) {
  test(`coming back with ${what} lets nobody in`, async () => {
    const visitor = new Visitor(url);
    const query = issuer.authorize(await leave(visitor), alice);
    change(query);
    const answer = await comeBack(visitor, query);
    assert.equal(answer.status, 401, answer.body.toString());
    assert.equal(await isIn(visitor), false);
  });
}

test("a code counts once, and only in the browser that has asked for it", async () => {
  const visitor = new Visitor(url);
  const query = issuer.authorize(await leave(visitor), alice);
  const flow = visitor.cookies.get("gantry-oidc") ?? "";
  const stranger = new Visitor(url);
  assert.equal((await comeBack(stranger, query)).status, 400, "no flow");
  await leave(stranger);
  assert.equal((await comeBack(stranger, query)).status, 401, "another flow");
  for (const forged of [`${flow}A`, flow.slice(4), "a.b", visitor.cookies.get("gantry-form") ?? "x"]) {
    stranger.cookies.set("gantry-oidc", forged);
    assert.equal((await comeBack(stranger, query)).status, 400, "a forged flow");
  }
  assert.equal((await comeBack(visitor, query)).status, 200);
  visitor.cookies.delete("gantry-session");
  assert.equal((await comeBack(visitor, query)).status, 400, "the flow has ended");
  visitor.cookies.set("gantry-oidc", flow);
  assert.equal((await comeBack(visitor, query)).status, 401, "the code is used");
  assert.equal(await isIn(visitor), false);
});

test("the refusal of the login server is shown as text, and ends no session", async () => {
  const visitor = await loggedIn(url, "alice", "alice's");
  const state = new URL(await leave(visitor)).searchParams.get("state") ?? "";
  const query = new URLSearchParams({
    error: "access_denied",
    error_description: "<script>alert(1)</script>\u202e",
    state,
    iss: issuer.url,
  });
  const answer = await comeBack(visitor, query);
  const html = answer.body.toString();
  assert.equal(answer.status, 403, html);
  assert.match(html, /access_denied/);
  assert.doesNotMatch(html, /<script>alert|\u202e/);
  assert.ok(await isIn(visitor));
});

const broken: Readonly<Record<string, RequestListener>> = {
  "an error": (_, response) => response.writeHead(500).end("internal error"),
  "no JSON": (_, response) => response.writeHead(200, { "Content-Type": "application/json" }).end("{"),
  "a page": (_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<p>"),
  "a redirect": (_, response) => response.writeHead(302, { Location: "http://127.0.0.1:1/" }).end(),
  "nothing, and the connection closed": (request) => request.socket.destroy(),
  "a megabyte": (_, response) =>
    response.writeHead(200, { "Content-Type": "application/json" }).end(`{"a":"${"a".repeat(1_000_000)}"}`),
  "a body without an end": (request, response) => {
    response.writeHead(200, { "Content-Type": "application/json" });
    const timer = setInterval(() => response.write(" "), 100);
    request.socket.once("close", () => clearInterval(timer));
  },
  silence: () => {},
};
for (const [what, answer] of Object.entries(broken)) {
  test(`${what} from the login server is told within seconds, and others log in meanwhile`, async () => {
    for (const path of [tokenPath, keysPath, discoveryPath]) {
      // Each server asks for the keys and the endpoints once.
      await using fresh = await startInside(settings);
      const visitor = new Visitor(fresh.url);
      const begun = performance.now();
      const failing = answering(path, answer, async () => {
        const led = await visitor.get("/ui/oidc/login");
        if (led.status !== 303) return led;
        return comeBack(visitor, issuer.authorize(led.headers.location ?? "", alice));
      });
      assert.ok(await isIn(await loggedIn(fresh.url, "alice", "alice's")));
      const { status, body } = await failing;
      assert.ok(status === 401 || status === 502, `${path}: ${status} ${body.toString()}`);
      assert.ok(performance.now() - begun < 8_000);
      assert.equal(await isIn(visitor), false);
      assert.match(fresh.log(), /a login by OpenID Connect failed/);
    }
  });
}

test("a discovery document of another issuer is refused", async () => {
  await using fresh = await startInside(settings);
  const other: RequestListener = (_, response) =>
    sendJson(response, 200, { issuer: "https://evil.example", authorization_endpoint: `${issuer.url}/x` });
  const answer = await answering(discoveryPath, other, () => new Visitor(fresh.url).get("/ui/oidc/login"));
  assert.equal(answer.status, 502, answer.body.toString());
});

test("the login server may change its key", async () => {
  await logIn(new Visitor(url), alice);
  issuer.rotate();
  // The client asks for keys again at most once a minute.
  await using fresh = await startInside(settings);
  const visitor = new Visitor(fresh.url);
  const led = await visitor.get("/ui/oidc/login");
  const answer = await comeBack(visitor, issuer.authorize(led.headers.location ?? "", alice));
  assert.equal(answer.status, 200, answer.body.toString());
});

test("invalid answers count like wrong passwords", async () => {
  await using limited = await startInside({ ...settings, REGISTRY_LIMITS_LOGINS_FAILURES: "3" });
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 5; attempt++) {
    const visitor = new Visitor(limited.url);
    const led = await visitor.get("/ui/oidc/login");
    const query = issuer.authorize(led.headers.location ?? "", alice);
    query.set("code", `guess-${attempt}`);
    statuses.push((await comeBack(visitor, query)).status);
  }
  assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
});

test("a session lasts across a restart, unless the settings name another client or claim", async () => {
  const root = join(files.folder, "store");
  const visitor = new Visitor("");
  const found: boolean[] = [];
  for (const change of [
    {},
    {},
    { REGISTRY_AUTH_OIDC_USERNAMECLAIM: "sub" },
    { REGISTRY_AUTH_OIDC_CLIENTID: "other" },
    { REGISTRY_AUTH_OIDC_ISSUER: "http://127.0.0.1:1" },
  ]) {
    await using server = await startInside({ ...settings, ...change }, root);
    const at = new Visitor(server.url);
    if (visitor.cookies.size === 0) {
      const led = await at.get("/ui/oidc/login");
      await comeBack(at, issuer.authorize(led.headers.location ?? "", alice));
      for (const [name, value] of at.cookies) visitor.cookies.set(name, value);
    }
    at.cookies.set("gantry-session", visitor.cookies.get("gantry-session") ?? "");
    found.push(await isIn(at));
  }
  assert.deepEqual(found, [true, true, false, false, false]);
});

test("behind a proxy, the login server leads back to http.host", async () => {
  await using named = await startInside({ ...settings, REGISTRY_HTTP_HOST: "https://registry.example.com" });
  const led = await new Visitor(named.url).get("/ui/oidc/login");
  assert.equal(
    new URL(led.headers.location ?? "").searchParams.get("redirect_uri"),
    "https://registry.example.com/ui/oidc/callback",
  );
  assert.equal(cookiesOf(led)[0]?.name, "__Secure-gantry-oidc");
  const unknown = await new Visitor(url, { Host: "registry.lan" }).get("/ui/oidc/login");
  assert.equal(unknown.status, 400);
  assert.match(unknown.body.toString(), /http\.host/);
});

test("the setting needs a policy, and one secret", async () => {
  const { REGISTRY_AUTH_POLICY: _, ...rest }: GantrySettings = settings;
  const without = await command(gantry.root, ["config", "check"], rest);
  assert.notEqual(without.code, 0);
  assert.match(without.stdout + without.stderr, /needs auth\.policy/);
  const both = await command(gantry.root, ["config", "check"], {
    ...settings,
    REGISTRY_AUTH_OIDC_CLIENTSECRET: "secret",
  });
  assert.notEqual(both.code, 0);
  assert.match(both.stdout + both.stderr, /both clientsecret and clientsecretfile/);
});

test("gantry config check reaches the login server, or warns", async () => {
  const fine = await command(gantry.root, ["config", "check"], settings);
  assert.equal(fine.code, 0, fine.stderr);
  assert.match(fine.stdout, /it is a login server/);
  const away = { ...settings, REGISTRY_AUTH_OIDC_ISSUER: "http://127.0.0.1:1" };
  const warned = await command(gantry.root, ["config", "check"], away);
  assert.equal(warned.code, 0, warned.stderr);
  assert.match(warned.stdout + warned.stderr, /cannot be reached/);
  const empty = { ...settings, REGISTRY_AUTH_OIDC_CLIENTSECRETFILE: await files.write("empty", "\n") };
  const failed = await command(gantry.root, ["config", "check"], empty);
  assert.notEqual(failed.code, 0);
  assert.match(failed.stdout + failed.stderr, /empty/);
});

test("a login server that is away does not stop a start", async () => {
  await using fresh = await startInside({ ...settings, REGISTRY_AUTH_OIDC_ISSUER: "http://127.0.0.1:1" });
  const answer = await new Visitor(fresh.url).get("/ui/oidc/login");
  assert.equal(answer.status, 502);
  assert.ok(await isIn(await loggedIn(fresh.url, "alice", "alice's")));
});

test("a server without a login server has none of its pages", async () => {
  const plain = await serve({ ...files.settings, REGISTRY_HTTP_UI_ENABLED: "true" });
  for (const path of ["/ui/oidc/login", "/ui/oidc/callback?code=a&state=b"])
    assert.equal((await new Visitor(plain.gantry.url).get(path)).status, 404);
});
