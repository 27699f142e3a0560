// Every route with every kind of identity, on existing and missing repositories. A route without a row here does not
// compile. Refusals are the same for existing and missing repositories.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { decodeJwt, decodeProtectedHeader } from "jose";
import type { routes } from "../../src/http/routes.js";
import { type Answer, Client, serve } from "../support/client.js";
import { blobOf, index, types } from "../support/content.js";
import type { RunningGantry } from "../support/gantry.js";
import { startInside } from "../support/inside.js";
import { ecKeys, type Json, jwkSet, nowSeconds, signJwt } from "../support/jwt.js";
import {
  basic,
  bearer,
  type Headers,
  LoginFiles,
  newRobot,
  revokeRobot,
  tokenFor,
} from "../support/login.js";
import { startIssuer } from "../support/oidc-issuer.js";
import { eventually } from "../support/store.js";
import { newAuthority, newCertificateFiles } from "../support/tls.js";

type Row = (typeof routes)[number];
/** Each route of the table, such as `GET /v2/`. */
type RouteKey = Row extends infer R
  ? R extends Row
    ? `${R["methods"][number]} ${R["path"]}`
    : never
  : never;

/**
 * The permission that a request needs. `move` points an existing tag to another manifest; `form` has its own name and
 * password; `none` is public.
 */
type RepositoryNeed = "pull" | "push" | "move" | "delete";
type RegistryNeed = "none" | "base" | "catalog" | "token" | "form" | "metrics";

/** `login`: 401. `scope`: 401 that requests a token with more scope. `absent`: this server does not have it. */
type Outcome = "granted" | "login" | "scope" | "denied" | "absent";

interface Asked {
  readonly path: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Headers;
}

/** The callers that prepare a request: an admin, and the caller itself if the request is to be granted. */
interface Helpers {
  readonly owner: Client;
  readonly caller: Client;
}

interface Case<N extends RegistryNeed | RepositoryNeed> {
  readonly need: N;
  /** The status if granted. */
  readonly status: number;
  ask(name: string, helpers: Helpers): Asked | Promise<Asked>;
}

/** For an existing object in an existing repository, and for the same in a missing one. */
interface RepositoryCases {
  readonly there: Case<RepositoryNeed>;
  readonly missing: Case<RepositoryNeed>;
}

type Cases = RepositoryCases | { readonly registry: Case<RegistryNeed> };

function onRegistry(need: RegistryNeed, asked: Asked): Cases {
  return { registry: { need, status: 200, ask: () => asked } };
}

/** `make` creates the object that the path names last, and `unknown` is a similar name of a missing object. */
function onRepository(
  need: RepositoryNeed,
  path: (name: string, last: string) => string,
  [there, missing]: readonly [there: number, missing: number],
  make: (name: string, helpers: Helpers) => Promise<string>,
  unknown: string,
  rest: Omit<Asked, "path"> = {},
): Cases {
  return {
    there: {
      need,
      status: there,
      ask: async (name, helpers) => ({ path: path(name, await make(name, helpers)), ...rest }),
    },
    missing: { need, status: missing, ask: (name) => ({ path: path(name, unknown), ...rest }) },
  };
}

const newTagName = () => `tag-${randomBytes(4).toString("hex")}`;
const unknownTag = newTagName();
const unknownDigest = blobOf(9).digest;
const unknownSession = randomUUID();
const chunk = blobOf(20);
const octets = { body: chunk.bytes, headers: { "Content-Type": "application/octet-stream" } };

async function newBlob(name: string, { owner }: Helpers): Promise<string> {
  const blob = blobOf(20);
  await owner.pushBlobs(name, blob);
  return blob.digest;
}

async function newManifest(name: string, { owner }: Helpers): Promise<string> {
  const made = index([]);
  await owner.pushImage(name, made);
  return made.digest;
}

async function newTag(name: string, { owner }: Helpers): Promise<string> {
  const tag = newTagName();
  await owner.pushImage(name, index([]), tag);
  return tag;
}

/** The caller's own if possible, otherwise another's. */
async function newUpload(name: string, { caller }: Helpers): Promise<string> {
  return (await caller.openUpload(name)).split("/").at(-1) ?? "";
}

