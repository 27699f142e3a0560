// Logging in to the web page, its session, and the address to which a login leads.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { SignJWT } from "jose";
import { serve } from "../support/client.js";
import { index } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { ecKeys, jwkSet } from "../support/jwt.js";
import { basic, LoginFiles, newRobot, revokeRobot, tokenFor } from "../support/login.js";
import { startIssuer } from "../support/oidc-issuer.js";
import { RawConnection } from "../support/raw.js";
import { eventually } from "../support/store.js";
import { cookiesOf, loggedIn, nextIn, tokenIn, Visitor } from "../support/visitor.js";

const users = { alice: "alice's", bob: "bob's", leaver: "leaver's", changer: "changer's" };
const files = await LoginFiles.make();
await files.users(users);
await files.policy(`
rules:
  - { repositories: "**", users: alice, allow: admin }
  - { repositories: "team/**", users: [bob, leaver, changer], allow: pull }
`);
const audit = join(files.folder, "audit.log");
const issuer = await startIssuer();
after(() => issuer[Symbol.asyncDispose]());
const ciRule = { claims: { repository: "acme/team" }, repositories: "team/**", permissions: ["pull"] };
const settings = {
  ...files.settings,
  REGISTRY_STORAGE_FILESYSTEM_DURABILITY: "relaxed",
  REGISTRY_HTTP_UI_ENABLED: "true",
  REGISTRY_LIMITS_LOGINS_FAILURES: "1000000",
  REGISTRY_AUDIT_TO: audit,
  REGISTRY_AUTH_TOKENSERVICE_REFRESHLIFETIME: "1h",
  REGISTRY_AUTH_WORKLOAD_ISSUERS: JSON.stringify([
    { name: "ci", issuer: issuer.url, audience: "gantry", rules: [ciRule] },
  ]),
};
const { gantry, client } = await serve(settings);
const { url } = gantry;
const robot = await newRobot(gantry.root, "reader", "--scope", "team/**:pull");
await client
  .request("PUT", "/v2/team/app/manifests/v1", {
    body: index([]).bytes,
    headers: { ...basic("alice", "alice's"), "Content-Type": index([]).mediaType },
  })
  .then(({ status }) => assert.equal(status, 201));

/** Whether the page is shown, rather than the login. */
async function isIn(visitor: Visitor): Promise<boolean> {
  const { status } = await visitor.get("/ui/");
  assert.ok(status === 200 || status === 303, `status ${status}`);
  return status === 200;
}

const sessionName = "gantry-session";

function sessionOf(visitor: Visitor): string {
  const value = visitor.cookies.get(sessionName);
  assert.ok(value !== undefined, "there is a session");
  return value;
}

test("a page leads to the login, and the login back to the page", async () => {
  const visitor = new Visitor(url);
  const refused = await visitor.get("/ui/?in=team");
  assert.equal(refused.status, 303);
  const { location = "" } = refused.headers;
  assert.equal(location, "/ui/login?to=%2Fui%2F%3Fin%3Dteam");
  const page = await visitor.open(location);
  assert.equal(page.status, 200);
  const to = /name="to" value="([^"]*)"/.exec(page.body.toString())?.[1] ?? "";
  assert.equal(to, "/ui/?in=team");
  const answer = await visitor.logIn("bob", "bob's", { to });
  assert.equal(answer.status, 303);
  assert.equal(answer.headers.location, "/ui/?in=team");
  assert.equal(answer.headers["cache-control"], "no-store");
  const shown = await visitor.get("/ui/");
  assert.equal(shown.status, 200);
  assert.match(shown.body.toString(), />bob</);
  assert.match(shown.body.toString(), /team/);
});

test("robots log in with their keys, and CI jobs with their tokens", async () => {
  assert.ok(await isIn(await loggedIn(url, robot.user, robot.key)));
  const job = await loggedIn(url, "ci", issuer.token({ sub: "repo:acme/team", repository: "acme/team" }));
  assert.ok(await isIn(job));
});

