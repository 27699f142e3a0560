// Malicious and normal requests, drawn from a seed: the API's paths, normal and distorted; valid, wrong, forged and garbage
// credentials; inconsistent headers; bytes that are not HTTP.

import { base64url, type Signer, signJwt } from "../support/jwt.js";
import { basic } from "../support/login.js";
import type { Random } from "../torture/random.js";
import { reader, repositories, secretMark, type World } from "./world.js";

export interface FuzzRequest {
  /** Latin 1, one character per byte. */
  readonly text: string;
  /** Whether it is HTTP with a correct length: then it gets one response, and the connection stays open. */
  readonly honest: boolean;
  /** Whether it contains the reader's own credentials. */
  readonly privileged: boolean;
}

const methods = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"];

export function drawRequest(random: Random, world: World): FuzzRequest {
  const path = drawPath(random, world);
  const method = random.chance(0.6) ? methodFor(path, random) : random.pick(methods);
  const credentials = drawCredentials(random, world);
  const body = drawBody(random, world, path);
  const lines = [...drawHeaders(random, world), ...credentials.lines];
  if (body.text !== "" || random.chance(0.5)) lines.push(`Content-Length: ${body.text.length}`);
  const privileged = credentials.privileged || body.privileged;
  const head = [`${method} ${path} HTTP/1.1`, "Host: registry.test", ...lines].join("\r\n");
  const text = `${head}\r\n\r\n${body.text}`;
  switch (random.pickWeighted({ honest: 12, lying: 3, broken: 5 })) {
    case "honest":
      return { text, privileged, honest: isHttp(path, lines) };
    case "lying":
      return { text: withLie(random, text), privileged, honest: false };
    case "broken":
      return { text: broken(random, text), privileged, honest: false };
  }
}

/** Whether a server must understand it, however unusual it is. */
function isHttp(path: string, lines: readonly string[]): boolean {
  return /^[\x21-\x7e]+$/.test(path) && lines.every((line) => /^[\t\x20-\x7e\x80-\xff]*$/.test(line));
}

/** Usually an existing path. */
function methodFor(path: string, random: Random): string {
  if (path.includes("/uploads/?")) return "POST";
  if (path.includes("/uploads/")) return random.pick(["PATCH", "PUT", "GET", "DELETE", "POST"]);
  return path.includes("/manifests/new") || path.includes("?tag=")
    ? "PUT"
    : random.pick(["GET", "GET", "HEAD", "DELETE", "POST"]);
}

function drawPath(random: Random, world: World): string {
  const name = random.pick(repositories);
  const other = random.pick(repositories);
  const digest = drawDigest(random, world);
  const path = random.pick([
    ...["/v2/", "/v2", "/", "/livez", "/readyz", "/v2/_catalog", `/v2/_catalog?n=5&last=${other}`],
    ...[`/v2/${name}/tags/list`, `/v2/${name}/tags/list?n=1&last=${digest}`, `/v2/${name}/manifests/latest`],
    ...[
      `/v2/${name}/manifests/${digest}`,
      `/v2/${name}/manifests/new?tag=latest`,
      `/v2/${name}/blobs/${digest}`,
    ],
    ...[`/v2/${name}/manifests/${digest}?tag=latest&tag=new`, `/v2/${name}/referrers/${digest}`],
    ...[`/v2/${name}/blobs/uploads/`, `/v2/${name}/blobs/uploads/?digest=${digest}`],
    ...[
      `/v2/${name}/blobs/uploads/?mount=${digest}&from=${other}`,
      `/v2/${name}/blobs/uploads/?mount=${digest}`,
    ],
    `/v2/${name}/blobs/uploads/6d1f0c1e-5a52-4a3a-9a3c-3f1f8e0d7a10?digest=${digest}`,
    `/token?service=gantry&scope=${drawScope(random)}`,
    `/token?service=gantry&scope=${drawScope(random)}&scope=${drawScope(random)}&offline_token=true&account=owner`,
  ]);
  if (random.chance(0.55)) return path;
  return Array.from({ length: random.between(1, 4) }, () => random.pick(bends)).reduce(
    (bent, bend) => bend(bent, random),
    path,
  );
}