const blob = (name: string, digest: string) => `/v2/${name}/blobs/${digest}`;
const manifest = (name: string, reference: string) => `/v2/${name}/manifests/${reference}`;
const upload = (name: string, id: string) => `/v2/${name}/blobs/uploads/${id}`;

const health = (path: string) => onRegistry("none", { path });
const base = (path: string) => onRegistry("base", { path });
const catalog = onRegistry("catalog", { path: "/v2/_catalog" });
const metrics = onRegistry("metrics", { path: "/metrics" });
const pullBlob = onRepository("pull", blob, [200, 404], newBlob, unknownDigest);
const opening = (path: string) =>
  onRepository("push", (name) => `/v2/${name}${path}`, [202, 202], newTag, unknownTag, { body: "" });
const onUpload = (status: number, path = upload, rest: Omit<Asked, "path"> = {}) =>
  onRepository("push", path, [status, 404], newUpload, unknownSession, rest);
const tagList = onRepository("pull", (name) => `/v2/${name}/tags/list`, [200, 404], newTag, unknownTag);
const referrers = onRepository(
  "pull",
  (name, digest) => `/v2/${name}/referrers/${digest}`,
  [200, 200],
  newManifest,
  unknownDigest,
);

/** A new index, pushed with an existing tag, and with a new tag in a new repository. */
const pushManifest: RepositoryCases = {
  there: {
    need: "move",
    status: 201,
    ask: async (name, helpers) => ({ path: manifest(name, await newTag(name, helpers)), ...newIndex() }),
  },
  missing: {
    need: "push",
    status: 201,
    ask: (name) => ({ path: manifest(name, unknownTag), ...newIndex() }),
  },
};

const history = onRepository(
  "pull",
  (name, tag) => `/v2/${name}/_gantry/history/${tag}`,
  [200, 404],
  newTag,
  unknownTag,
);
const removedTags = onRepository(
  "pull",
  (name) => `/v2/${name}/_gantry/removed-tags`,
  [200, 200],
  newTag,
  unknownTag,
);

/** To the first of two indexes that were pushed with one tag. */
const rollback: RepositoryCases = {
  there: {
    need: "move",
    status: 201,
    ask: async (name, { owner }) => {
      const [tag, first] = [newTagName(), index([])];
      for (const made of [first, index([])]) await owner.pushImage(name, made, tag);
      return { path: `/v2/${name}/_gantry/rollback/${tag}?digest=${first.digest}` };
    },
  },
  missing: {
    need: "push",
    status: 404,
    ask: (name) => ({ path: `/v2/${name}/_gantry/rollback/${unknownTag}?digest=${unknownDigest}` }),
  },
};

function newIndex(): Omit<Asked, "path"> {
  return { body: index([]).bytes, headers: { "Content-Type": types.index } };
}

const passwordForm = {
  path: "/token",
  body: new URLSearchParams({ grant_type: "password", username: "puller", password: "puller's" }).toString(),
  headers: { "Content-Type": "application/x-www-form-urlencoded" },
};