for (const [what, user, password] of [
  ["a wrong password", "alice", "bob's"],
  ["an unknown user", "nobody", "alice's"],
  ["no password", "alice", ""],
  ["no name", "", "alice's"],
  ["a wrong key of a robot", "robot-reader", "gantry_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  ["another server's token", "ci", "a.b.c"],
] as const) {
  test(`${what} shows the login again, without a session and without the reason`, async () => {
    const visitor = new Visitor(url);
    const answer = await visitor.logIn(user, password, { to: "/ui/?in=team" });
    const html = answer.body.toString();
    assert.equal(answer.status, 401);
    assert.equal(answer.headers["www-authenticate"], undefined);
    assert.match(html, /Wrong name or password\./);
    assert.match(html, /name="to" value="\/ui\/\?in=team"/);
    assert.equal(password !== "" && html.includes(password), false, "the password is not in the page");
    assert.equal(await isIn(visitor), false);
  });
}

test("the session cookie is for this host and its scripts only", async () => {
  const visitor = new Visitor(url);
  const [form] = cookiesOf(await visitor.get("/ui/login?here="));
  const [session, ...others] = cookiesOf(await visitor.logIn("bob", "bob's"));
  assert.deepEqual(others, []);
  const common = { path: "/", httponly: "" };
  assert.equal(form?.name, "gantry-form");
  assert.deepEqual(Object.fromEntries(form.attributes), { ...common, samesite: "Lax" });
  assert.equal(session?.name, sessionName);
  assert.deepEqual(Object.fromEntries(session.attributes), { ...common, samesite: "Strict" });
});

test("a login begins a new session, so that nobody knows it who knew the one before", async () => {
  const visitor = new Visitor(url);
  await visitor.open("/ui/login");
  const before = visitor.cookies.get("gantry-form") ?? "";
  visitor.cookies.set(sessionName, before);
  const answer = await visitor.logIn("bob", "bob's");
  assert.equal(answer.status, 303);
  const stranger = new Visitor(url);
  stranger.cookies.set(sessionName, before);
  stranger.cookies.set("gantry-form", before);
  assert.equal(await isIn(stranger), false);
  assert.notEqual(await visitor.formToken("/"), await stranger.formToken());
});

test("logging out ends the session, also for a copy of the cookie", async () => {
  const visitor = await loggedIn(url, "bob", "bob's");
  const copy = new Visitor(url);
  copy.cookies.set(sessionName, sessionOf(visitor));
  assert.ok(await isIn(copy));
  await visitor.logOut();
  assert.equal(visitor.cookies.has(sessionName), false);
  assert.equal(await isIn(visitor), false);
  assert.equal(await isIn(copy), false);
});

test("a forged or changed session counts as none, and other cookies beside it do no harm", async () => {
  const visitor = await loggedIn(url, "bob", "bob's");
  const valid = sessionOf(visitor);
  const [content = "", mac = ""] = valid.split(".");
  const claims = Buffer.from(content, "base64url").toString();
  const asAlice = Buffer.from(claims.replaceAll("bob", "alice")).toString("base64url");
  const otherMac = createHmac("sha256", "another secret").update(content).digest("base64url");
  const token = await tokenFor(client, basic("alice", "alice's"), "repository:team/app:pull");
  const refresh = (
    (await client.get("/token?service=gantry&offline_token=true", basic("alice", "alice's"))).json() as {
      refresh_token: string;
    }
  ).refresh_token;
  const jwt = await new SignJWT({ sub: "user:alice" })
    .setProtectedHeader({ alg: "HS256" })
    .sign(Buffer.from("another secret"));
  for (const value of [
    ...[`${asAlice}.${mac}`, `${content}.${otherMac}`, `${content}.`, content, `.${mac}`, ".", ""],
    ...[
      `${valid}.`,
      `${valid}x`,
      `${content}.${mac.slice(0, -2)}`,
      token,
      refresh,
      jwt,
      "%00",
      "a".repeat(9000),
    ],
  ]) {
    const stranger = new Visitor(url);
    stranger.cookies.set(sessionName, value);
    assert.equal(await isIn(stranger), false, value);
  }
  for (const header of [
    `a=1; ${sessionName}=${valid}; b=2`,
    `${sessionName}=forged; ${sessionName}=${valid}`,
    `x${sessionName}=no, ${sessionName}=${valid}`,
  ])
    assert.equal((await new Visitor(url).get("/ui/", { Cookie: header })).status, 200, header);
});

test("a session is no token of the API, and the API ignores the cookie", async () => {
  const visitor = await loggedIn(url, "alice", "alice's");
  const session = sessionOf(visitor);
  const asBearer = await client.get("/v2/team/app/tags/list", { Authorization: `Bearer ${session}` });
  assert.equal(asBearer.status, 401);
  assert.equal((await visitor.get("/v2/team/app/tags/list")).status, 401);
  assert.equal((await client.get("/ui/", basic("alice", "alice's"))).status, 303);
});

test("who is removed, changes the password or is revoked is out at once", async () => {
  const [leaver, changer] = await Promise.all(
    ["leaver", "changer"].map((name) => loggedIn(url, name, `${name}'s`)),
  );
  const revoked = await newRobot(gantry.root, "revoked", "--scope", "**:pull");
  const robots = await loggedIn(url, revoked.user, revoked.key);
  assert.ok(leaver !== undefined && changer !== undefined);
  for (const visitor of [leaver, changer, robots]) assert.ok(await isIn(visitor));
  const { leaver: _, ...rest } = users;
  await files.users({ ...rest, changer: "another" });
  await revokeRobot(gantry.root, "revoked");
  assert.equal(await isIn(robots), false);
  for (const visitor of [leaver, changer])
    await eventually("the session has ended", async () => !(await isIn(visitor)) || undefined);
  await files.users(users);
});

const targets: readonly (readonly [to: string, leads: string])[] = [
  ["/ui/r/team/app/_tags", "/ui/r/team/app/_tags"],
  ["/ui/?q=a%20b&in=team", "/ui/?q=a%20b&in=team"],
  ["/", "/"],
  ["/ui", "/ui"],
  ["/ui/#fragment", "/ui/"],
  ["", "/ui/"],
  ...[
    ...[
      "https://evil.example/ui/",
      "//evil.example/ui/",
      "/\\evil.example/ui/",
      "\\\\evil.example",
      "///evil.example",
    ],
    ...[
      "/\t/evil.example",
      "/\n/evil.example",
      "javascript:alert(1)",
      "data:text/html,x",
      "/v2/",
      "/uix",
      "evil",
    ],
    ...[
      "/ui/../v2/",
      "/ui/..//evil.example",
      "/ui/%2e%2e/%2e%2e/v2/",
      "/ui/login",
      "/ui/logout",
      "/ui/oidc/callback",
    ],
    ...["http://[", `/ui/?q=${"a".repeat(3000)}`, "@evil.example", "/.evil.example"],
  ].map((to) => [to, "/ui/"] as const),
  ["/ui/\r\nSet-Cookie: a=b", "/ui/Set-Cookie:%20a=b"],
];
test("a login leads to pages of this server only", async () => {
  const visitor = new Visitor(url);
  const found: [string, string | undefined][] = [];
  for (const [to] of targets) {
    visitor.cookies.clear();
    const answer = await visitor.logIn("bob", "bob's", { to });
    found.push([to, answer.headers.location]);
    assert.deepEqual(
      cookiesOf(answer).map(({ name }) => name),
      [sessionName],
    );
  }
  assert.deepEqual(found, targets);
});

test("another site that leads to a page neither ends the session nor hides it", async () => {
  const visitor = await loggedIn(url, "bob", "bob's");
  const session = sessionOf(visitor);
  // The browser sends cookies that are not strict.
  const others = visitor.cookieHeader.replace(/gantry-session=[^;]*;? ?/, "");
  for (const headers of [{ Cookie: others, "Sec-Fetch-Site": "cross-site" }, { Cookie: "" }]) {
    const refused = await visitor.get("/ui/?in=team", headers);
    assert.equal(refused.status, 303);
    const led = await visitor.get(refused.headers.location ?? "", headers);
    assert.equal(led.status, 200);
    assert.doesNotMatch(led.headers["set-cookie"]?.join() ?? "", /gantry-session/);
    const answer = await visitor.get(nextIn(led) ?? "");
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.location, "/ui/?in=team");
    assert.equal(sessionOf(visitor), session);
  }
  const shown = await visitor.get("/ui/login?here=", { Cookie: others });
  assert.doesNotMatch(shown.headers["set-cookie"]?.join() ?? "", /gantry-session/, "a form ends no session");
});

