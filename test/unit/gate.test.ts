// The gate: the combined grants of policy, limit and token, and the errors of refusals.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Gate } from "../../src/auth/gate.js";
import { anonymous, type Grants, type Identity, type Permission } from "../../src/auth/identity.js";
import { loginPolicy, openPolicy, type Rule, rulesPolicy, type Who } from "../../src/auth/policy.js";
import { withIncluded } from "../../src/domain/permission.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { kindOf } from "./arbitraries.js";

const team = parseRepositoryName("team/app");
const secret = parseRepositoryName("secret/app");
const permissions: readonly Permission[] = ["pull", "push", "create-tag", "delete", "admin"];

const alice: Identity = { ...anonymous, kind: "user", subject: "user:alice", name: "alice" };
const nobody: Who = {
  anonymous: false,
  authenticated: false,
  users: new Set(),
  groups: new Set(),
  claims: [],
};

function rule(who: Partial<Who>, allow: readonly Permission[], of: string = team): Rule {
  return { who: { ...nobody, ...who }, permissions: withIncluded(allow), matches: (name) => name === of };
}

function grants(...of: readonly (readonly [Permission, string])[]): Grants {
  return {
    allows: (permission, name) =>
      of.some(([one, where]) => withIncluded([one]).has(permission) && where === name),
  };
}

/** The result of each action of the gate: "granted", or the kind of the error. */
function verdicts(gate: Gate, identity: Identity, name = team): Record<string, string> {
  const told = (admit: () => unknown) => {
    const kind = kindOf(() => void admit());
    return kind === "none" ? "granted" : kind;
  };
  return {
    base: told(() => gate.base(identity)),
    pull: told(() => gate.pull(identity, name)),
    push: told(() => gate.push(identity, name)),
    delete: told(() => gate.delete(identity, name)),
    catalog: told(() => gate.catalog(identity)),
    metrics: told(() => gate.metrics(identity)),
  };
}

const all = (outcome: string) => ({
  base: outcome,
  pull: outcome,
  push: outcome,
  delete: outcome,
  catalog: outcome,
  metrics: outcome,
});

test("without authentication everyone may do everything", () => {
  assert.deepEqual(verdicts(new Gate(openPolicy), anonymous), all("granted"));
});

test("with logins but no policy file, logged-in callers may do everything and others are asked to log in", () => {
  const gate = new Gate(loginPolicy);
  assert.deepEqual(verdicts(gate, anonymous), all("unauthorized"));
  assert.deepEqual(verdicts(gate, alice), all("granted"));
});

test("access that no rule grants is denied to identified callers; others are asked to log in", () => {
  const gate = new Gate(rulesPolicy([], new Map()));
  assert.deepEqual(verdicts(gate, anonymous), all("unauthorized"));
  assert.deepEqual(verdicts(gate, alice), { ...all("denied"), base: "granted", catalog: "granted" });
});

test("the decision is the same for existing and missing repositories: it depends on names alone", () => {
  const gate = new Gate(rulesPolicy([rule({ users: new Set(["alice"]) }, ["pull"])], new Map()));
  const absent = parseRepositoryName("not/there");
  assert.deepEqual(verdicts(gate, alice, secret), verdicts(gate, alice, absent));
});

test("rules apply to users, groups of the policy and of the caller, certificates, claims, or everyone", () => {
  const job: Identity = {
    ...anonymous,
    kind: "workload",
    subject: "workload:ci",
    claims: { repository: "org/app", ref: "refs/heads/main" },
  };
  const claim = (name: string, value: string) => ({ name, matches: (text: string) => text === value });
  const cases: readonly [Partial<Who>, Identity, boolean][] = [
    [{ users: new Set(["alice"]) }, alice, true],
    [{ users: new Set(["alice"]) }, { ...alice, name: "bob" }, false],
    [{ users: new Set(["alice"]) }, { ...alice, kind: "certificate" }, true],
    [{ users: new Set(["alice"]) }, { ...alice, kind: "robot" }, false],
    [{ users: new Set([""]) }, anonymous, false],
    [{ groups: new Set(["dev"]) }, alice, true],
    [{ groups: new Set(["ops"]) }, alice, false],
    [{ groups: new Set(["ops"]) }, { ...alice, groups: ["ops"] }, true],
    [{ authenticated: true }, alice, true],
    [{ authenticated: true }, job, false],
    [{ authenticated: true }, anonymous, false],
    [{ anonymous: true }, anonymous, true],
    [{ anonymous: true }, alice, true],
    [{ claims: [claim("repository", "org/app")] }, job, true],
    [{ claims: [claim("repository", "org/app"), claim("ref", "refs/heads/main")] }, job, true],
    [{ claims: [claim("repository", "org/app"), claim("ref", "refs/heads/other")] }, job, false],
    [{ claims: [claim("constructor", "")] }, job, false],
    [{}, alice, false],
  ];
  for (const [who, identity, expected] of cases) {
    const gate = new Gate(rulesPolicy([rule(who, ["pull"])], new Map([["dev", new Set(["alice"])]])));
    assert.equal(gate.may(identity, "pull", team), expected, JSON.stringify([identity.subject, expected]));
  }
});

test("push includes create-tag, admin includes everything, and the others include nothing", () => {
  const bring: Record<Permission, readonly Permission[]> = {
    pull: ["pull"],
    push: ["push", "create-tag"],
    "create-tag": ["create-tag"],
    delete: ["delete"],
    admin: permissions,
  };
  for (const granted of permissions) {
    const gate = new Gate(rulesPolicy([rule({ authenticated: true }, [granted])], new Map()));
    const got = permissions.filter((permission) => gate.may(alice, permission, team));
    assert.deepEqual(got.sort(), [...bring[granted]].sort(), granted);
  }
});