const table: Readonly<Record<RouteKey, Cases>> = {
  "GET /v2/": base("/v2/"),
  "HEAD /v2/": base("/v2/"),
  "GET /v2": base("/v2"),
  "HEAD /v2": base("/v2"),
  "GET /v2/<name>/blobs/<digest>": pullBlob,
  "HEAD /v2/<name>/blobs/<digest>": pullBlob,
  "DELETE /v2/<name>/blobs/<digest>": onRepository("delete", blob, [202, 404], newBlob, unknownDigest),
  "GET /v2/<name>/manifests/<reference>": onRepository("pull", manifest, [200, 404], newTag, unknownTag),
  "HEAD /v2/<name>/manifests/<reference>": onRepository(
    "pull",
    manifest,
    [200, 404],
    newManifest,
    unknownDigest,
  ),
  "PUT /v2/<name>/manifests/<reference>": pushManifest,
  "DELETE /v2/<name>/manifests/<reference>": onRepository("delete", manifest, [202, 404], newTag, unknownTag),
  "POST /v2/<name>/blobs/uploads/": opening("/blobs/uploads/"),
  "POST /v2/<name>/blobs/uploads": opening("/blobs/uploads"),
  "PATCH /v2/<name>/blobs/uploads/<session>": onUpload(202, upload, octets),
  "PUT /v2/<name>/blobs/uploads/<session>": onUpload(
    201,
    (name, id) => `${upload(name, id)}?digest=${chunk.digest}`,
    octets,
  ),
  "GET /v2/<name>/blobs/uploads/<session>": onUpload(204),
  "HEAD /v2/<name>/blobs/uploads/<session>": onUpload(204),
  "DELETE /v2/<name>/blobs/uploads/<session>": onUpload(204),
  "GET /v2/<name>/tags/list": tagList,
  "HEAD /v2/<name>/tags/list": tagList,
  "GET /v2/<name>/referrers/<digest>": referrers,
  "HEAD /v2/<name>/referrers/<digest>": referrers,
  "GET /v2/<name>/_gantry/history/<tag>": history,
  "HEAD /v2/<name>/_gantry/history/<tag>": history,
  "GET /v2/<name>/_gantry/removed-tags": removedTags,
  "HEAD /v2/<name>/_gantry/removed-tags": removedTags,
  "POST /v2/<name>/_gantry/rollback/<tag>": rollback,
  "GET /token": onRegistry("token", { path: "/token?service=gantry" }),
  "POST /token": onRegistry("form", passwordForm),
  "GET /v2/_catalog": catalog,
  "HEAD /v2/_catalog": catalog,
  "GET /livez": health("/livez"),
  "HEAD /livez": health("/livez"),
  "GET /readyz": health("/readyz"),
  "HEAD /readyz": health("/readyz"),
  "GET /metrics": metrics,
  "HEAD /metrics": metrics,
};

const spaces = ["team", "public", "secret"] as const;
type Space = (typeof spaces)[number];
type Rights = Readonly<Record<RepositoryNeed, Outcome>>;
type Expected = Readonly<Record<Space, Rights> & Record<RegistryNeed, Outcome>>;

function rights(pull: Outcome, push: Outcome, move: Outcome, remove: Outcome): Rights {
  return { pull, push, move, delete: remove };
}

const all = (outcome: Outcome) => rights(outcome, outcome, outcome, outcome);
const only = (pull: Outcome, rest: Outcome) => rights(pull, rest, rest, rest);
const pulling = only("granted", "denied");

/** A caller with invalid credentials gets nothing, not even public content. */
const nothing: Expected = {
  ...{ base: "login", team: all("login"), public: all("login"), secret: all("login") },
  ...{ catalog: "login", token: "login", form: "login", metrics: "login", none: "granted" },
};

/** A valid name and password with this permission in `team`. */
function password(team: Rights, open: Rights = pulling): Expected {
  const registry = { base: "granted", catalog: "granted", token: "granted", form: "granted" } as const;
  const rest = { ...registry, metrics: "denied", none: "granted" } as const;
  return { ...rest, team, public: open, secret: all("denied") };
}

/** A token of this server: it gets no other token and no metrics, and lists nothing unless its scope says so. */
function token(team: Rights, open: Rights, catalog: Outcome = "scope"): Expected {
  const registry = { base: "granted", token: "login", form: "granted", metrics: "login" } as const;
  const rest = { ...registry, none: "granted" } as const;
  return { ...rest, catalog, team, public: open, secret: all("denied") };
}

/** A token of an external issuer, which alone decides, on a server that issues none. */
function outsideToken(everywhere: Rights, catalog: Outcome = "scope"): Expected {
  const registry = { base: "granted", token: "absent", form: "absent", metrics: "login" } as const;
  const rest = { ...registry, none: "granted" } as const;
  return { ...rest, catalog, team: everywhere, public: everywhere, secret: everywhere };
}

const names = ["owner", "puller", "pusher", "creator", "deleter", "admin", "member", "stranger"];
const users = Object.fromEntries([...names, "leaver", "changer"].map((name) => [name, `${name}'s`]));
const as = (user: string) => basic(user, `${user}'s`);