test("who has logged in is led on from the login page", async () => {
  const visitor = await loggedIn(url, "bob", "bob's");
  const answer = await visitor.get("/ui/login?to=/ui/%3Fin=team");
  assert.equal(answer.status, 303);
  assert.equal(answer.headers.location, "/ui/?in=team");
});

test("logins and logouts are in the audit log with their subject, and passwords are not", async () => {
  await new Visitor(url).logIn("alice", "a wrong password nobody may see");
  const visitor = await loggedIn(url, "bob", "bob's");
  await visitor.get("/ui/");
  await visitor.logOut();
  const lines = await eventually("the lines", async () => {
    const text = await readFile(audit, "utf8");
    assert.equal(text.includes("a wrong password"), false);
    const all = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ action }) => action === "login");
    return all.at(-1)?.route === "/ui/logout" ? all.slice(-3) : undefined;
  });
  assert.deepEqual(
    lines.map(({ route, subject, status, outcome, method }) => [method, route, subject, status, outcome]),
    [
      ["POST", "/ui/login", "anonymous", 401, "refused"],
      ["POST", "/ui/login", "user:bob", 303, "granted"],
      ["POST", "/ui/logout", "user:bob", 303, "granted"],
    ],
  );
});

test("wrong passwords of one network are limited, and then also right ones", async () => {
  const limited = await startInside({ ...settings, REGISTRY_LIMITS_LOGINS_FAILURES: "3" });
  try {
    const visitor = new Visitor(limited.url);
    for (let guess = 0; guess < 3; guess++)
      assert.equal((await visitor.logIn("alice", `guess ${guess}`)).status, 401);
    const refused = await visitor.logIn("alice", "alice's");
    assert.equal(refused.status, 429);
    assert.match(refused.headers["retry-after"] ?? "", /^\d+$/);
    assert.match(refused.headers["content-type"] ?? "", /^text\/html/);
    const api = await visitor.get("/v2/", basic("alice", "alice's"));
    assert.equal(api.status, 429, "the API has the same limit");
  } finally {
    await limited.stop();
  }
});

