// Forwarded headers: only those of trusted proxies count, and a client cannot forge them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { anonymous } from "../../src/auth/identity.js";
import { TrustedProxies } from "../../src/http/forwarded.js";
import { isAddressRange } from "../../src/lib/address-ranges.js";

const proxies = new TrustedProxies(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);
const direct = (address: string) => ({ address, secure: false, certified: undefined });

const cases: readonly [title: string, from: string, header: string, client: string][] = [
  ["a stranger's header is not read", "203.0.113.5", "198.51.100.1", "203.0.113.5"],
  ["a trusted proxy names the client", "10.1.1.1", "198.51.100.1", "198.51.100.1"],
  ["a single address may be trusted", "192.0.2.7", "198.51.100.1", "198.51.100.1"],
  ["its neighbour is not trusted", "192.0.2.8", "198.51.100.1", "192.0.2.8"],
  ["IPv6 ranges count", "2001:db8::1", "2001:db9::9", "2001:db9::9"],
  ["an address added by the client is not trusted", "10.1.1.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"],
  ["a chain of trusted proxies is followed", "10.1.1.1", "198.51.100.1, 10.2.2.2, 10.3.3.3", "198.51.100.1"],
  ["an invalid address ends the chain", "10.1.1.1", "198.51.100.1, unknown, 10.3.3.3", "10.3.3.3"],
  ["without the header, the proxy is the client", "10.1.1.1", "", "10.1.1.1"],
];

for (const [title, from, header, client] of cases) {
  test(title, () => {
    const seen = proxies.seen(direct(from), "registry", { for: header, proto: "", host: "" });
    assert.equal(seen.peer.address, client);
  });
}

test("a proxy's own certificate does not identify its clients", () => {
  const certified = {
    ...anonymous,
    kind: "certificate",
    subject: "certificate:proxy",
    name: "proxy",
  } as const;
  const header = { for: "198.51.100.1", proto: "", host: "" };
  const behind = proxies.seen({ address: "10.0.0.1", secure: true, certified }, "", header);
  assert.equal(behind.peer.certified, undefined);
  const direct = proxies.seen({ address: "198.51.100.1", secure: true, certified }, "", header);
  assert.equal(direct.peer.certified, certified);
});

test("only a trusted proxy sets scheme and host", () => {
  const said = { for: "", proto: "https", host: "public.example" };
  const trusted = proxies.seen(direct("10.0.0.1"), "inner:5000", said);
  assert.deepEqual([trusted.peer.secure, trusted.host], [true, "public.example"]);
  const stranger = proxies.seen(direct("11.0.0.1"), "inner:5000", said);
  assert.deepEqual([stranger.peer.secure, stranger.host], [false, "inner:5000"]);
});

test("a client cannot impersonate another with its part of the header", () => {
  fc.assert(
    fc.property(fc.string(), fc.ipV4(), (forged, address) => {
      const real = address.startsWith("10.") || address === "192.0.2.7" ? "203.0.113.1" : address;
      const header = `${forged}, ${real}`;
      const seen = proxies.seen(direct("10.0.0.1"), "", { for: header, proto: "", host: "" });
      assert.equal(seen.peer.address, real);
    }),
  );
});

for (const [text, expected] of [
  ["10.0.0.1", true],
  ["10.0.0.0/8", true],
  ["::1", true],
  ["2001:db8::/32", true],
  ["10.0.0.0/33", false],
  ["::/129", false],
  ["10.0.0.0/8/8", false],
  ["10.0.0.0/-1", false],
  ["proxy.example", false],
  ["", false],
] as const) {
  test(`"${text}" is ${expected ? "a" : "no"} range of addresses`, () => {
    assert.equal(isAddressRange(text), expected);
  });
}
