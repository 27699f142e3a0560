// Every row of the web page's table with every kind of visitor, by the row's action. Visitors without rights never learn a
// name: a repository that exists and one that does not look the same. Rows that are added later are covered, too.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import type { Route } from "../../src/http/router.js";
import { webRoutes } from "../../src/http/web/routes.js";
import type { Answer } from "../support/client.js";
import { index } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { basic, LoginFiles, newRobot } from "../support/login.js";
import { clientId, startLoginServer } from "../support/login-server.js";
import { startIssuer } from "../support/oidc-issuer.js";
import { newAuthority, newCertificateFiles } from "../support/tls.js";
import { Visitor } from "../support/visitor.js";

const files = await LoginFiles.make();
const names = ["owner", "puller", "pusher", "deleter", "stranger"];
await files.users(Object.fromEntries(names.map((name) => [name, `${name}'s`])));
await files.policy(`
metrics: { users: [owner, pusher] }
robots: { users: [owner, machine] }
rules:
  - { repositories: "**", users: owner, allow: admin }
  - { repositories: "open/**", anonymous: true, allow: pull }
  - { repositories: "team/**", users: [puller, machine, "oidc:ann"], allow: pull }
  - { repositories: "team/**", users: pusher, allow: [pull, push] }
  - { repositories: "team/**", users: deleter, allow: [pull, delete] }
`);
const jobs = await startIssuer();
after(() => jobs[Symbol.asyncDispose]());
const people = await startLoginServer();
after(() => people[Symbol.asyncDispose]());
const authority = await newAuthority("the server's CA");
const clientCa = await newAuthority("the clients' CA");
const certificates = await newCertificateFiles();
await certificates.replace(await authority.issue("registry", { addresses: ["127.0.0.1"] }));
const machine = await clientCa.issue("machine");
const impostor = await clientCa.issue("oidc:ann");
const ciRule = { claims: { repository: "acme/team" }, repositories: "team/**", permissions: ["pull"] };
const server = await startInside({
  ...files.settings,
  ...certificates.settings,
  REGISTRY_STORAGE_FILESYSTEM_DURABILITY: "relaxed",
  REGISTRY_HTTP_UI_ENABLED: "true",
  REGISTRY_HTTP_METRICS_ENABLED: "true",
  REGISTRY_HTTP_TLS_CLIENTCAS_0: await certificates.write("clients.pem", clientCa.pem),
  REGISTRY_HTTP_TLS_CLIENTAUTH: "verify-client-cert-if-given",
  REGISTRY_AUTH_WORKLOAD_ISSUERS: JSON.stringify([
    { name: "ci", issuer: jobs.url, audience: "gantry", rules: [ciRule] },
  ]),
  REGISTRY_AUTH_OIDC_ISSUER: people.url,
  REGISTRY_AUTH_OIDC_CLIENTID: clientId,
  REGISTRY_AUTH_OIDC_CLIENTSECRETFILE: await files.write("secret", "s3cret: +&/ü"),
  REGISTRY_AUTH_OIDC_USERNAMECLAIM: "preferred_username",
});
after(() => server.stop());
const ca = { ca: authority.pem };

/** Of the same length as the name of a repository that does not exist. */
const existing = "existing";
for (const space of ["open", "team", "vault"]) {
  const pushed = index([]);
  const { status } = await new Visitor(server.url, {}, ca).request(
    "PUT",
    `/v2/${space}/${existing}/manifests/v1`,
    {
      headers: { ...basic("owner", "owner's"), "Content-Type": pushed.mediaType },
      body: pushed.bytes.toString(),
    },
  );
  assert.equal(status, 201);
}

type Space = "open" | "team" | "vault";

interface Kind {
  readonly come: () => Promise<Visitor>;
  readonly pull: readonly Space[];
  readonly push?: readonly Space[];
  readonly delete?: readonly Space[];
  readonly metrics?: true;
  readonly robots?: true;
  readonly isAnonymous?: true;
}

async function byPassword(user: string, password = `${user}'s`): Promise<Visitor> {
  const visitor = new Visitor(server.url, {}, ca);
  const answer = await visitor.logIn(user, password);
  assert.equal(answer.status, 303, answer.body.toString());
  return visitor;
}

async function byLoginServer(): Promise<Visitor> {
  const visitor = new Visitor(server.url, {}, ca);
  const led = await visitor.get("/ui/oidc/login");
  const person = { sub: "1", preferred_username: "ann" };
  const query = people.authorize(led.headers.location ?? "", person);
  assert.equal((await visitor.get(`/ui/oidc/callback?${query}`)).status, 200);
  return visitor;
}