test("a caller who may only create tags gets a permit that cannot move tags", () => {
  const gate = (allow: Permission) =>
    new Gate(rulesPolicy([rule({ authenticated: true }, [allow])], new Map()));
  assert.equal(gate("create-tag").push(alice, team).mayMoveTags, false);
  assert.equal(gate("push").push(alice, team).mayMoveTags, true);
});

test("a token grants no more than its scope, and a caller with too little scope is told so", () => {
  const gate = new Gate(loginPolicy);
  const token = { ...grants(["pull", team]), catalog: false };
  assert.deepEqual(verdicts(gate, { ...alice, token }), {
    base: "granted",
    pull: "granted",
    push: "insufficient-scope",
    delete: "insufficient-scope",
    catalog: "insufficient-scope",
    metrics: "unauthorized",
  });
  assert.deepEqual(verdicts(gate, { ...alice, token }, secret), {
    ...all("insufficient-scope"),
    base: "granted",
    metrics: "unauthorized",
  });
});

test("a token does not grant what the policy has revoked since", () => {
  const token = { ...grants(["pull", team], ["push", team], ["delete", team]), catalog: true };
  const gate = new Gate(rulesPolicy([rule({ users: new Set(["alice"]) }, ["pull"])], new Map()));
  assert.deepEqual(verdicts(gate, { ...alice, token }), {
    base: "granted",
    pull: "granted",
    push: "denied",
    delete: "denied",
    catalog: "granted",
    metrics: "unauthorized",
  });
});

test("a caller whose anonymous token grants too little is asked to log in", () => {
  const gate = new Gate(rulesPolicy([rule({ anonymous: true }, ["pull"])], new Map()));
  const token = { ...grants(["pull", team]), catalog: false };
  assert.deepEqual(verdicts(gate, { ...anonymous, token }), {
    base: "granted",
    pull: "granted",
    push: "unauthorized",
    delete: "unauthorized",
    catalog: "insufficient-scope",
    metrics: "unauthorized",
  });
});

test("a robot may do what its scopes allow, whatever the policy says, and nothing else", () => {
  const robot: Identity = {
    ...anonymous,
    kind: "robot",
    subject: "robot:ci",
    name: "ci",
    limit: grants(["pull", team], ["create-tag", team]),
    limitDecides: true,
  };
  const gate = new Gate(rulesPolicy([], new Map()));
  assert.deepEqual(verdicts(gate, robot), {
    ...all("granted"),
    ...{ delete: "denied", metrics: "denied" },
  });
  assert.deepEqual(verdicts(gate, robot, secret), { ...all("denied"), base: "granted", catalog: "granted" });
  assert.equal(gate.push(robot, team).mayMoveTags, false);
});

test("only callers named by the policy may read the metrics, and no robot or token", () => {
  const readers: Who = { ...nobody, users: new Set(["alice"]), groups: new Set(["ops"]) };
  const everything = rule({ authenticated: true }, ["admin"]);
  const gate = new Gate(
    rulesPolicy([everything], new Map([["ops", new Set(["olga"])]]), { metrics: readers }),
  );
  const told = (identity: Identity) => verdicts(gate, identity).metrics;
  const limit = grants(["admin", team]);
  assert.equal(told(alice), "granted");
  assert.equal(told({ ...alice, name: "olga" }), "granted");
  assert.equal(told({ ...alice, kind: "certificate" }), "granted");
  assert.equal(told({ ...alice, name: "bob" }), "denied");
  assert.equal(told({ ...alice, limit }), "denied");
  assert.equal(told({ ...alice, token: { ...limit, catalog: true } }), "unauthorized");
  assert.equal(told(anonymous), "unauthorized");
});

test("a mount only uses sources that the caller's token may pull from; the catalog accepts any token", () => {
  const gate = new Gate(loginPolicy);
  const token = { ...grants(["push", team]), catalog: true };
  const { sources } = gate.push({ ...alice, token }, team);
  assert.deepEqual([sources.all, sources.has(team), sources.has(secret)], [false, false, false]);
  assert.throws(() => sources.ask(team), { kind: "insufficient-scope" });
  assert.equal(gate.push({ ...alice, kind: "outside", token }, team).sources.ask(team), false);
  assert.equal(
    gate.push({ ...alice, limit: grants(["push", team]), token }, team).sources.ask(secret),
    false,
  );
  const { shown } = gate.catalog({ ...alice, token });
  assert.deepEqual([shown.all, shown.has(team), shown.has(secret)], [false, true, true]);
  assert.equal(new Gate(openPolicy).push(anonymous, team).sources.all, true);
});

test("no limit and no token ever exceed the policy", () => {
  const sets = fc.record({
    policy: fc.subarray([...permissions]),
    limit: fc.option(fc.subarray([...permissions]), { nil: undefined }),
    token: fc.option(fc.subarray([...permissions]), { nil: undefined }),
  });
  fc.assert(
    fc.property(sets, ({ policy, limit, token }) => {
      const gate = new Gate(rulesPolicy([rule({ authenticated: true }, policy)], new Map()));
      const of = (some: readonly Permission[]) => grants(...some.map((one) => [one, team] as const));
      const narrowed: Identity = {
        ...alice,
        limit: limit && of(limit),
        token: token && { ...of(token), catalog: false },
      };
      for (const permission of permissions) {
        if (gate.may(narrowed, permission, team)) assert.ok(gate.may(alice, permission, team));
      }
      assert.ok(!permissions.some((permission) => gate.may(narrowed, permission, secret)));
    }),
  );
});
