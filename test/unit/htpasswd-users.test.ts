// Users with passwords: which results are cached, and what a flood can consume.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { hashSync } from "bcryptjs";
import { BcryptPool } from "../../src/auth/bcrypt-pool.js";
import { type BcryptHash, parseHtpasswd } from "../../src/auth/htpasswd.js";
import { HtpasswdUsers } from "../../src/auth/htpasswd-users.js";
import { RegistryError } from "../../src/domain/errors.js";

/** A thread that ends counts as a failure. */
const onError = (error: unknown) => assert.fail(String(error));

/** The lowest cost: bcrypt itself is not the subject. */
const cost = 4;

function lineOf(user: string, password: string): string {
  return `${user}:${hashSync(password, cost)}\n`;
}

const alice = lineOf("alice", "a secret");
const bob = lineOf("bob", "another");

const pool = new BcryptPool({ threads: 1, checksMax: 64, onError });
after(() => pool.close());

/** Users of a file, and the checks requested from the real pool. */
function usersOf(text: string) {
  const checked: BcryptHash[] = [];
  const users = new HtpasswdUsers((password, hash) => {
    checked.push(hash);
    return pool.check(password, hash);
  });
  const write = (lines: string) => users.replace(parseHtpasswd(lines).users);
  write(text);
  return { users, checked, write };
}

/** Checks that end when the test decides, with its result. */
function heldChecks() {
  const held: ((right: boolean) => void)[] = [];
  const check = () => new Promise<boolean>((resolve) => held.push(resolve));
  return { held, check };
}

const isTooMany = (error: unknown) => error instanceof RegistryError && error.kind === "too-many-requests";

for (const [what, user, password, known] of [
  ["the right password", "alice", "a secret", true],
  ["a wrong password", "alice", "a Secret", false],
  ["no password", "alice", "", false],
  ["another user's password", "alice", "another", false],
  ["an unknown user", "mallory", "a secret", false],
  ["no user", "", "", false],
  ["the name of a property that every object has", "__proto__", "a secret", false],
] as const) {
  test(`${what} ${known ? "is let in" : "is not let in"}, at first and again`, async () => {
    const { users, checked } = usersOf(alice + bob);
    for (let round = 0; round < 2; round++) {
      const identity = await users.verify(user, password);
      assert.equal(identity?.subject, known ? "user:alice" : undefined);
    }
    assert.equal(checked.length, 1, "with a single bcrypt check");
  });
}

test("10,000 verifications of a known user are synchronous and need no bcrypt", async () => {
  const { users, checked } = usersOf(alice);
  const identity = await users.verify("alice", "a secret");
  assert.ok(identity);
  for (let count = 0; count < 10_000; count++) assert.equal(users.verify("alice", "a secret"), identity);
  assert.equal(checked.length, 1);
});

test("an unknown user costs as much as a known one, and no password lets them in", async () => {
  const { users, checked } = usersOf(alice);
  assert.equal(await users.verify("mallory", "a secret"), undefined);
  assert.deepEqual(checked, [alice.trim().slice("alice:".length)]);
});

test("removing a user revokes access at once, including cached logins and tokens", async () => {
  const { users, checked, write } = usersOf(alice + bob);
  const identity = await users.verify("alice", "a secret");
  assert.ok(identity);
  assert.equal(users.isCurrent(identity), true);
  write(bob);
  assert.equal(users.isCurrent(identity), false);
  assert.equal(await users.verify("alice", "a secret"), undefined);
  write(alice + bob);
  assert.equal(users.isCurrent(identity), true, "the same line is the same user");
  assert.deepEqual(users.verify("alice", "a secret"), identity);
  assert.equal(checked.length, 2);
});

test("a new password invalidates the old one and the cached results of both", async () => {
  const { users, write } = usersOf(alice);
  const identity = await users.verify("alice", "a secret");
  assert.ok(identity);
  assert.equal(await users.verify("alice", "the next"), undefined);
  write(lineOf("alice", "the next"));
  assert.equal(users.isCurrent(identity), false);
  assert.equal(await users.verify("alice", "a secret"), undefined);
  const next = await users.verify("alice", "the next");
  assert.equal(next?.subject, "user:alice");
  assert.notEqual(next.version, identity.version);
});