/** Each has been taken for another path by some URL parser. */
const bends: readonly ((path: string, random: Random) => string)[] = [
  (path, random) => at(path, random, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`),
  (path, random) => at(path, random, (char) => `%25${char.charCodeAt(0).toString(16)}`),
  (path, random) => at(path, random, (char) => char.toUpperCase()),
  (path, random) => at(path, random, (char) => `${char}${String.fromCharCode(random.between(0x80, 0x100))}`),
  (path, random) =>
    at(path, random, () => random.pick(["%00", "%0d%0a", "%c0%ae", "%", "\\", ";", "*", "\u00ff"])),
  (path, random) =>
    path.replace("public/", `public/${random.pick(["..", "%2e%2e", ".%2e", "..;"])}/${secretMark}/`),
  (path, random) =>
    path.replace("/image", random.pick(["//image", "/./image", "/x/../image", "%2fimage", "/image/"])),
  (path) => path.replace("/v2/", "/v2/public/image/../../"),
  (path, random) => Array.from(path, (char) => (random.chance(0.3) ? escaped(char) : char)).join(""),
  (path) => `/${path.slice(1).replaceAll("/", "%2f")}`,
  (path, random) =>
    path.replace("public/", `public%2f${random.pick(["..", "%2e%2e", "%252e%252e"])}%2F${secretMark}%2f`),
  (path, random) => `${random.pick(["http://registry.test", "//registry.test", "/.", "/v2/..", "x"])}${path}`,
  (path, random) =>
    `${path}${random.pick(["?", "#", "/", "//", "/..", "?x=%zz", "&from=public/image", "?n=-1"])}`,
  (path, random) => path.replace("image", "i".repeat(random.between(1, 6000))),
  (path, random) => path.slice(0, random.between(1, path.length + 1)),
];

function escaped(char: string): string {
  return `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

function at(text: string, random: Random, change: (char: string) => string): string {
  const index = random.between(0, text.length);
  return text.slice(0, index) + change(text.charAt(index)) + text.slice(index + 1);
}

function drawDigest(random: Random, { digests }: World): string {
  if (random.chance(0.8)) return random.pick(digests);
  return random.pick([
    ...["sha256:", "sha256:00", `sha256:${"0".repeat(64)}`, `sha512:${"0".repeat(128)}`, "md5:00", ":"],
    ...["..", "latest", "_", "%2e%2e", `blake3:${"f".repeat(64)}`],
  ]);
}

function drawScope(random: Random): string {
  const name = random.pick([...repositories, "*", "**", `${secretMark}/*`, "public/../secret/image", ""]);
  const actions = random.pick(["pull", "pull,push", "*", "delete", "admin", "create-tag", "", "pull,pull,*"]);
  return random.pick([
    ...[
      `repository:${name}:${actions}`,
      `repository:${name}:${actions}`,
      `repository(plugin):${name}:${actions}`,
    ],
    ...[
      "registry:catalog:*",
      `repository:${name}:${actions}%20registry:catalog:*`,
      "repository",
      ":::",
      "a:b:c",
    ],
  ]);
}

interface Credentials {
  /** Number of header bytes. */
  readonly lines: readonly string[];
  readonly privileged: boolean;
}

const readersOwn = line(basic(reader.name, reader.password));

function line({ Authorization = "" }: Readonly<Record<string, string>>): string {
  return `Authorization: ${Authorization}`;
}

function drawCredentials(random: Random, world: World): Credentials {
  const { tokens } = world;
  const readersToken = `Authorization: Bearer ${tokens.reader}`;
  switch (
    random.pickWeighted({ none: 20, right: 10, wrong: 10, odd: 15, token: 15, bent: 15, forged: 15, two: 5 })
  ) {
    case "none":
      return { lines: [], privileged: false };
    case "right":
      return { lines: [random.chance(0.5) ? readersOwn : readersToken], privileged: true };
    case "wrong": {
      const user = random.pick(["owner", "reader", "gone", "nobody", "robot-ci"]);
      return { lines: [line(basic(user, `wrong ${random.between(0, 50)}`))], privileged: false };
    }
    case "odd":
      return { lines: [`Authorization: ${drawOdd(random)}`], privileged: false };
    case "token":
      return {
        lines: [`Authorization: Bearer ${random.pick([tokens.anonymous, tokens.empty, tokens.revoked])}`],
        privileged: false,
      };
    case "bent":
      return { lines: [`Authorization: Bearer ${bentToken(random, world)}`], privileged: false };
    case "forged":
      return { lines: [`Authorization: Bearer ${forgedToken(random, world)}`], privileged: false };
    case "two":
      return { lines: [readersOwn, line(basic("owner", "wrong"))], privileged: true };
  }
}

/** Text in the form of a credential. */
function drawOdd(random: Random): string {
  const encoded = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
  const user = random.pick(["owner", "reader", "", "\0", "owner\n", "OWNER", "öwner"]);
  return random.pick([
    ...[encoded(user), encoded(`${user}:`), encoded(":"), encoded(`:${user}`), encoded(`${user}:\0`)],
    ...[
      encoded(`${user}:${"x".repeat(random.between(1, 9000))}`),
      `Basic ${user}`,
      "Basic",
      "Basic ====",
      "Bearer",
    ],
    ...[
      "Bearer null",
      "Bearer ..",
      "Bearer a.b.c",
      "Negotiate x",
      "",
      ":",
      `Digest username="owner"`,
      "Basic\t\t",
    ],
    `${random.pick(["Basic", "Bearer", "bearer  "])} ${noiseText(random, random.between(1, 400))}`,
  ]);
}

function noiseText(random: Random, length: number): string {
  return Array.from({ length }, () => String.fromCharCode(random.between(0x21, 0x100))).join("");
}

/** A token of the server with one character replaced, or parts of several tokens combined. */
function bentToken(random: Random, { tokens }: World): string {
  const all = Object.values(tokens);
  const token = random.pick(all);
  const [head = "", claims = "", signature = ""] = token.split(".");
  const [, otherClaims = "", otherSignature = ""] = random
    .pick(all.filter((one) => one !== token))
    .split(".");
  return random.pick([
    // Not the last one, which has bits outside the signature.
    at(token.slice(0, -1), random, (char) => (char === "A" ? "B" : "A")) + token.slice(-1),
    `${head}.${otherClaims}.${signature}`,
    `${head}.${claims}.${otherSignature}`,
    `${head}.${claims}.`,
    `${head}.${claims}`,
    `${base64url({ alg: "none", typ: "JWT" })}.${claims}.${random.chance(0.5) ? signature : ""}`,
    `${head}.${base64url({ ...claimsOf(token), access: everything })}.${signature}`,
    `${token}.${signature}`,
    `${token}A`,
    `${token}, ${token.slice(3)}`,
  ]);
}

const everything = repositories.map((name) => ({
  type: "repository",
  name,
  actions: ["pull", "push", "delete", "*"],
}));

export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

/** A token for everything, signed by an untrusted key or by none. */
function forgedToken(random: Random, { tokens, strangersKey }: World): string {
  const genuine = random.pick(Object.values(tokens));
  const { kid } = JSON.parse(Buffer.from(genuine.split(".")[0] ?? "", "base64url").toString());
  const signers: readonly Signer[] = [strangersKey, { secret: "" }, { secret: String(kid) }, "nothing"];
  const alg = random.pick(["ES256", "HS256", "none", "None", "RS256", "EdDSA", "", "ES256K"]);
  const jwk = strangersKey.export({ format: "jwk" });
  const header = random.pick([
    { alg, kid, typ: "JWT" },
    { alg, kid, typ: "refresh+jwt" },
    { alg, kid: "../../../dev/null", typ: "JWT" },
    { alg, typ: "JWT", jwk: { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y } },
    { alg, kid, typ: "JWT", crit: ["exp"], jku: "http://127.0.0.1:1/keys" },
  ]);
  const claims = random.pick([
    { ...claimsOf(genuine), access: everything },
    { ...claimsOf(genuine), access: everything, exp: 9e15 },
    { ...claimsOf(genuine), access: "everything", gantry: null },
    "not JSON",
  ]);
  return signJwt(header, claims, random.pick(signers));
}

function drawHeaders(random: Random, world: World): string[] {
  const target = `/v2/${secretMark}/image/manifests/latest`;
  const all = [
    ...[
      "X-Forwarded-For: 127.0.0.1",
      "X-Forwarded-Proto: https",
      `X-Forwarded-Host: ${secretMark}`,
      "Forwarded: for=_",
    ],
    ...[
      `X-Original-URL: ${target}`,
      `X-Rewrite-URL: ${target}`,
      "X-HTTP-Method-Override: DELETE",
      "Cookie: a=b",
    ],
    ...[
      "Range: bytes=0-",
      "Range: bytes=-1,0-0",
      `If-None-Match: "${drawDigest(random, world)}"`,
      "If-None-Match: *",
    ],
    ...["Upgrade: websocket", "Connection: keep-alive, Authorization", "Connection: close", "Accept: */*"],
    ...["Content-Range: 0-1", "X-Remote-User: owner", "Proxy-Authorization: Basic b3duZXI6", "TE: trailers"],
    ...["Content-Type: application/vnd.oci.image.manifest.v1+json", "Content-Type: text/html"],
    `X-${noiseText(random, 3).replace(/[^a-z]/gi, "a")}: ${noiseText(random, random.between(1, 2000))}`,
  ];
  return Array.from({ length: random.between(0, 4) }, () => random.pick(all));
}

interface Body {
  readonly text: string;
  readonly privileged: boolean;
}

function drawBody(random: Random, world: World, path: string): Body {
  if (path.startsWith("/token")) {
    const privileged = random.chance(0.2);
    const { tokens } = world;
    const form = new URLSearchParams({
      grant_type: random.pick(["password", "refresh_token", "authorization_code", ""]),
      username: privileged ? reader.name : "owner",
      password: privileged ? reader.password : "wrong",
      refresh_token: random.pick([...Object.values(tokens), forgedToken(random, world), ""]),
      scope: decodeURIComponent(drawScope(random)),
      access_type: "offline",
    });
    return { text: form.toString(), privileged };
  }
  const text = random.pick([
    "",
    "",
    "{}",
    `{"schemaVersion":2,"config":{},"layers":[]}`,
    noiseText(random, 200),
  ]);
  return { text, privileged: false };
}

const hidden = `DELETE /v2/${secretMark}/image/manifests/latest HTTP/1.1\r\nHost: x\r\n\r\n`;

/** States a wrong length, with another request after the body. */
function withLie(random: Random, text: string): string {
  const lie = random.pick([
    ...[
      "Content-Length: 0",
      "Content-Length: 1",
      "Content-Length: 99999999999999999999",
      "Content-Length: -1",
    ],
    ...["Transfer-Encoding: chunked", "Transfer-Encoding: chunked, identity", "Transfer-Encoding : chunked"],
    ...[
      "Content-Length: 5\r\nContent-Length: 50",
      "Expect: 100-continue",
      " folded: header",
      "Content-Length: ",
    ],
  ]);
  return text.replace("\r\n", `\r\n${lie}\r\n`) + (random.chance(0.5) ? `0\r\n\r\n${hidden}` : hidden);
}

/** The same with some bytes changed, removed or doubled. */
function broken(random: Random, text: string): string {
  let changed = text;
  for (let left = random.between(1, 6); left > 0; left--) {
    const index = random.between(0, changed.length);
    const end = index + random.between(0, 12);
    const insert = random.pick([
      "",
      "\r\n",
      "\n",
      "\0",
      " ",
      ":",
      changed.slice(index, end).repeat(2),
      noiseText(random, 3),
    ]);
    changed = changed.slice(0, index) + insert + changed.slice(random.chance(0.5) ? index : end);
  }
  return random.chance(0.1) ? changed.slice(0, random.between(0, changed.length)) : changed;
}
