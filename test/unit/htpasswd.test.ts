// The htpasswd file: which lines are users, which are refused, and which make the file invalid.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseHtpasswd, parseHtpasswdInSlices } from "../../src/auth/htpasswd.js";
import { anyText } from "./arbitraries.js";

const tail = "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";
const hash = `$2y$10$${tail}`;

test("every bcrypt version is accepted; comments and empty lines are ignored", () => {
  const { users, refused } = parseHtpasswd(
    [
      "# those of the build",
      "",
      `alice:${hash}`,
      `  bob:$2a$04$${tail}  `,
      `carol@example.com:$2b$31$${tail}\r`,
    ].join("\n"),
  );
  assert.deepEqual(
    [...users],
    [
      ["alice", hash],
      ["bob", `$2a$04$${tail}`],
      ["carol@example.com", `$2b$31$${tail}`],
    ],
  );
  assert.deepEqual(refused, []);
});

for (const [scheme, password] of [
  ["MD5", "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"],
  ["SHA-1", "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE="],
  ["salted SHA-1", "{SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr"],
  ["SHA-512-crypt", "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq"],
  ["SHA-256-crypt", "$5$saltsalt$hash"],
  ["MD5-crypt", "$1$salt$hash"],
  ["crypt or plain text", "rqXexS6ZhobKA"],
  ["crypt or plain text", ""],
] as const) {
  test(`a user with ${scheme}${password === "" ? " and no password" : ""} is refused by name and line, and the others are let in`, () => {
    const { users, refused } = parseHtpasswd(`alice:${hash}\n\nold:${password}\nbob:${hash}\n`);
    assert.deepEqual([...users.keys()], ["alice", "bob"]);
    assert.deepEqual(refused, [{ line: 3, user: "old", scheme }]);
  });
}

for (const [what, text, said] of [
  ["no colon", `alice:${hash}\nali`, /^line 2: expected name:hash$/],
  ["no name", `:${hash}`, /^line 1: expected/],
  ["a hash that is cut short", `alice:${hash.slice(0, -1)}`, /^line 1: alice: not a complete bcrypt hash$/],
  ["a hash that is too long", `alice:${hash}x`, /line 1: alice/],
  ["a cost that bcrypt does not allow", `alice:$2y$32$${tail}`, /line 1: alice/],
  ["a version that bcrypt does not have", `alice:$2x$10$${tail}`, /line 1: alice/],
  ["one user twice", `alice:${hash}\nalice:${hash}`, /^line 2: alice is already in line 1$/],
  ["a user listed twice, once refused", `alice:plain\nalice:${hash}`, /^line 2: alice is already in line 1$/],
  ["several faults", "a\nb", /^line 1: .*\nline 2: /],
] as const) {
  test(`a file with ${what} is invalid, with the line in the error`, () => {
    assert.throws(() => parseHtpasswd(text), { message: said });
  });
}

test("of many invalid lines, the first are named and the rest is counted", () => {
  const text = `${"x".repeat(1_000_000)}:$2\n${"a:b\n".repeat(1_000_000)}`;
  assert.throws(
    () => parseHtpasswd(text),
    ({ message }: Error) => {
      const lines = message.split("\n");
      assert.equal(lines.length, 6);
      assert.match(lines[0] ?? "", /^line 1: x{100}…: not a complete bcrypt hash$/);
      assert.equal(lines[1], "line 3: a is already in line 2");
      assert.equal(lines[5], "and 999995 more invalid lines");
      return true;
    },
  );
});

test("of many refused users, the first are named and the rest is counted", () => {
  const text = Array.from({ length: 1000 }, (_, index) => `user-${index}:plain\n`).join("");
  const { users, refused, refusedMore } = parseHtpasswd(text);
  assert.deepEqual([users.size, refused.map(({ line }) => line), refusedMore], [0, [1, 2, 3, 4, 5], 995]);
});

test("a file with more users than fit in memory is invalid", () => {
  const text = Array.from({ length: 300_002 }, (_, index) => `${index}:b\n`).join("");
  assert.throws(() => parseHtpasswd(text), { message: /^line 300001: there are more than 300000 users\n/ });
});

test("other work runs while a large file is parsed", async () => {
  const text = Array.from({ length: 100_000 }, (_, index) => `user-${index}:${hash}\n`).join("");
  let turns = 0;
  const counting = setInterval(() => turns++);
  const parsed = await parseHtpasswdInSlices(text);
  clearInterval(counting);
  assert.deepEqual(parsed, parseHtpasswd(text));
  assert.ok(turns >= 5, `${turns} turns`);
});

const user = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
  .filter((name) => !/[:\n]/.test(name) && name.trim() === name && !name.startsWith("#"));
const salted = fc
  .tuple(
    fc.constantFrom("2a", "2b", "2y"),
    fc.integer({ min: 4, max: 31 }),
    fc.string({ unit: fc.constantFrom(..."./Az09"), minLength: 53, maxLength: 53 }),
  )
  .map(([version, cost, rest]) => `$${version}$${String(cost).padStart(2, "0")}$${rest}`);

test("a written htpasswd file is read as the same users", () => {
  const entries = fc.uniqueArray(fc.tuple(user, salted), { selector: ([name]) => name, maxLength: 20 });
  fc.assert(
    fc.property(entries, fc.constantFrom("\n", "\r\n", "\n\n", "\n# a comment: here\n"), (written, end) => {
      const text = written.map(([name, password]) => `${name}:${password}${end}`).join("");
      assert.deepEqual([...parseHtpasswd(text).users], written);
    }),
  );
});

test("only a line with a name and a bcrypt hash creates a user, whatever the text", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(anyText, salted, user), { maxLength: 8 }), (parts) => {
      const text = parts.join(":").replaceAll(" ", "\n");
      let users: ReadonlyMap<string, string>;
      try {
        ({ users } = parseHtpasswd(text));
      } catch (error) {
        assert.match(String(error), /line \d+: /);
        return;
      }
      for (const [name, password] of users) {
        assert.ok(text.includes(`${name}:${password}`));
        assert.match(password, /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/);
      }
    }),
    { numRuns: 2000 },
  );
});
