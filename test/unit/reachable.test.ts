// The addresses to which a registry may lead an import, by the registry's own address.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { Agent, request } from "undici";
import { Reachable } from "../../src/transfer/remote/reachable.js";

const publicAddresses = ["8.8.8.8", "2606:4700::1111"];
const privateAddresses = ["10.1.2.3", "172.31.0.1", "192.168.0.1", "100.64.0.1", "fd12::1"];
const loopback = ["127.0.0.1", "127.9.9.9", "::1"];
const special = ["169.254.169.254", "0.0.0.0", "fe80::1", "fe80::1%lo", "224.0.0.1", "::", "fd00:ec2::254"];
const disguised = [
  ...["::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"],
  ...["::ffff:0:169.254.169.254", "::169.254.169.254"],
];

for (const [where, at, allowed, refused] of [
  [
    "a public registry",
    "8.8.4.4",
    publicAddresses,
    [...privateAddresses, ...loopback, ...special, ...disguised],
  ],
  ["a private registry", "10.0.0.1", [...publicAddresses, ...privateAddresses], [...loopback, ...special]],
  [
    "a registry on this machine",
    "127.0.0.1",
    [...publicAddresses, ...privateAddresses, ...loopback, "::ffff:127.0.0.1"],
    [...special, "64:ff9b::a9fe:a9fe"],
  ],
  ["a registry that has not been reached", undefined, publicAddresses, [...privateAddresses, ...loopback]],
] as const)
  test(`${where} leads only to addresses that are at least as public`, () => {
    const reachable = new Reachable();
    if (at !== undefined) reachable.registryAt(at);
    for (const address of allowed) assert.ok(reachable.allows(address), address);
    for (const address of refused) assert.ok(!reachable.allows(address), address);
  });

test("a registry once reached at a public address counts as public", () => {
  const reachable = new Reachable();
  for (const address of ["127.0.0.1", "8.8.8.8", "127.0.0.1"]) reachable.registryAt(address);
  assert.ok(!reachable.allows("127.0.0.1"));
});

test("neither a private address nor a name that resolves to it is connected to", async () => {
  let connections = 0;
  const server = createServer((_, response) => response.end("inner")).on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (const at of ["8.8.4.4", "127.0.0.1"]) {
    const reachable = new Reachable();
    reachable.registryAt(at);
    const dispatcher = new Agent({ connect: reachable.otherConnector({}) });
    for (const host of ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"]) {
      const asked = request(`http://${host}:${port}/`, { dispatcher });
      if (at === "127.0.0.1") assert.equal(await (await asked).body.text(), "inner");
      else await assert.rejects(asked, /less public than its own.*--redirect-host/);
    }
    if (at !== "127.0.0.1") assert.equal(connections, 0);
    await dispatcher.destroy();
  }
});
