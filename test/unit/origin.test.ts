// The address by which clients reach the server: no unauthenticated header may cause a password to be sent in clear text.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Front, frontOf } from "../../src/http/forwarded.js";
import { originOf } from "../../src/http/origin.js";

const peer = (secure: boolean) => ({ address: "10.0.0.1", secure, certified: undefined });
const host = "registry.example.com";

const cases: readonly [
  what: string,
  secure: boolean,
  front: Front,
  host: string,
  origin: string | undefined,
][] = [
  ["TLS of this server, or of a trusted proxy", true, "none", host, `https://${host}`],
  ["an untrusted proxy reports https", false, "https-proxy", host, `https://${host}`],
  ["a proxy does not report the scheme", false, "proxy", host, undefined],
  ["nobody says anything", false, "none", host, undefined],
  ["no header, by the port of the server", false, "none", `${host}:5000`, undefined],
  ["this machine", false, "none", "localhost:5000", "http://localhost:5000"],
  ["this machine by IPv4", false, "none", "127.0.0.2:5000", "http://127.0.0.2:5000"],
  ["this machine by IPv6", false, "none", "[::1]:5000", "http://[::1]:5000"],
  [
    "this machine, behind a local proxy that hides the client's host name",
    false,
    "proxy",
    "127.0.0.1:5000",
    undefined,
  ],
  ["the same, of HTTPS", false, "https-proxy", "127.0.0.1:5000", undefined],
  ["a name that only looks like this machine", false, "none", "localhost.example.com", undefined],
  ["no host", true, "https-proxy", "", undefined],
];
for (const [what, secure, front, name, origin] of cases) {
  test(`${what}: ${origin}`, () => {
    assert.equal(originOf({ peer: peer(secure), host: name, front }, undefined), origin);
    assert.equal(
      originOf({ peer: peer(secure), host: name, front }, "http://set.example"),
      "http://set.example",
    );
  });
}

test("no header directs a client to plain HTTP over a network", () => {
  fc.assert(
    fc.property(
      fc.constantFrom<Front>("none", "proxy", "https-proxy"),
      fc.boolean(),
      fc.domain(),
      (front, secure, name) => {
        const origin = originOf({ peer: peer(secure), host: name, front }, undefined);
        assert.ok(origin === undefined || origin.startsWith("https://"), origin);
      },
    ),
  );
});

const headers: readonly [name: string, value: string, front: Front][] = [
  ["x-forwarded-proto", "https", "https-proxy"],
  ["x-forwarded-proto", "https, http", "https-proxy"],
  ["x-forwarded-proto", "HTTPS", "https-proxy"],
  ["x-forwarded-proto", "http", "proxy"],
  ["x-forwarded-scheme", "https", "https-proxy"],
  ["x-scheme", "https", "https-proxy"],
  ["forwarded", 'for=192.0.2.1;proto="https";host=x', "https-proxy"],
  ["forwarded", "for=192.0.2.1;proto=http", "proxy"],
  ["x-forwarded-ssl", "on", "https-proxy"],
  ["front-end-https", "on", "https-proxy"],
  ["front-end-https", "off", "proxy"],
  ["x-forwarded-port", "443", "https-proxy"],
  ["cf-visitor", '{"scheme":"https"}', "https-proxy"],
  ["x-forwarded-for", "192.0.2.1", "proxy"],
  ["x-real-ip", "192.0.2.1", "proxy"],
  ["via", "1.1 proxy", "proxy"],
  ["user-agent", "https", "none"],
];
for (const [name, value, front] of headers) {
  test(`${name}: ${value} is of ${front}`, () => {
    assert.equal(frontOf("none", name, value), front);
    assert.equal(frontOf("https-proxy", name, value), "https-proxy");
  });
}