const files = await LoginFiles.make();
await files.users(users);
await files.policy(`
groups:
  crew: [member]
metrics: { users: [owner, machine], groups: crew }
rules:
  - { repositories: "**", users: owner, allow: admin }
  - { repositories: "public/**", anonymous: true, allow: pull }
  - { repositories: "team/**", users: [puller, machine], allow: pull }
  - { repositories: "team/**", users: [pusher, leaver, changer], allow: push }
  - { repositories: "team/**", users: creator, allow: [pull, create-tag] }
  - { repositories: "team/**", users: deleter, allow: delete }
  - { repositories: "team/**", users: admin, allow: admin }
  - { repositories: "team/**", groups: crew, allow: [pull, push] }
  - { repositories: "team/**", claims: { repository: acme/tools, ref: "refs/heads/*" }, allow: pull }
`);
const signing = ecKeys();
const pem = signing.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const issuer = await startIssuer();
after(() => issuer[Symbol.asyncDispose]());
/** The issuer whose jobs are in the policy. */
const otherIssuer = await startIssuer();
after(() => otherIssuer[Symbol.asyncDispose]());
const ciRule = {
  claims: { repository: "acme/team" },
  repositories: ["team/**"],
  permissions: ["pull", "push"],
};
const relaxed = {
  REGISTRY_STORAGE_FILESYSTEM_DURABILITY: "relaxed",
  REGISTRY_HTTP_METRICS_ENABLED: "true",
  // Each cell sends a newly forged token, all from one address.
  REGISTRY_LIMITS_LOGINS_FAILURES: "1000000",
};
const main = await serve({
  ...relaxed,
  ...files.settings,
  REGISTRY_AUTH_TOKENSERVICE_SIGNINGKEY: await files.write("signing.pem", pem),
  REGISTRY_AUTH_WORKLOAD_ISSUERS: JSON.stringify([
    { name: "ci", issuer: issuer.url, audience: "gantry", rules: [ciRule] },
    { name: "other", issuer: otherIssuer.url, audience: "gantry" },
  ]),
});

const trusted = ecKeys();
const outside = await serve({
  ...relaxed,
  REGISTRY_AUTH_POLICY: files.settings.REGISTRY_AUTH_POLICY ?? "",
  REGISTRY_AUTH_TOKEN_REALM: "https://issuer.example/token",
  REGISTRY_AUTH_TOKEN_SERVICE: "registry.example",
  REGISTRY_AUTH_TOKEN_ISSUER: "issuer.example",
  REGISTRY_AUTH_TOKEN_JWKS: await files.write("jwks.json", jwkSet({ one: trusted.publicKey })),
});
const outsideOwner = await newRobot(outside.gantry.root, "owner", "--scope", "**:admin");

const serverCa = await newAuthority("the server's CA");
const clientCa = await newAuthority("the clients' CA");
const certificates = await newCertificateFiles();
await certificates.replace(await serverCa.issue("registry", { addresses: ["127.0.0.1"] }));
const machine = await clientCa.issue("machine");
const secured = await startInside({
  ...relaxed,
  ...certificates.settings,
  ...files.settings,
  REGISTRY_HTTP_TLS_CLIENTCAS_0: await certificates.write("clients.pem", clientCa.pem),
  REGISTRY_HTTP_TLS_CLIENTAUTH: "verify-client-cert-if-given",
});
after(() => secured.stop());

interface Place {
  readonly gantry: RunningGantry;
  /** Headers of an admin. */
  readonly owner: Headers;
  readonly tls?: { readonly ca: string; readonly cert?: string; readonly key?: string };
}

const own: Place = { gantry: main.gantry, owner: as("owner") };
const ofOutside: Place = { gantry: outside.gantry, owner: basic(outsideOwner.user, outsideOwner.key) };
const certified: Place = {
  gantry: secured,
  owner: as("owner"),
  tls: { ca: serverCa.pem, cert: machine.pem, key: machine.keyPem },
};

