/**
 * The same requests to CNCF distribution 3 and to Gantry: what works with one must work with the other. Each row of the
 * table states which parts of the responses must be equal; for deliberate differences it has both, and the reason.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { hashSync } from "bcryptjs";
import { type Answer, Client } from "../support/client.js";
import { blobOf, image } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { basic } from "../support/login.js";
import { newAuthority } from "../support/tls.js";
import { startDistribution3 } from "./distribution-3.js";
import { needs, temporaryFolder } from "./support.js";

const skip = needs("registry");

const origin = "https://ui.example.com";
const user = { name: "alice", password: "a password" };
const realm = "https://auth.example.com/token";

/** Requires no login; requires name and password; requires a token of an external issuer. */
type Pair = "open" | "basic" | "token";
type Side = "distribution" | "gantry";

const layer = blobOf(100_000);
const empty = blobOf(0);
const app = image();

/** The compared parts of two responses. `json` is the body, `parts` are those of a response with several ranges. */
type Facet = "status" | "body" | "code" | "message" | "detail" | "parts" | `header ${string}`;
type Told = Partial<Record<Facet, unknown>>;

interface Row {
  readonly at?: Pair;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly alike: readonly Facet[];
  /** Deliberate differences. */
  readonly apart?: { readonly distribution: Told; readonly gantry: Told; readonly reason: string };
}

const error = ["status", "code", "message", "detail"] as const;
const blob = (digest: string) => `/v2/probe/app/blobs/${digest}`;
const range = (value: string, digest = layer.digest) => ({ path: blob(digest), headers: { Range: value } });
const ranged = [
  "status",
  "body",
  "header content-range",
  "header content-length",
  "header docker-content-digest",
] as const;
const mount = (query: string): Row => ({
  method: "POST",
  path: `/v2/probe/to/blobs/uploads/?${query}`,
  alike: ["status", "body"],
});
const many = Array.from({ length: 986 }, (_, at) => `${at * 100}-${at * 100 + 59}`).join(",");

