// The pages by the address in the browser: the flags of cookies, forms behind proxies, and foreign names for a server without
// logins (DNS rebinding).

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client, serve } from "../support/client.js";
import { index } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { LoginFiles } from "../support/login.js";
import { newAuthority, newCertificateFiles } from "../support/tls.js";
import { cookiesOf, Visitor } from "../support/visitor.js";

const files = await LoginFiles.make();
await files.users({ alice: "alice's" });
const { REGISTRY_AUTH_HTPASSWD_PATH = "" } = files.settings;
const settings = { REGISTRY_AUTH_HTPASSWD_PATH, REGISTRY_HTTP_UI_ENABLED: "true" };
const direct = await serve(settings);
const trusting = await serve({ ...settings, REGISTRY_HTTP_TRUSTEDPROXIES: "[127.0.0.1]" });
const named = await serve({ ...settings, REGISTRY_HTTP_HOST: "https://registry.example.com" });
const authority = await newAuthority("the server's CA");
const certificates = await newCertificateFiles();
await certificates.replace(
  await authority.issue("registry", {
    addresses: ["127.0.0.1"],
    names: [{ type: "dns", value: "registry.example.com" }],
  }),
);
const clientCa = await newAuthority("the clients' CA");
const machine = await clientCa.issue("machine");
const secured = await startInside({
  ...settings,
  ...certificates.settings,
  REGISTRY_HTTP_TLS_CLIENTCAS_0: await certificates.write("clients.pem", clientCa.pem),
  REGISTRY_HTTP_TLS_CLIENTAUTH: "verify-client-cert-if-given",
});
after(() => secured.stop());
const ca = { ca: authority.pem };

const Host = "registry.example.com";
const https = { Host, "X-Forwarded-Proto": "https" };
const plain = "gantry-session";
const secure = "__Host-gantry-session";

const visits: readonly [what: string, visitor: () => Visitor, name: string][] = [
  ["plain HTTP", () => new Visitor(direct.gantry.url), plain],
  ["plain HTTP by name", () => new Visitor(direct.gantry.url, { Host }), plain],
  ["HTTPS", () => new Visitor(secured.url, {}, ca), secure],
  ["a trusted proxy with HTTPS", () => new Visitor(trusting.gantry.url, https), secure],
  [
    "a trusted proxy with plain HTTP",
    () => new Visitor(trusting.gantry.url, { Host, "X-Forwarded-Proto": "http" }),
    plain,
  ],
  ["a proxy that is not trusted, with HTTPS", () => new Visitor(direct.gantry.url, https), secure],
  ["http.host with HTTPS, behind a silent proxy", () => new Visitor(named.gantry.url, { Host }), secure],
  ["http.host with HTTPS, behind a proxy that hides it", () => new Visitor(named.gantry.url), secure],
];
for (const [what, visit, name] of visits) {
  test(`${what}: the session is in ${name}`, async () => {
    const visitor = visit();
    const answer = await visitor.logIn("alice", "alice's");
    assert.equal(answer.status, 303, answer.body.toString());
    const [cookie, ...others] = cookiesOf(answer);
    assert.deepEqual(others, []);
    assert.equal(cookie?.name, name);
    const { attributes } = cookie;
    assert.deepEqual(
      Object.fromEntries(attributes),
      { path: "/", httponly: "", samesite: "Strict", ...(name === secure && { secure: "" }) },
      "never a domain",
    );
    assert.equal((await visitor.get("/ui/")).status, 200);
    await visitor.logOut();
    assert.deepEqual([...visitor.cookies.keys()], [name.replace("session", "form")]);
  });
}

test("over HTTPS, a cookie that plain HTTP could have set counts as none", async () => {
  const overHttp = new Visitor(trusting.gantry.url, { Host, "X-Forwarded-Proto": "http" });
  await overHttp.logIn("alice", "alice's");
  const overHttps = new Visitor(trusting.gantry.url, https);
  overHttps.cookies.set(plain, overHttp.cookies.get(plain) ?? "");
  assert.equal((await overHttps.get("/ui/")).status, 303);
});

