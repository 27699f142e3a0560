// The sessions of several nodes: each knows those of the others, and what was ended elsewhere.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { anonymous, type Identity } from "../../src/auth/identity.js";
import type { ChangeListener, Changes } from "../../src/cluster/cluster.js";
import { unavailable } from "../../src/cluster/valkey/engine.js";
import type { Exchange } from "../../src/http/exchange.js";
import { Sessions } from "../../src/http/web/sessions.js";

const alice: Identity = { ...anonymous, kind: "user", subject: "user:alice", name: "alice", version: "1" };

/** The changes of nodes that hear each other, unless the engine is away. */
class SharedChanges {
  readonly listeners: ChangeListener[] = [];
  isAway = false;

  node(): Changes {
    const own: ChangeListener[] = [];
    return {
      knows: () => true,
      knowsTags: () => true,
      follow: () => {},
      followAll: () => undefined,
      subscribe: (listener) => {
        own.push(listener);
        this.listeners.push(listener);
        return () => {};
      },
      publish: async (change) => {
        for (const listener of this.isAway ? own : this.listeners) await listener(change, "here");
        if (this.isAway) throw unavailable("the engine is away");
      },
    };
  }
}

function nodes(secrets: readonly Buffer[]): { readonly changes: SharedChanges; readonly all: Sessions[] } {
  const changes = new SharedChanges();
  const login = { authenticator: { current: (identity: Identity) => identity }, limitOf: () => undefined };
  const all = secrets.map(
    (secret) =>
      new Sessions({
        secret,
        seconds: 3600,
        login: login as unknown as ConstructorParameters<typeof Sessions>[0]["login"],
        publicOrigin: undefined,
        changes: changes.node(),
      }),
  );
  return { changes, all };
}

function request(cookie = ""): Exchange {
  return {
    path: "/ui/",
    header: (name: string) => (name === "cookie" ? cookie : ""),
    incoming: { host: "localhost", front: "none", peer: { address: "127.0.0.1", secure: false } },
  } as unknown as Exchange;
}

function logIn(node: Sessions): string {
  const exchange = request();
  node.identify(exchange);
  node.logIn(exchange, alice);
  return exchange.cookies?.get("gantry-session")?.split(";")[0] ?? "";
}

async function logOut(node: Sessions, cookie: string): Promise<void> {
  const exchange = request(cookie);
  node.identify(exchange);
  await node.logOut(exchange);
}

const secret = randomBytes(32);

test("a session of one node is known to another, and a logout to all", async () => {
  const { all } = nodes([secret, secret]);
  const [one, two] = all;
  assert.ok(one !== undefined && two !== undefined);
  const cookie = logIn(one);
  assert.equal(two.identify(request(cookie)).subject, "user:alice");
  await logOut(two, cookie);
  for (const node of all) assert.equal(node.identify(request(cookie)).kind, "anonymous");
  assert.equal(one.identify(request(logIn(two))).subject, "user:alice", "others go on");
});

test("a form of one node is accepted by another", () => {
  const [one, two] = nodes([secret, secret]).all;
  const cookie = one === undefined ? "" : logIn(one);
  const [shown, sent] = [request(cookie), request(cookie)];
  one?.identify(shown);
  two?.identify(sent);
  assert.equal(two?.hasFormToken(sent, one?.formToken(shown) ?? ""), true);
});

test("a node with another secret knows none of them", () => {
  const [one, two] = nodes([secret, randomBytes(32)]).all;
  const cookie = one === undefined ? "" : logIn(one);
  assert.equal(two?.identify(request(cookie)).kind, "anonymous");
});

/** Another text that a lenient decoder reads as the same bytes: 43 characters of base64 have two unused bits. */
function respelled(text: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const changed = text.slice(0, -1) + alphabet[alphabet.indexOf(text.slice(-1)) ^ 1];
  assert.deepEqual(Buffer.from(changed.slice(-43), "base64url"), Buffer.from(text.slice(-43), "base64url"));
  return changed;
}

test("another spelling of a session or of a form's token is refused", () => {
  const node = nodes([randomBytes(32)]).all[0] as Sessions;
  const cookie = logIn(node);
  for (const other of [respelled(cookie), `${cookie}=`, `${cookie}.`, `${cookie}!`, cookie.slice(0, -1)])
    assert.equal(node.identify(request(other)).kind, "anonymous", other);
  const exchange = request(cookie);
  assert.equal(node.identify(exchange).kind, "user");
  const token = node.formToken(exchange);
  assert.ok(node.hasFormToken(exchange, token));
  for (const other of [respelled(token), `${token}=`, ` ${token}`, token.slice(0, -1), ""])
    assert.ok(!node.hasFormToken(exchange, other), other);
});

test("while the engine is away, a logout holds at its node, and says that others do not know", async () => {
  const { changes, all } = nodes([secret, secret]);
  const [one, two] = all;
  assert.ok(one !== undefined && two !== undefined);
  const cookie = logIn(one);
  changes.isAway = true;
  await assert.rejects(logOut(one, cookie), /the engine is away/);
  assert.equal(one.identify(request(cookie)).kind, "anonymous");
  assert.equal(two.identify(request(cookie)).subject, "user:alice");
});