const rows: readonly Row[] = [
  {
    path: "/",
    alike: ["status"],
    apart: {
      distribution: { body: "" },
      gantry: { "header content-type": "text/html; charset=utf-8" },
      reason: "a person who opens the address sees the repositories",
    },
  },
  { method: "HEAD", path: "/", alike: ["status", "body"] },
  { path: "/v2/", alike: ["status", "body", "header docker-distribution-api-version"] },
  {
    path: "/v2",
    alike: [],
    apart: {
      distribution: { status: 301 },
      gantry: { status: 200 },
      reason: "a client that does not follow redirects works too",
    },
  },

  // Ranges, of which lazy pullers send hundreds.
  { ...range("bytes=0-9"), alike: ranged },
  // SOCI checks a blob's existence and size in this way, and nydus by HEAD; both then request ranges, also adjacent ones.
  { ...range("bytes=0-1"), alike: ranged },
  { method: "HEAD", path: blob(layer.digest), alike: [...ranged, "header accept-ranges"] },
  {
    method: "HEAD",
    ...range("bytes=0-1"),
    alike: ["body", "header docker-content-digest"],
    apart: {
      distribution: { status: 206 },
      gantry: { status: 200 },
      reason: "a range applies only to GET (RFC 9110, 14.2)",
    },
  },
  { ...range("bytes=0-4095,4096-8191,16384-20479"), alike: ["status", "parts"] },
  { ...range("bytes=-10"), alike: ranged },
  { ...range("bytes=99990-"), alike: ranged },
  { ...range("bytes=99990-200000"), alike: ranged },
  { ...range("bytes=0-9,20-29,-5"), alike: ["status", "parts"] },
  { ...range(`bytes=${many}`), alike: ["status", "parts"] },
  { ...range("bytes=200000-,5-9"), alike: ranged },
  { ...range("bytes=0-99999,0-99999"), alike: ranged },
  { ...range("bytes=100000-"), alike: ["status"] },
  {
    ...range("bytes=-0"),
    alike: [],
    apart: {
      distribution: { status: 206 },
      gantry: { status: 416 },
      reason:
        "no byte is requested, which cannot be satisfied (RFC 9110, 14.1.2); Go answers 'bytes 100000-99999/100000'",
    },
  },
  { ...range("bytes=5-3"), alike: ["status"] },
  {
    ...range("bytes=a-b"),
    alike: [],
    apart: {
      distribution: { status: 416 },
      gantry: { status: 200 },
      reason: "a malformed range is ignored (RFC 9110, 14.2)",
    },
  },
  {
    ...range("lines=1-2"),
    alike: [],
    apart: {
      distribution: { status: 416 },
      gantry: { status: 200 },
      reason: "an unknown unit must be ignored (RFC 9110, 14.2)",
    },
  },
  ...["bytes=0-1048575", "bytes=0-0", "bytes=5-", "bytes=0-0,1-1"].map((value) => ({
    ...range(value, empty.digest),
    alike: ranged,
  })),
  {
    ...range("bytes=-5", empty.digest),
    alike: ["header content-length"],
    apart: {
      distribution: { status: 206, "header content-range": "bytes 0--1/0" },
      gantry: { status: 200, "header content-range": undefined },
      reason: "that is not a Content-Range",
    },
  },

  // Percent-encoding
  ...[
    "/v2/probe%2Fapp/tags/list",
    "/v2/%70robe/app/tags/list",
    "/v2/probe/app/tags%2Flist",
    "/%762/probe/app/tags/list",
  ].map((path): Row => ({ path, alike: ["status", "body"] })),
  {
    path: "/v2/probe/app/manifests/%6catest",
    headers: { Accept: app.mediaType },
    alike: ["status", "body", "header docker-content-digest"],
  },
  { path: `/v2/probe/app/blobs/${layer.digest.replace(":", "%3A")}`, alike: ["status", "body"] },
  ...["/v2/probe%252Fapp/tags/list", "/v2/probe%00/tags/list", "/v2/UPPER/tags/list"].map(
    (path): Row => ({
      path,
      alike: [],
      apart: {
        distribution: { status: 404, code: undefined },
        gantry: { status: 400, code: "NAME_INVALID" },
        reason: "the specification's error, with the reason, instead of a page",
      },
    }),
  ),
  { path: "/v2/probe%zz/tags/list", alike: ["status"] },
  ...["/v2/x/%2e%2e/probe/app/tags/list", "/v2/probe//app/tags/list", "/v2/x/../probe/app/tags/list"].map(
    (path): Row => ({
      path,
      alike: [],
      apart: {
        distribution: { status: 301 },
        gantry: { status: 400 },
        reason: "a name with '..' or an empty component is invalid, and cannot bypass a rule",
      },
    }),
  ),

  // Web pages of other origins
  {
    method: "OPTIONS",
    path: "/v2/",
    headers: { Origin: origin },
    alike: ["status", "header access-control-allow-origin"],
  },
  {
    method: "OPTIONS",
    path: "/v2/probe/app/tags/list",
    headers: { Origin: origin },
    alike: ["status", "header access-control-allow-origin"],
    apart: {
      distribution: { "header allow": "GET" },
      gantry: { "header allow": "GET, HEAD, OPTIONS" },
      reason: "all allowed methods",
    },
  },
  ...(["basic", "token"] as const).map(
    (at): Row => ({
      at,
      method: "OPTIONS",
      path: "/v2/probe/app/manifests/latest",
      headers: { Origin: origin },
      alike: ["header access-control-allow-origin"],
      apart: {
        distribution: { status: 401 },
        gantry: { status: 200 },
        reason: "a browser's preflight has no credentials, and needs a 2xx",
      },
    }),
  ),
  {
    path: "/v2/probe/app/tags/list",
    headers: { Origin: origin },
    alike: ["status", "header access-control-allow-origin"],
  },

  // Impossible mounts
  ...[
    `mount=${layer.digest}&from=Team/App`,
    `mount=${layer.digest}&from=host:5000/x`,
    `mount=${layer.digest}&from=${"a".repeat(256)}`,
    `mount=${layer.digest}&from=nobody`,
    `mount=md5:00&from=probe/app`,
    `mount=sha384:${"a".repeat(96)}&from=probe/app`,
    "mount=sha256:abc&from=probe/app",
    "mount=latest&from=probe/app",
    "mount=&from=probe/app",
  ].map(mount),
  {
    ...mount(`mount=${layer.digest}&from=probe/app`),
    alike: ["status", "body", "header docker-content-digest"],
  },
  {
    ...mount(`mount=${layer.digest}`),
    alike: [],
    apart: {
      distribution: { status: 202 },
      gantry: { status: 201 },
      reason:
        "automatic discovery, which the specification describes (end-11), where storage.mount.anonymous allows it",
    },
  },

  // Errors
  { path: "/v2/nobody/tags/list", alike: error },
  {
    path: "/v2/probe/app/tags/list?n=-1",
    alike: ["status", "code", "message"],
    apart: {
      distribution: { detail: { n: -1 } },
      gantry: { detail: { n: "-1" } },
      reason: "like both respond for the catalog",
    },
  },
  ...["-1", "abc", "1.5", "99999999999999999999"].map(
    (n): Row => ({ path: `/v2/_catalog?n=${n}`, alike: error }),
  ),
  {
    path: "/v2/_catalog?n=100000",
    alike: [],
    apart: {
      distribution: { status: 400 },
      gantry: { status: 200 },
      reason: "a page may be shorter than requested; the Link header shows that there are more",
    },
  },
  { path: "/v2/_catalog?n=0", alike: ["status", "body"] },
  { path: "/v2/probe/app/manifests/absent", alike: ["status", "code"] },
  { path: `/v2/probe/app/blobs/${blobOf(3).digest}`, alike: ["status", "code"] },
  { path: "/v2/probe/app/blobs/sha256:abc", alike: ["status", "code"] },
  ...(["basic", "token"] as const).flatMap((at): Row[] => [
    { at, path: "/v2/", alike: error },
    { at, path: "/v2/a/b/manifests/latest", alike: error },
    { at, path: `/v2/a/b/blobs/${layer.digest}`, alike: error },
    { at, method: "POST", path: "/v2/a/b/blobs/uploads/", alike: error },
    { at, method: "DELETE", path: "/v2/a/b/manifests/latest", alike: error },
    { at, method: "POST", path: `/v2/a/b/blobs/uploads/?mount=${layer.digest}&from=x/y`, alike: error },
    { at, path: "/v2/_catalog", alike: error },
  ]),
  { at: "token", path: "/v2/a/b/manifests/latest", alike: ["header www-authenticate"] },
  { at: "token", path: "/v2/_catalog", alike: ["header www-authenticate"] },
  {
    at: "basic",
    path: "/v2/",
    alike: [],
    apart: {
      distribution: { "header www-authenticate": 'Basic realm="registry"' },
      gantry: { "header www-authenticate": 'Basic realm="registry", charset="UTF-8"' },
      reason: "passwords may have any character (RFC 7617)",
    },
  },
  {
    at: "basic",
    path: "/v2/",
    headers: basic(user.name, "wrong"),
    alike: ["status", "code", "detail"],
    apart: {
      distribution: { message: "authentication required" },
      gantry: { message: "the credentials are not valid" },
      reason: "to tell the two apart",
    },
  },
  { at: "basic", path: "/v2/", headers: basic(user.name, user.password), alike: ["status", "body"] },
];