const robot = await newRobot(server.root, "reader", "--scope", "team/**:pull");
const adminRobot = await newRobot(server.root, "admin", "--scope", "**:admin");
const everywhere = ["open", "team", "vault"] as const;
const certified = ({ pem, keyPem }: typeof machine) =>
  new Visitor(server.url, {}, { ...ca, cert: pem, key: keyPem });

const kinds: Readonly<Record<string, Kind>> = {
  "an anonymous visitor": {
    come: async () => new Visitor(server.url, {}, ca),
    pull: ["open"],
    isAnonymous: true,
  },
  "an owner": {
    come: () => byPassword("owner"),
    ...{ pull: everywhere, push: everywhere, delete: everywhere, metrics: true, robots: true },
  },
  "a user who may pull": { come: () => byPassword("puller"), pull: ["open", "team"] },
  "a user who may push": {
    come: () => byPassword("pusher"),
    ...{ pull: ["open", "team"], push: ["team"], metrics: true },
  },
  "a user who may delete": {
    come: () => byPassword("deleter"),
    ...{ pull: ["open", "team"], delete: ["team"] },
  },
  "a user without rights": { come: () => byPassword("stranger"), pull: ["open"] },
  "a robot": { come: () => byPassword(robot.user, robot.key), pull: ["team"] },
  "a robot that may do everything": {
    come: () => byPassword(adminRobot.user, adminRobot.key),
    ...{ pull: everywhere, push: everywhere, delete: everywhere },
  },
  "a CI job": {
    come: () => byPassword("ci", jobs.token({ sub: "repo:acme/team", repository: "acme/team" })),
    pull: ["team"],
  },
  "a certificate": { come: async () => certified(machine), pull: ["open", "team"], robots: true },
  "a certificate with the name of a person of the login server": {
    come: async () => certified(impostor),
    pull: ["open"],
    isAnonymous: true,
  },
  "a person of the login server": { come: byLoginServer, pull: ["open", "team"] },
};

const rows: readonly Route[] = webRoutes;

function mayUse(kind: Kind, { action }: Route, space: Space): boolean {
  switch (action) {
    case "pull":
    case "push":
    case "delete":
      return (kind[action] ?? []).includes(space);
    case "metrics":
    case "robots":
      return kind[action] === true;
    default:
      return true;
  }
}

/** What a visitor sees, without what differs each time. */
function told({ status, headers, body }: Answer, name: string): string {
  const html = body
    .toString()
    .replaceAll(name, "<name>")
    .replaceAll(encodeURIComponent(name), "<name>")
    .replaceAll(/request [\w-]+/g, "request")
    .replaceAll(/name="form" value="[\w-]+"/g, "form");
  const location = headers.location?.replaceAll(encodeURIComponent(name), "<name>");
  return JSON.stringify([status, location, headers["content-type"], html]);
}

function ask(visitor: Visitor, method: string, path: string, form: string): Promise<Answer> {
  return method === "POST" ? visitor.post(path, { form }) : visitor.request(method, path);
}

for (const [who, kind] of Object.entries(kinds)) {
  test(`what ${who} gets`, async () => {
    const visitor = await kind.come();
    const form = await visitor.formToken("/ui/login?here=").catch(() => visitor.formToken("/"));
    const isAnonymous = kind.isAnonymous === true;
    for (const row of rows) {
      for (const method of row.methods) {
        for (const space of everywhere) {
          const what = `${method} ${row.path} in ${space}`;
          const pathOf = (name: string) => row.path.replace("<name>", name).replace(/<[a-z]+>$/, "v1");
          const granted = mayUse(kind, row, space);
          // These check credentials of their own or end the session, or never end.
          const isApart = row.action === "login" || ("stream" in row && row.stream === true);
          if (granted && isApart) continue;
          const there = `${space}/${existing}`;
          const answer = await ask(visitor, method, pathOf(there), form);
          const html = answer.body.toString();
          if (granted) {
            assert.ok(answer.status !== 401 && answer.status !== 403, `${what}: ${answer.status} ${html}`);
          } else if (isAnonymous) {
            assert.equal(answer.status, method === "POST" ? 401 : 303, `${what}: ${html}`);
          } else {
            assert.equal(answer.status, 403, `${what}: ${html}`);
          }
          if (!granted && row.path.includes("<name>")) {
            const missing = `${space}/${randomBytes(existing.length / 2).toString("hex")}`;
            const other = await ask(visitor, method, pathOf(missing), form);
            assert.equal(told(answer, there), told(other, missing), `${what} tells what exists`);
          }
          for (const other of everywhere)
            if (!kind.pull.includes(other) && !row.path.includes("<name>"))
              assert.doesNotMatch(html, new RegExp(other === "open" ? `open/|>open<` : other), what);
        }
      }
    }
  });
}