const robot = await newRobot(main.gantry.root, "robot", "--scope", "team/**:pull,push");
const expired = await newRobot(main.gantry.root, "expired", "--scope", "**:admin", "--expires", "500ms");
const revoked = await newRobot(main.gantry.root, "revoked", "--scope", "**:admin");
const revokedToken = await tokenFor(
  main.client,
  basic(revoked.user, revoked.key),
  "repository:team/existing:*",
);
const leaversToken = await tokenFor(main.client, as("leaver"), "repository:team/existing:pull,push");
const changersToken = await tokenFor(main.client, as("changer"), "repository:team/existing:pull,push");
await revokeRobot(main.gantry.root, "revoked");
const { leaver: _, ...others } = users;
await files.users({ ...others, changer: "another" });
for (const headers of [bearer(leaversToken), bearer(changersToken), basic(expired.user, expired.key)])
  await eventually("they are out", async () =>
    (await main.client.get("/v2/", headers)).status === 401 ? true : undefined,
  );

/** A token of the admin for everything in the repository, changed and signed by us. */
async function forged(name: string, claims: Json, header: Json = {}, key = signing): Promise<Headers> {
  const real = await tokenFor(main.client, as("admin"), `repository:${name}:*`);
  const changed = { ...decodeJwt(real), ...claims };
  return bearer(signJwt({ ...decodeProtectedHeader(real), ...header }, changed, key.privateKey));
}

const tokenOf = (credentials: Headers, scope: (name: string) => string) => async (name: string) =>
  bearer(await tokenFor(main.client, credentials, scope(name)));

function outsideTokenOf(claims: Json, key = trusted): Headers {
  const header = { typ: "JWT", alg: "ES256", kid: "one" };
  const standard = { iss: "issuer.example", aud: "registry.example", sub: "somebody" };
  return bearer(signJwt(header, { ...standard, exp: nowSeconds() + 300, ...claims }, key.privateKey));
}

const access = (name: string, ...actions: readonly string[]) => ({
  access: [{ type: "repository", name, actions }],
});

const job = (repository: string) => basic("job", issuer.token({ sub: `repo:${repository}`, repository }));
const teamsJob = job("acme/team");
const othersJob = job("acme/other");
const policysJob = (ref: string) =>
  basic("job", otherIssuer.token({ sub: `repo:acme/tools:${ref}`, repository: "acme/tools", ref }));
const policysJobOnMain = policysJob("refs/heads/main");
const policysJobOnTag = policysJob("refs/tags/main");

interface Caller {
  readonly at?: Place;
  /** The credentials that they send with a request on the repository. */
  with(name: string): Headers | Promise<Headers>;
  readonly expected: Expected;
}