test("a login that arrives byte by byte is ended, and holds up nobody", async () => {
  const impatient = await startInside({ ...settings, REGISTRY_LIMITS_SLOW_SMALL: "2s" });
  try {
    const visitor = new Visitor(impatient.url);
    const token = await visitor.formToken();
    using slow = await RawConnection.open(impatient.url);
    const body = new URLSearchParams({ form: token, user: "alice", password: "alice's" }).toString();
    slow.send([
      "POST /ui/login HTTP/1.1",
      "Host: localhost",
      `Cookie: ${visitor.cookieHeader}`,
      "Content-Type: application/x-www-form-urlencoded",
      `Content-Length: ${body.length}`,
      "",
    ]);
    let sent = 0;
    const dripping = setInterval(() => {
      if (sent < body.length / 4) slow.socket.write(body[sent++] ?? "");
    }, 200);
    try {
      assert.equal((await visitor.logIn("bob", "bob's")).status, 303);
      await eventually("the connection has ended", async () => slow.closed || undefined, 20_000);
    } finally {
      clearInterval(dripping);
    }
  } finally {
    await impatient.stop();
  }
});

test("a session lasts across a restart of the server", async () => {
  const root = join(files.folder, "store");
  const visitor = new Visitor("");
  {
    await using first = await startInside(settings, root);
    for (const [name, value] of (await loggedIn(first.url, "bob", "bob's")).cookies)
      visitor.cookies.set(name, value);
  }
  await using restarted = await startInside(settings, root);
  const returning = new Visitor(restarted.url);
  returning.cookies.set(sessionName, sessionOf(visitor));
  assert.ok(await isIn(returning));
});

