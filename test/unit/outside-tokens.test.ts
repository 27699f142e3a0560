// Tokens of an external issuer, as in CNCF distribution: verified by key set or certificate, and by nothing else.

import assert from "node:assert/strict";
import { createHash, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { calculateJwkThumbprint, exportJWK } from "jose";
import { algorithms } from "../../src/auth/tokens/algorithms.js";
import { tokenCharactersMax } from "../../src/auth/tokens/jwt.js";
import { OutsideTokens } from "../../src/auth/tokens/outside-tokens.js";
import { parseTrusted, type TrustedFiles, TrustedKeys } from "../../src/auth/tokens/trusted-keys.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { issueCertificate } from "../support/certificates.js";
import { ecKeys, type Json, jwkSet, nowSeconds, rsaKeys, type Signer, signJwt } from "../support/jwt.js";
import { assertRefused } from "../support/refused.js";

const name = parseRepositoryName("team/app");
const ec = ecKeys();
const rsa = rsaKeys();
const stranger = ecKeys();
const jwks = jwkSet({ ec: ec.publicKey, rsa: rsa.publicKey });

const root = await issueCertificate({ name: "root", authority: true });
const between = await issueCertificate({ name: "between", by: root, authority: true });
const leaf = await issueCertificate({ name: "leaf", by: between });
const otherRoot = await issueCertificate({ name: "root", authority: true });
const otherLeaf = await issueCertificate({ name: "leaf", by: otherRoot });

async function newTokens(files: TrustedFiles = { jwks, rootCertBundle: root.pem }) {
  const keys = new TrustedKeys(await parseTrusted(files));
  return {
    keys,
    tokens: new OutsideTokens({ keys, issuer: "auth.example", service: "registry", algorithms }),
  };
}

const claims = (more: Json = {}): Json => ({
  iss: "auth.example",
  aud: "registry",
  sub: "alice",
  exp: nowSeconds() + 300,
  nbf: nowSeconds(),
  access: [{ type: "repository", name, actions: ["pull"] }],
  ...more,
});

function x5c(...chain: readonly { readonly certificate: { readonly raw: Buffer } }[]): string[] {
  return chain.map(({ certificate }) => certificate.raw.toString("base64"));
}

/** As in libtrust: the ID under which token servers before CNCF distribution 3 sign. */
function libtrustId(key: KeyObject): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let value = BigInt(
    `0x${createHash("sha256")
      .update(key.export({ type: "spki", format: "der" }))
      .digest("hex")
      .slice(0, 60)}`,
  );
  let text = "";
  for (let index = 0; index < 48; index++, value >>= 5n) text = alphabet[Number(value & 31n)] + text;
  return text.replace(/(.{4})(?=.)/g, "$1:");
}

const thumbprint = await calculateJwkThumbprint(await exportJWK(root.certificate.publicKey));

for (const [how, header, key] of [
  ["a key in the set", { alg: "ES256", kid: "ec" }, ec.privateKey],
  ["an RSA key in the set", { alg: "RS256", kid: "rsa", typ: "JWT" }, rsa.privateKey],
  ["the root's key, by its thumbprint", { alg: "ES256", kid: thumbprint }, root.privateKey],
  [
    "the root's key, by its libtrust ID",
    { alg: "ES256", kid: libtrustId(root.certificate.publicKey) },
    root.privateKey,
  ],
  ["a certificate issued by the root", { alg: "ES256", x5c: x5c(between) }, between.privateKey],
  ["a certificate below that", { alg: "ES256", x5c: x5c(leaf, between) }, leaf.privateKey],
  ["the same with the root included", { alg: "ES256", x5c: x5c(leaf, between, root) }, leaf.privateKey],
  ["the root itself", { alg: "ES256", x5c: x5c(root) }, root.privateKey],
] as const) {
  test(`a token signed with ${how} is accepted, and grants only its scope`, async () => {
    const { tokens } = await newTokens();
    const identity = await tokens.verify(signJwt(header, claims(), key));
    assert.ok(identity?.token);
    assert.deepEqual(
      [identity.kind, identity.subject, identity.limitDecides],
      ["outside", "outside:alice", true],
    );
    assert.ok(identity.token.allows("pull", name));
    for (const permission of ["push", "create-tag", "delete", "admin"] as const)
      assert.ok(!identity.token.allows(permission, name));
    assert.ok(!identity.token.allows("pull", parseRepositoryName("team/app/more")));
    assert.ok(!identity.token.catalog);
  });
}

