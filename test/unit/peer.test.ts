// The address of a connection's client, as uWebSockets.js reports it, in bytes.

import type { HttpResponse } from "uWebSockets.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { directPeer, securePeer } from "../../src/http/peer.js";

function responseFrom(bytes: readonly number[]): HttpResponse {
  return { getRemoteAddress: () => Uint8Array.from(bytes).buffer } as unknown as HttpResponse;
}

const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

test("clients are told apart by their addresses, however they are connected", () => {
  const cases: readonly (readonly [bytes: readonly number[], address: string])[] = [
    [[127, 0, 0, 1], "127.0.0.1"],
    [[255, 255, 255, 255], "255.255.255.255"],
    [[1, 0, 0, 127], "1.0.0.127"],
    [[...mapped, 10, 1, 2, 3], "10.1.2.3"],
    [[10, 1, 2, 3], "10.1.2.3"],
    // Not a mapped address: another prefix before the same bytes.
    [[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3], "0:1::ffff:a01:203"],
    [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3], "2001:db8::ffff:a01:203"],
    [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 1, 2, 3], "::a01:203"],
    [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "::1"],
    // A Unix socket.
    [[], ""],
  ];
  for (let round = 0; round < 2; round++)
    for (const [bytes, address] of cases) assert.equal(directPeer(responseFrom(bytes))?.address, address);
});

test("the same address by HTTP and by HTTPS is two peers", () => {
  const response = responseFrom([192, 0, 2, 7]);
  assert.equal(directPeer(response)?.secure, false);
  assert.equal(securePeer(response)?.secure, true);
});