const everything = all("granted");
const callers: Readonly<Record<string, Caller>> = {
  "nobody in particular": {
    with: () => ({}),
    expected: {
      ...password(all("login"), only("granted", "login")),
      ...{ base: "login", metrics: "login", secret: all("login") },
    },
  },
  "a user with a wrong password": { with: () => basic("admin", "wrong"), expected: nothing },
  "an unknown user": { with: () => basic("nobody", "owner's"), expected: nothing },
  "a user who may pull": { with: () => as("puller"), expected: password(pulling) },
  "a user who may push but not pull": {
    with: () => as("pusher"),
    expected: password(rights("denied", "granted", "granted", "denied")),
  },
  "a user who may create tags": {
    with: () => as("creator"),
    expected: password(rights("granted", "granted", "denied", "denied")),
  },
  "a user who may delete": {
    with: () => as("deleter"),
    expected: password(rights("denied", "denied", "denied", "granted")),
  },
  "a user who is admin there": { with: () => as("admin"), expected: password(everything) },
  "a member of a group": {
    with: () => as("member"),
    expected: { ...password(rights("granted", "granted", "granted", "denied")), metrics: "granted" },
  },
  "a user without a rule": { with: () => as("stranger"), expected: password(all("denied")) },
  "a removed user": { with: () => as("leaver"), expected: nothing },
  "a user with the previous password": { with: () => as("changer"), expected: nothing },
  "a robot": {
    with: () => basic(robot.user, robot.key),
    expected: password(rights("granted", "granted", "granted", "denied"), all("denied")),
  },
  "a robot with another robot's key": { with: () => basic(robot.user, expired.key), expected: nothing },
  "a robot with an expired key": { with: () => basic(expired.user, expired.key), expected: nothing },
  "a revoked robot": { with: () => basic(revoked.user, revoked.key), expected: nothing },
  "a CI job": {
    with: () => teamsJob,
    expected: password(rights("granted", "granted", "granted", "denied"), all("denied")),
  },
  "a CI job of another repository": { with: () => othersJob, expected: nothing },
  "a CI job named by its claims in the policy": {
    with: () => policysJobOnMain,
    expected: password(pulling),
  },
  "a CI job that differs from the policy in one claim": {
    with: () => policysJobOnTag,
    expected: password(all("denied")),
  },
  "the own token of a CI job in the policy": {
    with: tokenOf(policysJobOnMain, (name) => `repository:${name}:*`),
    expected: token(pulling, pulling),
  },
  "a CI job's token as a bearer token": {
    with: () => bearer(issuer.token({ sub: "repo:acme/team", repository: "acme/team" })),
    expected: nothing,
  },
  "a token for everything that its user may do": {
    with: tokenOf(as("admin"), (name) => `repository:${name}:*`),
    expected: token(everything, pulling),
  },
  "a token to pull": {
    with: tokenOf(as("admin"), (name) => `repository:${name}:pull`),
    expected: token(only("granted", "scope"), pulling),
  },
  "a token to push, requested by a user who may only create tags": {
    with: tokenOf(as("creator"), (name) => `repository:${name}:push`),
    expected: token(rights("scope", "granted", "denied", "denied"), only("scope", "denied")),
  },
  "a token for another repository": {
    with: tokenOf(as("admin"), () => "repository:team/other:*"),
    expected: token(all("scope"), only("scope", "denied")),
  },
  "a token for the catalog": {
    with: tokenOf(as("admin"), () => "registry:catalog:*"),
    expected: token(all("scope"), only("scope", "denied"), "granted"),
  },
  "a token for nothing": {
    with: tokenOf(as("admin"), () => ""),
    expected: token(all("scope"), only("scope", "denied")),
  },
  "nobody's token": {
    with: tokenOf({}, (name) => `repository:${name}:*`),
    expected: { ...token(all("login"), only("granted", "login")), secret: all("login") },
  },
  "a CI job's own token": {
    with: tokenOf(teamsJob, (name) => `repository:${name}:*`),
    expected: token(rights("granted", "granted", "granted", "denied"), all("denied")),
  },
  "a valid token of a removed user": { with: () => bearer(leaversToken), expected: nothing },
  "a valid token of a user with a new password": {
    with: () => bearer(changersToken),
    expected: nothing,
  },
  "a valid token of a revoked robot": { with: () => bearer(revokedToken), expected: nothing },
  "an expired token": {
    with: (name) => forged(name, { exp: nowSeconds() - 3600 }),
    expected: nothing,
  },
  "a token that is not valid yet": {
    with: (name) => forged(name, { nbf: nowSeconds() + 3600 }),
    expected: nothing,
  },
  "a token for another service": { with: (name) => forged(name, { aud: "other" }), expected: nothing },
  "a token of another issuer": { with: (name) => forged(name, { iss: "other" }), expected: nothing },
  "a refresh token instead of an access token": {
    with: (name) => forged(name, {}, { typ: "refresh+jwt" }),
    expected: nothing,
  },
  "a token signed by another key with the same ID": {
    with: (name) => forged(name, {}, {}, ecKeys()),
    expected: nothing,
  },
  "text that is not a token": { with: () => bearer("a.b.c"), expected: nothing },
  "an external issuer's token for everything": {
    at: ofOutside,
    with: (name) => outsideTokenOf(access(name, "pull", "push", "delete")),
    expected: outsideToken(everything),
  },
  "an external issuer's token to pull": {
    at: ofOutside,
    with: (name) => outsideTokenOf(access(name, "pull")),
    expected: outsideToken(only("granted", "scope")),
  },
  "an external issuer's token for another repository": {
    at: ofOutside,
    with: () => outsideTokenOf(access("team/other", "*")),
    expected: outsideToken(all("scope")),
  },
  "an external issuer's token for the catalog": {
    at: ofOutside,
    with: () => outsideTokenOf({ access: [{ type: "registry", name: "catalog", actions: ["*"] }] }),
    expected: outsideToken(all("scope"), "granted"),
  },
  "an external issuer's token for another service": {
    at: ofOutside,
    with: (name) => outsideTokenOf({ ...access(name, "*"), aud: "other.example" }),
    expected: nothing,
  },
  "an expired token of an external issuer": {
    at: ofOutside,
    with: (name) => outsideTokenOf({ ...access(name, "*"), exp: nowSeconds() - 3600 }),
    expected: nothing,
  },
  "a token signed by another key with the ID of the external issuer's key": {
    at: ofOutside,
    with: (name) => outsideTokenOf(access(name, "*"), ecKeys()),
    expected: nothing,
  },
  "a token of this server where only an external issuer's count": {
    at: ofOutside,
    with: tokenOf(as("admin"), (name) => `repository:${name}:*`),
    expected: nothing,
  },
  "a client certificate": {
    at: certified,
    with: () => ({}),
    expected: { ...password(pulling), metrics: "granted" },
  },
  "a client certificate and a wrong password": {
    at: certified,
    with: () => basic("machine", "wrong"),
    expected: nothing,
  },
};

