// Gantry's own tokens: their claims, their validity, and whose are refused.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { anonymous, type Grants, type Identity } from "../../src/auth/identity.js";
import { parseAccess } from "../../src/auth/tokens/access.js";
import { tokenCharactersMax } from "../../src/auth/tokens/jwt.js";
import { OwnTokens, type OwnTokensOptions } from "../../src/auth/tokens/own-tokens.js";
import { parseScopes } from "../../src/auth/tokens/scope.js";
import { signingKeyOf } from "../../src/auth/tokens/signing-key.js";
import { answerTokenRequest, type Granted } from "../../src/auth/tokens/token-endpoint.js";
import { parseTokenForm, parseTokenQuery } from "../../src/auth/tokens/token-request.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { ecKeys, nowSeconds, signJwt } from "../support/jwt.js";
import { assertRefused } from "../support/refused.js";
import { kindOf } from "./arbitraries.js";

const keys = ecKeys();
const key = await signingKeyOf(keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString());
const name = parseRepositoryName("team/app");

const alice: Identity = {
  ...anonymous,
  kind: "user",
  subject: "user:alice",
  name: "alice",
  groups: ["developers"],
  version: "3f",
};

const pullOnly: Grants = { allows: (permission) => permission === "pull" };
const robot: Identity = {
  ...anonymous,
  kind: "robot",
  subject: "robot:ci",
  name: "ci",
  version: "1",
  limit: pullOnly,
};

function newTokens(options: Partial<OwnTokensOptions> = {}): OwnTokens {
  const limitOf = ({ kind }: Identity) => (kind === "robot" ? pullOnly : undefined);
  const defaults = {
    key,
    issuer: "gantry",
    service: "registry",
    accessSeconds: 300,
    refreshSeconds: 3600,
    limitOf,
  };
  return new OwnTokens({ ...defaults, ...options });
}

function accessTo(...actions: string[]) {
  const access = parseAccess([{ type: "repository", name, actions }]);
  assert.ok(access);
  return access;
}

test("a token has the claims of distribution's documents", async () => {
  const { token } = await newTokens().issue(alice, accessTo("pull", "push"));
  assert.deepEqual(decodeProtectedHeader(token), { typ: "JWT", alg: "ES256", kid: key.id });
  const { iss, sub, aud, exp = 0, nbf, iat, jti, access } = decodeJwt(token);
  assert.deepEqual([iss, sub, aud], ["gantry", "user:alice", "registry"]);
  assert.deepEqual([nbf, exp - (iat ?? 0)], [iat, 300]);
  assert.ok(jti);
  assert.deepEqual(access, [{ type: "repository", name: "team/app", actions: ["pull", "push"] }]);
  const ofNobody = await newTokens().issue(anonymous, accessTo("pull"));
  assert.equal(decodeJwt(ofNobody.token).sub, "");
});

for (const identity of [alice, robot, anonymous]) {
  test(`${identity.subject} is the same with a token, which narrows its access`, async () => {
    const { token } = await newTokens().issue(identity, accessTo("create-tag"));
    const { token: access, ...rest } = (await newTokens().verify(token)) ?? {};
    const { token: _, ...expected } = identity;
    assert.deepEqual(rest, expected);
    const other = parseRepositoryName("team/other");
    assert.deepEqual(
      (["pull", "push", "create-tag", "delete", "admin"] as const).filter((one) => access?.allows(one, name)),
      ["create-tag"],
    );
    assert.equal(access?.allows("create-tag", other), false);
    assert.equal(access?.catalog, false);
  });
}

test("a verified token is cached until it expires", async () => {
  const tokens = newTokens();
  const { token } = await tokens.issue(alice, accessTo("pull"));
  const first = tokens.verify(token);
  assert.ok(first instanceof Promise);
  const identity = await first;
  assert.equal(tokens.verify(token), identity);
  mock.timers.enable({ apis: ["Date"], now: (decodeJwt(token).exp ?? 0) * 1000 });
  try {
    const again = tokens.verify(token);
    assert.notEqual(again, identity, "within the tolerance it is verified again");
    assert.equal((await again)?.subject, "user:alice");
    mock.timers.setTime(Date.now() + 60_000);
    await assertRefused(tokens.verify(token), /expired/);
  } finally {
    mock.timers.reset();
  }
});

test("tokens of other issuers, and other texts, are left to other verifiers", () => {
  const ofAnother = signJwt({ alg: "ES256" }, { iss: "another" }, keys.privateKey);
  for (const text of ["", "a.b", "a.b.c", "gantry", ofAnother, `${ofAnother}.x`])
    assert.equal(newTokens().verify(text), undefined);
});