const expired = await issueCertificate({
  name: "expired",
  by: root,
  notBefore: new Date(Date.now() - 7_200_000),
  notAfter: new Date(Date.now() - 3_600_000),
});
const future = await issueCertificate({
  name: "future",
  by: root,
  notBefore: new Date(Date.now() + 3_500_000),
});
const belowLeaf = await issueCertificate({ name: "below", by: leaf });
const publicPem = rsa.publicKey.export({ type: "spki", format: "pem" }).toString();
const strangersJwk = stranger.publicKey.export({ format: "jwk" });

interface Attack {
  readonly header: Json | string;
  /** In place of the claims of a valid token. */
  readonly claims?: Json;
  readonly key: Signer;
  readonly reason: RegExp;
}

const attacks: Readonly<Record<string, Attack>> = {
  "without a signature": { header: { alg: "none", kid: "ec" }, key: "nothing", reason: /algorithm/ },
  "with `none` as algorithm in other letters": {
    header: { alg: "nOnE", kid: "ec" },
    key: "nothing",
    reason: /algorithm/,
  },
  "with the signature removed": {
    header: { alg: "ES256", kid: "ec" },
    key: "nothing",
    reason: /signature|malformed/,
  },
  "signed with the public key as a shared secret": {
    header: { alg: "HS256", kid: "rsa" },
    key: { secret: publicPem },
    reason: /algorithm/,
  },
  "signed by a stranger with the ID of a trusted key (CVE-2025-24976)": {
    header: { alg: "ES256", kid: "ec" },
    key: stranger.privateKey,
    reason: /signature/,
  },
  "with a stranger's key under a trusted ID (CVE-2025-24976)": {
    header: { alg: "ES256", jwk: { ...strangersJwk, kid: "ec" } },
    key: stranger.privateKey,
    reason: /key/,
  },
  "with a stranger's key beside a trusted ID": {
    header: { alg: "ES256", kid: "ec", jwk: strangersJwk },
    key: stranger.privateKey,
    reason: /signature/,
  },
  "with a URL of its key": {
    header: { alg: "ES256", kid: "other", jku: "http://127.0.0.1:1/", x5u: "http://127.0.0.1:1/" },
    key: stranger.privateKey,
    reason: /key/,
  },
  "with an unknown key ID": { header: { alg: "ES256" }, key: ec.privateKey, reason: /key/ },
  "with a key ID that is not text": {
    header: { alg: "ES256", kid: ["ec"] },
    key: ec.privateKey,
    reason: /key|malformed/,
  },
  "with another key's algorithm": {
    header: { alg: "RS256", kid: "ec" },
    key: rsa.privateKey,
    reason: /key/,
  },
  "of another root": {
    header: { alg: "ES256", x5c: x5c(otherLeaf, otherRoot) },
    key: otherLeaf.privateKey,
    reason: /no trusted root/,
  },
  "with the trusted root after another's certificate": {
    header: { alg: "ES256", x5c: x5c(otherLeaf, root) },
    key: otherLeaf.privateKey,
    reason: /no trusted root/,
  },
  "with a trusted certificate before its own": {
    header: { alg: "ES256", x5c: x5c(leaf, between) },
    key: otherLeaf.privateKey,
    reason: /signature/,
  },
  "with a gap in its chain": {
    header: { alg: "ES256", x5c: x5c(leaf) },
    key: leaf.privateKey,
    reason: /no trusted root/,
  },
  "with a certificate issued by a non-authority": {
    header: { alg: "ES256", x5c: x5c(belowLeaf, leaf, between) },
    key: belowLeaf.privateKey,
    reason: /no trusted root/,
  },
  "with an expired certificate": {
    header: { alg: "ES256", x5c: x5c(expired) },
    key: expired.privateKey,
    reason: /no trusted root/,
  },
  "with a certificate that is not valid yet": {
    header: { alg: "ES256", x5c: x5c(future) },
    key: future.privateKey,
    reason: /no trusted root/,
  },
  "with an endless chain": {
    header: { alg: "ES256", x5c: x5c(leaf, between, ...Array.from({ length: 10 }, () => between)) },
    key: leaf.privateKey,
    reason: /chain is malformed/,
  },
  "with an empty chain": {
    header: { alg: "ES256", kid: "ec", x5c: [] },
    key: ec.privateKey,
    reason: /no trusted root/,
  },
  "with an invalid chain": {
    header: { alg: "ES256", kid: "ec", x5c: [{ length: 4_000_000_000 }] },
    key: ec.privateKey,
    reason: /chain is malformed/,
  },
  "that has expired": {
    header: { alg: "ES256", kid: "ec" },
    claims: { exp: nowSeconds() - 61 },
    key: ec.privateKey,
    reason: /expired/,
  },
  "that never expires": {
    header: { alg: "ES256", kid: "ec" },
    claims: { exp: undefined },
    key: ec.privateKey,
    reason: /exp/,
  },
  "with an expiry that is not a time": {
    header: { alg: "ES256", kid: "ec" },
    claims: { exp: "tomorrow" },
    key: ec.privateKey,
    reason: /exp/,
  },
  "that is not valid yet": {
    header: { alg: "ES256", kid: "ec" },
    claims: { nbf: nowSeconds() + 3600 },
    key: ec.privateKey,
    reason: /nbf/,
  },
  "for another service": {
    header: { alg: "ES256", kid: "ec" },
    claims: { aud: "another" },
    key: ec.privateKey,
    reason: /aud/,
  },
  "for no service": {
    header: { alg: "ES256", kid: "ec" },
    claims: { aud: undefined },
    key: ec.privateKey,
    reason: /aud/,
  },
  "of another type": {
    header: { alg: "ES256", kid: "ec", typ: "refresh+jwt" },
    key: ec.privateKey,
    reason: /type/,
  },
  "with an unknown critical extension": {
    header: { alg: "ES256", kid: "ec", crit: ["exp"], exp: 1 },
    key: ec.privateKey,
    reason: /malformed/,
  },
  "with an unencoded payload": {
    header: { alg: "ES256", kid: "ec", crit: ["b64"], b64: false },
    key: ec.privateKey,
    reason: /malformed|signature/,
  },
  "with a header that is not JSON": { header: "{", key: ec.privateKey, reason: /malformed/ },
  "with a list as header": { header: "[]", key: ec.privateKey, reason: /malformed/ },
  "with a subject that is not text": {
    header: { alg: "ES256", kid: "ec" },
    claims: { sub: { name: "alice" } },
    key: ec.privateKey,
    reason: /subject|malformed/,
  },
  "with an endless subject": {
    header: { alg: "ES256", kid: "ec" },
    claims: { sub: "a".repeat(2000) },
    key: ec.privateKey,
    reason: /subject/,
  },
  "with an access that is not a list": {
    header: { alg: "ES256", kid: "ec" },
    claims: { access: { type: "repository", name, actions: ["pull"] } },
    key: ec.privateKey,
    reason: /access/,
  },
};