/** All of the same length, like the following names: their responses may differ in nothing else. */
const existing = "existing";
const newMissing = () => randomBytes(existing.length / 2).toString("hex");

function outcomeOf({ status, headers }: Answer, granted: number): string {
  if (status === granted) return "granted";
  if (status === 403) return "denied";
  if (status === 404) return "absent";
  const challenge = headers["www-authenticate"];
  if (status !== 401 || challenge === undefined) return `status ${status}`;
  return challenge.includes('error="insufficient_scope"') ? "scope" : "login";
}

/** The parts of a response that a client sees, with the repository's name replaced. */
function told({ status, headers, body }: Answer, name: string): string {
  const { date: _, ...rest } = headers;
  return JSON.stringify([status, rest, body.toString()]).replaceAll(name, "<name>");
}

for (const [who, { at = own, with: credentials, expected }] of Object.entries(callers)) {
  test(`what ${who} gets`, async () => {
    const { gantry, tls } = at;
    const client = new Client(gantry.url, undefined, tls);
    const owner = new Client(gantry.url, undefined, tls, at.owner);
    const found: Record<string, string> = {};
    const wanted: Record<string, string> = {};

    const run = async (
      route: string,
      { status, ask }: Case<RegistryNeed | RepositoryNeed>,
      name: string,
      outcome: Outcome,
    ) => {
      const headers = await credentials(name);
      const caller = outcome === "granted" ? new Client(gantry.url, 1, tls, headers) : owner;
      const asked = await ask(name, { owner, caller });
      const [method = ""] = route.split(" ");
      const answer = await client.request(method, asked.path, {
        ...(asked.body !== undefined && { body: asked.body }),
        headers: { ...asked.headers, ...headers },
      });
      const cell = `${route} in ${name}`;
      found[cell] = outcomeOf(answer, status);
      wanted[cell] = outcome;
      return told(answer, name);
    };

    await Promise.all(
      Object.entries(table).map(async ([route, cases]) => {
        if ("registry" in cases) {
          await run(route, cases.registry, `team/${existing}`, expected[cases.registry.need]);
          return;
        }
        for (const space of spaces) {
          const outcomes = [cases.there, cases.missing].map(({ need }) => expected[space][need]);
          const [there = "absent", missing = "absent"] = outcomes;
          const one = await run(route, cases.there, `${space}/${existing}`, there);
          const other = await run(route, cases.missing, `${space}/${newMissing()}`, missing);
          if (!outcomes.includes("granted"))
            assert.equal(one, other, `${route} reveals whether ${space}/… exists`);
        }
      }),
    );
    assert.deepEqual(found, wanted);
  });
}