const claims = () => {
  const { iat, exp, nbf } = { iat: nowSeconds(), nbf: nowSeconds(), exp: nowSeconds() + 300 };
  const { kind, subject, groups, version } = alice;
  const gantry = {
    kind,
    subject,
    name: "alice",
    groups,
    version,
    claims: {},
    limited: false,
    limitDecides: false,
  };
  return { iss: "gantry", aud: "registry", sub: subject, iat, nbf, exp, access: [], gantry };
};
const header = { alg: "ES256", typ: "JWT", kid: key.id };

test("a token made like ours is accepted", async () => {
  const token = signJwt(header, claims(), keys.privateKey);
  assert.equal((await newTokens().verify(token))?.subject, "user:alice");
});

const stranger = ecKeys();
const publicPem = keys.publicKey.export({ type: "spki", format: "pem" }).toString();

for (const [what, token, reason] of [
  ["signed by nobody", () => signJwt({ ...header, alg: "none" }, claims(), "nothing"), /algorithm/],
  ["without a signature", () => signJwt(header, claims(), "nothing"), /signature|malformed/],
  [
    "signed with the public key as a secret",
    () => signJwt({ ...header, alg: "HS256" }, claims(), { secret: publicPem }),
    /algorithm/,
  ],
  [
    "signed by a stranger under our key's ID",
    () => signJwt(header, claims(), stranger.privateKey),
    /signature/,
  ],
  [
    "signed with a stranger's own key",
    () => signJwt({ ...header, kid: "other" }, claims(), stranger.privateKey),
    /key/,
  ],
  ["without a key ID", () => signJwt({ alg: "ES256", typ: "JWT" }, claims(), keys.privateKey), /key/],
  [
    "with the stranger's key in it",
    () =>
      signJwt(
        { ...header, jwk: stranger.publicKey.export({ format: "jwk" }) },
        claims(),
        stranger.privateKey,
      ),
    /signature/,
  ],
  ["for another service", () => signJwt(header, { ...claims(), aud: "other" }, keys.privateKey), /aud/],
  [
    "that has expired",
    () => signJwt(header, { ...claims(), exp: nowSeconds() - 61 }, keys.privateKey),
    /expired/,
  ],
  ["that never expires", () => signJwt(header, { ...claims(), exp: undefined }, keys.privateKey), /exp/],
  [
    "that is not valid yet",
    () => signJwt(header, { ...claims(), nbf: nowSeconds() + 120 }, keys.privateKey),
    /nbf/,
  ],
  ["of another type", () => signJwt({ ...header, typ: "at+jwt" }, claims(), keys.privateKey), /typ/],
  ["of no type", () => signJwt({ ...header, typ: undefined }, claims(), keys.privateKey), /typ/],
  [
    "with an unknown critical extension",
    () => signJwt({ ...header, crit: ["x"], x: 1 }, claims(), keys.privateKey),
    /malformed/,
  ],
  [
    "with a malformed access",
    () => signJwt(header, { ...claims(), access: [{ type: 1 }] }, keys.privateKey),
    /access/,
  ],
  [
    "of a caller of an external issuer",
    () => signJwt(header, { ...claims(), gantry: { ...claims().gantry, kind: "outside" } }, keys.privateKey),
    /version/,
  ],
  ["of no caller", () => signJwt(header, { ...claims(), gantry: undefined }, keys.privateKey), /version/],
  [
    "of a caller without a limit any more",
    () => signJwt(header, { ...claims(), gantry: { ...claims().gantry, limited: true } }, keys.privateKey),
    /its robot account or CI rule no longer exists/,
  ],
] as const) {
  test(`a token ${what} is refused`, async () => {
    await assertRefused(newTokens().verify(token()), reason, token());
  });
}

test("a far too long token is refused at no cost", () => {
  const token = signJwt(header, { ...claims(), padding: "x".repeat(tokenCharactersMax) }, keys.privateKey);
  assert.equal(newTokens().verify(token), undefined);
});

test("a change of any character is detected", async () => {
  const tokens = newTokens();
  const { token } = await tokens.issue(alice, accessTo("pull"));
  await tokens.verify(token);
  const [head = "", body = "", signature = ""] = token.split(".");
  const flip = (text: string) => (text.startsWith("A") ? "B" : "A") + text.slice(1);
  for (const forged of [`${head}.${body}.${flip(signature)}`, `${head}.${body}.`]) {
    const verified = tokens.verify(forged);
    if (verified !== undefined) await assertRefused(verified, /./, forged);
  }
});