for (const [what, { header, claims: said, key, reason }] of Object.entries(attacks)) {
  test(`a token ${what} is refused`, async () => {
    const token = signJwt(header, claims(said), key);
    await assertRefused((await newTokens()).tokens.verify(token), reason, token);
  });
}

test("a token of another issuer, or of two issuers, is left to other verifiers", async () => {
  const { tokens } = await newTokens();
  for (const iss of ["auth.example.org", "AUTH.EXAMPLE", ["auth.example"], undefined])
    assert.equal(
      tokens.verify(signJwt({ alg: "ES256", kid: "ec" }, claims({ iss }), ec.privateKey)),
      undefined,
    );
});

test("of a duplicate claim, every reader uses the last", async () => {
  const { tokens } = await newTokens();
  const json = JSON.stringify(claims());
  const twice = (claim: string) => json.replace(/}$/, `,${claim}}`);
  const sign = (text: string) => signJwt({ alg: "ES256", kid: "ec" }, text, ec.privateKey);
  assert.equal((await tokens.verify(sign(twice('"sub":"bob"'))))?.subject, "outside:bob");
  assert.equal(tokens.verify(sign(twice('"iss":"another"'))), undefined);
  await assertRefused(tokens.verify(sign(twice('"aud":"another"'))), /aud/);
  const emptied = await tokens.verify(sign(twice('"access":[]')));
  assert.equal(emptied?.token?.allows("pull", name), false);
});

test("an access grants exactly what it states", async () => {
  const { tokens } = await newTokens();
  const accessOf = async (...access: Json[]) =>
    (await tokens.verify(signJwt({ alg: "ES256", kid: "ec" }, claims({ access }), ec.privateKey)))?.token;
  const all = ["pull", "push", "create-tag", "delete", "admin"] as const;
  for (const [entry, expected] of [
    [{ type: "repository", name, actions: ["push"] }, ["push", "create-tag"]],
    [{ type: "repository", name, actions: ["*"] }, ["pull", "push", "create-tag", "delete"]],
    [{ type: "repository(plugin)", name, actions: ["pull"] }, ["pull"]],
    [{ type: "repository", name, actions: ["pull,push", "PULL", "constructor", "__proto__"] }, []],
    [{ type: "repository", name: "team/*", actions: ["*"] }, []],
    [{ type: "repository", name: "*", actions: ["*"] }, []],
    [{ type: "repository", name: "team", actions: ["*"] }, []],
    [{ type: "registry", name: "catalog", actions: ["*"] }, []],
    [{ type: "repositories", name, actions: ["*"] }, []],
  ] as const) {
    const access = await accessOf(entry);
    assert.deepEqual(
      all.filter((permission) => access?.allows(permission, name)),
      expected,
      JSON.stringify(entry),
    );
    assert.equal(access?.catalog, entry.type === "registry");
  }
  const both = await accessOf(
    { type: "repository", name, actions: ["pull"] },
    { type: "repository", name, actions: ["delete"] },
  );
  assert.deepEqual(
    all.filter((permission) => both?.allows(permission, name)),
    ["pull", "delete"],
  );
});