test("the same password with a new hash is another version", async () => {
  const { users, write } = usersOf(alice);
  const identity = await users.verify("alice", "a secret");
  assert.ok(identity);
  write(lineOf("alice", "a secret"));
  assert.equal(users.isCurrent(identity), false);
  assert.equal((await users.verify("alice", "a secret"))?.subject, "user:alice");
});

test("a user removed during the password check is not let in", async () => {
  const { held, check } = heldChecks();
  const users = new HtpasswdUsers(check);
  users.replace(parseHtpasswd(alice + bob).users);
  const verifying = users.verify("alice", "a secret");
  users.replace(parseHtpasswd(bob).users);
  held[0]?.(true);
  await new Promise(setImmediate);
  held[1]?.(true);
  assert.equal(await verifying, undefined);
  assert.equal(held.length, 2);
});

test("identities of other kinds are ignored", async () => {
  const { users } = usersOf(alice);
  const identity = await users.verify("alice", "a secret");
  assert.ok(identity);
  assert.equal(users.isCurrent({ ...identity, kind: "robot" }), undefined);
});

test("concurrent logins with the same password share one check", async () => {
  const { users, checked } = usersOf(alice);
  const identities = await Promise.all(Array.from({ length: 100 }, () => users.verify("alice", "a secret")));
  assert.ok(identities.every((identity) => identity?.subject === "user:alice"));
  assert.equal(checked.length, 1);
});

test("a flood of passwords for one user leaves room for the others", async () => {
  const { held, check } = heldChecks();
  const users = new HtpasswdUsers(check);
  users.replace(parseHtpasswd(alice + bob).users);
  const guesses = Array.from({ length: 1000 }, (_, count) =>
    Promise.resolve(users.verify("alice", `${count}`)),
  );
  const refused = Promise.all(guesses.slice(8).map((guess) => assert.rejects(guess, isTooMany)));
  const other = users.verify("bob", "another");
  assert.equal(held.length, 9);
  for (const [place, end] of held.entries()) end(place === 8);
  await refused;
  assert.deepEqual(await Promise.all(guesses.slice(0, 8)), Array(8).fill(undefined));
  assert.equal((await other)?.subject, "user:bob");
  const again = users.verify("alice", "one more");
  held.at(-1)?.(false);
  assert.equal(await again, undefined, "and the user's own room is available again");
});

test("a flood of unknown users is bounded, does not lock out known ones, and ends", async () => {
  const small = new BcryptPool({ threads: 1, checksMax: 4, onError });
  const users = new HtpasswdUsers(small.check);
  users.replace(parseHtpasswd(alice).users);
  const identity = await users.verify("alice", "a secret");
  const flood = Array.from({ length: 500 }, (_, count) =>
    Promise.resolve(users.verify(`user${count}`, "guess")).then(
      () => "checked",
      (error: unknown) => (isTooMany(error) ? "refused" : String(error)),
    ),
  );
  assert.equal(users.verify("alice", "a secret"), identity);
  const answers = await Promise.all(flood);
  assert.equal(answers.filter((answer) => answer === "checked").length, 4);
  assert.equal(answers.filter((answer) => answer === "refused").length, 496);
  assert.equal(await users.verify("mallory", "guess"), undefined, "afterwards there is room again");
  await small.close();
});

test("wrong passwords evict no cached right one", async () => {
  let checks = 0;
  const users = new HtpasswdUsers(async (password) => {
    checks++;
    return password === "a secret";
  });
  users.replace(parseHtpasswd(alice).users);
  const identity = await users.verify("alice", "a secret");
  for (let count = 0; count < 25_000; count++) await users.verify("alice", `guess ${count}`);
  assert.equal(users.verify("alice", "a secret"), identity);
  assert.equal(checks, 25_001);
});

test("a pool closed during checks finishes the running ones and refuses the rest", async () => {
  const closing = new BcryptPool({ threads: 2, checksMax: 10, onError });
  const hash = parseHtpasswd(alice).users.get("alice");
  assert.ok(hash);
  const checks = ["a secret", "a guess"].map((password) => closing.check(password, hash));
  const closed = closing.close();
  await assert.rejects(closing.check("a secret", hash), /stopping/);
  assert.deepEqual(await Promise.all(checks), [true, false]);
  await closed;
});