const granted: Granted = {
  may: ({ kind }, permission) => permission === "pull" || (permission === "push" && kind === "user"),
  mayList: ({ kind }) => kind === "user",
};

test("the response has a token for the granted part of the scopes", async () => {
  const tokens = newTokens();
  const query =
    "service=registry&scope=repository:team/app:pull,push&scope=registry:catalog:*&account=x&client_id=c";
  for (const [identity, scope] of [
    [alice, "repository:team/app:pull,push registry:catalog:*"],
    [anonymous, "repository:team/app:pull"],
  ] as const) {
    const answer = await answerTokenRequest(
      parseTokenQuery(new URLSearchParams(query)),
      identity,
      tokens,
      granted,
    );
    assert.deepEqual(Object.keys(answer), ["token", "access_token", "expires_in", "issued_at", "scope"]);
    assert.deepEqual([answer.token, answer.expires_in, answer.scope], [answer.access_token, 300, scope]);
    assert.ok(Math.abs(Date.parse(answer.issued_at) - Date.now()) < 5_000);
    assert.equal((await tokens.verify(answer.token))?.subject, identity.subject);
  }
});

test("a request without scope gets a token without access, as for docker login", async () => {
  const request = parseTokenQuery(new URLSearchParams("account=alice&client_id=docker&offline_token=true"));
  const answer = await answerTokenRequest(request, alice, newTokens(), granted);
  assert.equal(answer.scope, "");
  assert.ok(answer.refresh_token);
});

test("no token is issued for another service", async () => {
  const request = parseTokenQuery(new URLSearchParams("service=other"));
  await assert.rejects(answerTokenRequest(request, alice, newTokens(), granted), { kind: "request-invalid" });
});

test("a token cannot be used to get another token", async () => {
  const tokens = newTokens();
  const { token } = await tokens.issue(alice, accessTo("pull"));
  const identity = await tokens.verify(token);
  assert.ok(identity);
  const request = parseTokenQuery(new URLSearchParams());
  await assert.rejects(answerTokenRequest(request, identity, tokens, granted), { kind: "unauthorized" });
});

test("a refresh token gets more tokens for a user, and is accepted for nothing else", async () => {
  const tokens = newTokens();
  const login = parseTokenForm(
    new URLSearchParams("grant_type=password&username=alice&password=p&service=registry&access_type=offline"),
  );
  assert.deepEqual(login.grant, { type: "password", user: "alice", password: "p" });
  const { refresh_token: refresh = "", token } = await answerTokenRequest(login, alice, tokens, granted);
  assert.deepEqual(await tokens.verifyRefresh(refresh), alice);
  await assertRefused(tokens.verify(refresh), /typ/, refresh);
  await assertRefused(tokens.verifyRefresh(token), /typ/, token);
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: refresh,
    access_type: "offline",
  });
  form.set("scope", "repository:team/app:pull,push repository:other:pull");
  const again = await answerTokenRequest(parseTokenForm(form), alice, tokens, granted);
  assert.equal(again.refresh_token, refresh);
  assert.equal(again.scope, "repository:team/app:pull,push repository:other:pull");
});

test("robots and anonymous callers get no refresh token, nor anyone if they are disabled, and each expires", async () => {
  assert.equal(await newTokens().refreshToken(robot), undefined);
  assert.equal(await newTokens().refreshToken(anonymous), undefined);
  const without = newTokens({ refreshSeconds: 0 });
  assert.equal(await without.refreshToken(alice), undefined);
  const refresh = (await newTokens().refreshToken(alice)) ?? "";
  await assertRefused(without.verifyRefresh(refresh), /not in use/, refresh);
  mock.timers.enable({ apis: ["Date"], now: Date.now() + 3_661_000 });
  try {
    await assertRefused(newTokens().verifyRefresh(refresh), /expired/, refresh);
  } finally {
    mock.timers.reset();
  }
});

for (const form of [
  "",
  "grant_type=authorization_code",
  "grant_type=password&username=alice",
  "grant_type=password&password=p",
  "grant_type=refresh_token",
  "grant_type=refresh_token&refresh_token=x&scope=nonsense",
]) {
  test(`the form "${form}" is refused`, () => {
    assert.equal(
      kindOf(() => parseTokenForm(new URLSearchParams(form))),
      "request-invalid",
    );
  });
}

test("scopes are read from all places where clients put them", () => {
  const { scopes } = parseTokenQuery(
    new URLSearchParams("scope=repository:a:pull+repository:b:pull&scope=repository:c:pull"),
  );
  assert.deepEqual(scopes, parseScopes(["repository:a:pull", "repository:b:pull", "repository:c:pull"]));
});