test("nesting as deep as a token allows is refused or ignored without harm", async () => {
  const { tokens } = await newTokens();
  const deep = "[".repeat(2500) + "]".repeat(2500);
  const text = JSON.stringify(claims()).replace(/}$/, `,"deep":${deep}}`);
  const passedOver = await tokens.verify(signJwt({ alg: "ES256", kid: "ec" }, text, ec.privateKey));
  assert.equal(passedOver?.subject, "outside:alice");
  const asAccess = JSON.stringify(claims()).replace(/}$/, `,"access":${deep}}`);
  await assertRefused(tokens.verify(signJwt({ alg: "ES256", kid: "ec" }, asAccess, ec.privateKey)), /access/);
  const huge = signJwt(
    { alg: "ES256", kid: "ec" },
    claims({ x: "x".repeat(tokenCharactersMax) }),
    ec.privateKey,
  );
  assert.equal(tokens.verify(huge), undefined);
});

test("only the allowed algorithms are accepted", async () => {
  const keys = new TrustedKeys(await parseTrusted({ jwks }));
  const tokens = new OutsideTokens({
    keys,
    issuer: "auth.example",
    service: "registry",
    algorithms: ["RS256"],
  });
  await assertRefused(
    tokens.verify(signJwt({ alg: "ES256", kid: "ec" }, claims(), ec.privateKey)),
    /algorithm/,
  );
  assert.ok(await tokens.verify(signJwt({ alg: "RS256", kid: "rsa" }, claims(), rsa.privateKey)));
});

test("without a bundle no chain is trusted, and without a set only the bundle's keys", async () => {
  const { tokens: ofSet } = await newTokens({ jwks });
  await assertRefused(
    ofSet.verify(signJwt({ alg: "ES256", x5c: x5c(root) }, claims(), root.privateKey)),
    /no trusted root/,
  );
  const { tokens: ofBundle } = await newTokens({ rootCertBundle: root.pem });
  await assertRefused(ofBundle.verify(signJwt({ alg: "ES256", kid: "ec" }, claims(), ec.privateKey)), /key/);
});

test("a verified token is cached, but not after its key was withdrawn", async () => {
  const { keys, tokens } = await newTokens();
  const token = signJwt({ alg: "ES256", kid: "ec" }, claims(), ec.privateKey);
  const identity = await tokens.verify(token);
  assert.equal(tokens.verify(token), identity);
  const bobs = signJwt({ alg: "ES256", kid: "ec" }, claims({ sub: "bob" }), ec.privateKey);
  const other = await parseTrusted({ jwks: jwkSet({ ec: stranger.publicKey }) });
  const underWay = Promise.resolve(tokens.verify(bobs)).catch(() => {});
  keys.replace(other);
  await underWay;
  await assertRefused(tokens.verify(token), /signature/);
  await assertRefused(tokens.verify(bobs), /signature/);
});

for (const [what, files] of [
  ["nothing", {}],
  ["an empty set", { jwks: '{"keys":[]}' }],
  ["an invalid set", { jwks: "[]" }],
  ["a set that is not JSON", { jwks: "secret" }],
  ["a bundle without a certificate", { rootCertBundle: "secret" }],
  [
    "a bundle with a broken certificate",
    { rootCertBundle: "-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----" },
  ],
] as const) {
  test(`${what} is refused as a source of trust`, async () => {
    await assert.rejects(parseTrusted(files), (error: Error) => !error.message.includes("secret"));
  });
}

test("a shared secret among the keys verifies no token", async () => {
  const set = JSON.stringify({
    keys: [{ kty: "oct", k: Buffer.from("secret").toString("base64url"), kid: "s" }],
  });
  const { tokens } = await newTokens({ jwks: set });
  await assertRefused(
    tokens.verify(signJwt({ alg: "HS256", kid: "s" }, claims(), { secret: "secret" })),
    /algorithm/,
  );
});