interface ErrorBody {
  readonly errors?: readonly Readonly<Record<"code" | "message" | "detail", unknown>>[];
}

/** The ranges of a response and the bytes of each. */
function partsOf({ headers, body }: Answer): unknown {
  const boundary = /boundary=([^;]+)/.exec(String(headers["content-type"]))?.[1];
  if (boundary === undefined) return "no parts";
  const parts = body.toString("latin1").split(new RegExp(`(?:\r\n)?--${boundary}(?:--)?\r\n`));
  return parts.slice(1, -1).map((part) => {
    const end = part.indexOf("\r\n\r\n");
    return [/^content-range: (.*)$/im.exec(part.slice(0, end))?.[1]?.trim(), part.slice(end + 4)];
  });
}

function told(answer: Answer, facet: Facet): unknown {
  if (facet.startsWith("header ")) return answer.headers[facet.slice("header ".length)];
  if (facet === "status") return answer.status;
  if (facet === "parts") return partsOf(answer);
  const text = answer.body.toString("latin1");
  const isJson = String(answer.headers["content-type"]).startsWith("application/json");
  if (facet === "body") return isJson ? JSON.parse(text) : text;
  return isJson ? (JSON.parse(text) as ErrorBody).errors?.[0]?.[facet as "code"] : undefined;
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "none";
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** Like every client: one request that opens the upload, and one with the bytes. */
async function pushTo(client: Client): Promise<void> {
  for (const { bytes, digest } of [layer, empty, ...app.blobs]) {
    const location = await client.openUpload("probe/app");
    const path = new URL(location, client.url);
    const headers = { "Content-Type": "application/octet-stream" };
    const answer = await client.close(path.pathname + path.search, digest, bytes, headers);
    assert.equal(answer.status, 201, answer.body.toString());
  }
  assert.equal((await client.putManifest("probe/app", "latest", app.bytes, app.mediaType)).status, 201);
}

async function startAll(
  folder: string,
  opened: AsyncDisposable[],
): Promise<Record<Pair, Record<Side, Client>>> {
  const users = join(folder, "users");
  await writeFile(users, `${user.name}:${hashSync(user.password, 4)}\n`);
  const authority = await newAuthority("an issuer");
  const bundle = join(folder, "issuer.pem");
  await writeFile(bundle, authority.pem);
  const http = `headers: {Access-Control-Allow-Origin: ["${origin}"]}`;
  const REGISTRY_HTTP_HEADERS = `{Access-Control-Allow-Origin: ["${origin}"]}`;
  const token = { realm, service: "registry", issuer: "issuer", rootcertbundle: bundle };
  const auth: Record<Pair, readonly [lines: string, settings: Record<string, string>]> = {
    open: ["", {}],
    basic: [
      `auth: {htpasswd: {realm: registry, path: ${users}}}`,
      {
        REGISTRY_AUTH_HTPASSWD_PATH: users,
        REGISTRY_AUTH_HTPASSWD_REALM: "registry",
        REGISTRY_AUTH_CHALLENGE: "basic",
      },
    ],
    token: [
      `auth: {token: ${JSON.stringify(token)}}`,
      Object.fromEntries(
        Object.entries(token).map(([key, value]) => [`REGISTRY_AUTH_TOKEN_${key.toUpperCase()}`, value]),
      ),
    ],
  };
  const started = {} as Record<Pair, Record<Side, Client>>;
  for (const pair of ["open", "basic", "token"] as const) {
    const [lines, settings] = auth[pair];
    const distribution = await startDistribution3(folder, pair, { http, lines });
    opened.push(distribution);
    const gantry = await startGantry({ REGISTRY_HTTP_HEADERS, ...settings });
    opened.push(gantry);
    started[pair] = { distribution: new Client(distribution.url), gantry: new Client(gantry.url) };
  }
  return started;
}

async function compare(context: TestContext, clients: Record<Side, Client>, row: Row): Promise<void> {
  const { method = "GET", path, headers = {}, alike, apart } = row;
  const ask = (client: Client) =>
    client.request(method, path, { headers, ...(method === "POST" && { body: "" }) });
  const answers = { distribution: await ask(clients.distribution), gantry: await ask(clients.gantry) };
  for (const facet of alike) {
    const [theirs, ours] = [told(answers.distribution, facet), told(answers.gantry, facet)];
    context.diagnostic(
      `${facet}: ${short(ours)}${facet === "status" || theirs === ours ? "" : ` / ${short(theirs)}`}`,
    );
    assert.deepEqual(ours, theirs, `${facet}: Gantry's and distribution's`);
  }
  if (apart === undefined) return;
  context.diagnostic(
    `apart: distribution ${short(apart.distribution)}, Gantry ${short(apart.gantry)}: ${apart.reason}`,
  );
  for (const side of ["distribution", "gantry"] as const)
    for (const [facet, expected] of Object.entries(apart[side]))
      assert.deepEqual(told(answers[side], facet as Facet), expected, `${side}: ${facet}`);
}

const servers: AsyncDisposable[] = [];
after(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
});

test("CNCF distribution 3 and Gantry give the same responses", { skip }, async (context) => {
  await using folder = await temporaryFolder();
  const started = await startAll(folder.path, servers);
  await pushTo(started.open.distribution);
  await pushTo(started.open.gantry);
  for (const row of rows) {
    const { at = "open", method = "GET", path, headers = {} } = row;
    const what = `${at}: ${method} ${path.slice(0, 80)} ${Object.values(headers).join(" ").slice(0, 40)}`;
    await context.test(what, (inner) => compare(inner, started[at], row));
  }
});
