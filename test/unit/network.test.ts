// The network that counts for an address: a client with a whole network has one limit for it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { networkOf } from "../../src/lib/network.js";

const cases: readonly (readonly [address: string, network: string])[] = [
  ["192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::ffff", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:2::", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:db8::2:3:4:5:6", "2001:db8:0:2::/64"],
  ["::1", "0:0:0:0::/64"],
  ["64:ff9b::192.0.2.7", "64:ff9b:0:0::/64"],
];

for (const [address, network] of cases) {
  test(`${address} counts for ${network}`, () => assert.equal(networkOf(address), network));
}