const forms: readonly [what: string, visit: () => Visitor, origin: string, isOwn: boolean][] = [
  ["HTTPS", () => new Visitor(secured.url, { Host }, ca), `https://${Host}`, true],
  [
    "HTTPS, from plain HTTP of the host",
    () => new Visitor(secured.url, { Host }, ca),
    `http://${Host}`,
    false,
  ],
  ["a trusted proxy", () => new Visitor(trusting.gantry.url, https), `https://${Host}`, true],
  [
    "a trusted proxy, from plain HTTP",
    () => new Visitor(trusting.gantry.url, https),
    `http://${Host}`,
    false,
  ],
  ["plain HTTP", () => new Visitor(direct.gantry.url, { Host }), `http://${Host}`, true],
  ["a silent proxy", () => new Visitor(direct.gantry.url, { Host }), `https://${Host}`, true],
  ["a proxy that hides the host", () => new Visitor(direct.gantry.url), `https://${Host}`, false],
  [
    "a proxy that hides the host, and http.host",
    () => new Visitor(named.gantry.url),
    `https://${Host}`,
    true,
  ],
  ["http.host, from another host", () => new Visitor(named.gantry.url), "https://evil.example.com", false],
  [
    "another port",
    () => new Visitor(direct.gantry.url, { Host: `${Host}:5000` }),
    `http://${Host}:5001`,
    false,
  ],
  ["capitals", () => new Visitor(direct.gantry.url, { Host: Host.toUpperCase() }), `http://${Host}`, true],
];
for (const [what, visit, Origin, isOwn] of forms) {
  test(`${what}: a form of ${Origin} is ${isOwn ? "taken" : "refused"}`, async () => {
    const visitor = visit();
    const form = await visitor.formToken();
    const answer = await visitor.post("/ui/login", { form, user: "alice", password: "alice's" }, { Origin });
    assert.equal(answer.status, isOwn ? 303 : 403, answer.body.toString());
  });
}

test("the holder of a client certificate is the visitor, and may log in as somebody else", async () => {
  const visitor = new Visitor(secured.url, {}, { ...ca, cert: machine.pem, key: machine.keyPem });
  const page = (await visitor.get("/ui/")).body.toString();
  assert.match(page, />machine</);
  assert.doesNotMatch(page, /Log out/);
  assert.equal((await visitor.logIn("alice", "alice's")).status, 303);
  assert.match((await visitor.get("/ui/")).body.toString(), />alice</);
  await visitor.logOut();
  assert.match((await visitor.get("/ui/")).body.toString(), />machine</);
});

const { client: api, gantry } = await serve({ REGISTRY_HTTP_UI_ENABLED: "true" });
const namedOpen = await serve({
  REGISTRY_HTTP_UI_ENABLED: "true",
  REGISTRY_HTTP_HOST: "http://registry.lan:5000",
});
await api.pushImage("hidden/app", index([]), "v1");
const shown = [
  "localhost",
  "localhost:5000",
  "127.0.0.1:5000",
  "127.9.9.9",
  "[::1]:5000",
  "dev.localhost:80",
];
/** No name can lead to an address. */
const addresses = ["192.0.2.7:5000", "[2001:db8::1]:5000"];
const strange = [
  "evil.example",
  "evil.example:5000",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "a.lan",
];

for (const host of [...shown, ...addresses]) {
  test(`a server without logins shows its pages at ${host}`, async () => {
    const answer = await new Client(gantry.url).get("/ui/", { Host: host });
    assert.equal(answer.status, 200);
    assert.match((await new Client(gantry.url).get("/", { Host: host })).body.toString(), /hidden/);
  });
}

for (const host of strange) {
  test(`a server without logins shows nothing to pages at ${host}`, async () => {
    const visitor = new Visitor(gantry.url, { Host: host });
    for (const path of ["/ui/", "/ui/?q=hidden", "/ui", "/ui/r/hidden/app/_tags"]) {
      const answer = await visitor.get(path);
      assert.ok(answer.status === 403 || answer.status === 404, `${path}: ${answer.status}`);
      assert.doesNotMatch(answer.body.toString().replaceAll(path, ""), /hidden/);
    }
    const answer = await visitor.get("/ui/");
    assert.match(answer.body.toString(), /http\.host/);
    const root = await visitor.get("/");
    assert.equal(root.status, 200, "for probes");
    assert.doesNotMatch(root.body.toString(), /hidden/);
    const posted = await visitor.post("/ui/login", { form: "", user: "a", password: "b" });
    assert.equal(posted.status, 403);
  });
}

test("a server without logins shows its pages at http.host", async () => {
  const { client } = namedOpen;
  assert.equal((await client.get("/ui/", { Host: "registry.lan:5000" })).status, 200);
  assert.equal((await client.get("/ui/", { Host: "REGISTRY.lan:5000" })).status, 200);
  for (const host of ["registry.lan", "registry.lan:5001", "evil.example:5000"])
    assert.equal((await client.get("/ui/", { Host: host })).status, 403, host);
});
