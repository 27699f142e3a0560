// Identifies callers by the header: a malformed header identifies nobody, and an address within the client's own network
// does not evade limits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Authenticator, type AuthenticatorOptions } from "../../src/auth/authenticator.js";
import { anonymous, type Identity, type PasswordVerifier } from "../../src/auth/identity.js";
import { RegistryError } from "../../src/domain/errors.js";

const alice: Identity = { ...anonymous, kind: "user", subject: "user:alice", name: "alice" };

const passwords: PasswordVerifier = {
  verify: async (user, password, attempt) => {
    attempt?.begin();
    if (user === "alice" && password === "right?>") return alice;
    attempt?.fail();
    return undefined;
  },
  isCurrent: () => undefined,
};

function options(burst: number): AuthenticatorOptions {
  return { passwords: [passwords], tokens: [], failures: { burst, perSecond: 0.001 } };
}

function authenticator(burst = 100): Authenticator {
  return new Authenticator(options(burst));
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

async function identify(authorization: string, by = authenticator(), address = "192.0.2.1"): Promise<string> {
  try {
    return (await by.identify({ authorization, certified: undefined, address })).subject;
  } catch (error) {
    return (error as { kind: string }).kind;
  }
}

const right = base64("alice:right?>");
const headers: readonly (readonly [what: string, header: string, caller: string])[] = [
  ["name and password", `Basic ${right}`, "user:alice"],
  [
    "base64 of the other alphabet",
    `Basic ${Buffer.from("alice:right?>").toString("base64url")}`,
    "user:alice",
  ],
  ["two headers, joined", `Basic ${right}, Basic ${base64("mallory:x")}`, "unauthorized"],
  ["two headers of different schemes", `Basic ${right}, Bearer x`, "unauthorized"],
  ["bytes after the padding", `Basic ${right}junk`, "unauthorized"],
  ["no base64", "Basic !!!", "unauthorized"],
  ["no colon", `Basic ${base64("alice")}`, "unauthorized"],
  ["a password and NUL", `Basic ${base64("alice:right?>\0")}`, "unauthorized"],
];

for (const [what, header, caller] of headers) {
  test(`the caller with ${what} is ${caller}`, async () => assert.equal(await identify(header), caller));
}

test("wrong passwords from any address of an IPv6 network count together", async () => {
  const by = authenticator(2);
  const wrong = `Basic ${base64("alice:wrong")}`;
  assert.equal(await identify(wrong, by, "2001:db8::1"), "unauthorized");
  assert.equal(await identify(wrong, by, "2001:db8::2"), "unauthorized");
  assert.equal(await identify(wrong, by, "2001:db8::3"), "too-many-requests");
  assert.equal(await identify(wrong, by, "2001:db8:0:1::3"), "unauthorized");
});

test("credentials that one verifier refuses are not passed to another", async () => {
  const jobs: PasswordVerifier = {
    verify: async (_, password) => {
      if (password !== "token") return undefined;
      throw new RegistryError("unauthorized", "the token is not valid");
    },
    isCurrent: () => undefined,
  };
  const takesAll: PasswordVerifier = { verify: () => alice, isCurrent: () => true };
  const by = new Authenticator({ ...options(100), passwords: [jobs, takesAll] });
  assert.equal(await identify(`Basic ${base64("alice:token")}`, by), "unauthorized");
  assert.equal(await identify(`Basic ${base64("alice:other")}`, by), "user:alice");
});