test("a server with another store does not know a session", async () => {
  const visitor = await loggedIn(url, "bob", "bob's");
  const other = await serve(settings);
  const stranger = new Visitor(other.gantry.url);
  stranger.cookies.set(sessionName, sessionOf(visitor));
  assert.equal(await isIn(stranger), false);
  const [secret] = (await readdir(join(gantry.root, "secrets"))).filter((name) => name.includes("web"));
  assert.ok(secret !== undefined, "the secret is in the store");
});

test("a session that has expired has ended", async () => {
  const visitor = await loggedIn(url, "bob", "bob's");
  const later = Date.now() + 13 * 3600 * 1000;
  const { now } = Date;
  Date.now = () => later;
  try {
    assert.equal(await isIn(visitor), false);
  } finally {
    Date.now = now;
  }
});

test("an active session is renewed until its maximum, an idle one ends after an hour", async (t) => {
  const visitor = await loggedIn(url, "bob", "bob's");
  const { now } = Date;
  const begun = now();
  t.after(() => {
    Date.now = now;
  });
  const at = async (minutes: number) => {
    Date.now = () => begun + minutes * 60_000 + (now() - begun);
    const before = sessionOf(visitor);
    const answer = await visitor.get("/ui/");
    return answer.status !== 200 ? "out" : sessionOf(visitor) === before ? "in" : "renewed";
  };
  assert.equal(await at(10), "in");
  assert.equal(await at(40), "renewed");
  assert.equal(await at(60), "in");
  for (let minutes = 90; minutes < 12 * 60; minutes += 50) assert.equal(await at(minutes), "renewed");
  assert.equal(await at(12 * 60 + 1), "out");
  visitor.cookies.clear();
  Date.now = now;
  const idle = await loggedIn(url, "bob", "bob's");
  Date.now = () => now() + 61 * 60_000;
  assert.equal(await isIn(idle), false);
});

test("a server whose users another server knows says so, and lets robots in", async () => {
  const outside = await serve({
    REGISTRY_HTTP_UI_ENABLED: "true",
    REGISTRY_AUTH_TOKEN_REALM: "https://issuer.example/token",
    REGISTRY_AUTH_TOKEN_SERVICE: "registry.example",
    REGISTRY_AUTH_TOKEN_ISSUER: "issuer.example",
    REGISTRY_AUTH_TOKEN_JWKS: await files.write("jwks.json", jwkSet({ one: ecKeys().publicKey })),
  });
  const page = await new Visitor(outside.gantry.url).open("/ui/login");
  assert.match(page.body.toString(), /https:\/\/issuer\.example\/token/);
  const { user, key } = await newRobot(outside.gantry.root, "reader", "--scope", "**:pull");
  assert.ok(await isIn(await loggedIn(outside.gantry.url, user, key)));
});

test("a server without logins has no login page", async () => {
  const open = await serve();
  const answer = await new Visitor(open.gantry.url).get("/ui/login");
  assert.equal(answer.status, 303);
  assert.equal(answer.headers.location, "/ui/");
  assert.equal(tokenIn(await new Visitor(open.gantry.url).get("/ui/")), undefined);
});
