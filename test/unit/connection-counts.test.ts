import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConnectionCounts } from "../../src/lib/connection-counts.js";
import {
  type ConnectionCosts,
  connectionLimits,
  openUploadsPerWorker,
} from "../../src/lib/connection-limits.js";
import { TcpTable } from "../../src/lib/tcp-table.js";
import { until } from "../support/until.js";

const unknown = async () => undefined;

/** Opens `count` connections of `client`, and returns how many were accepted. */
function open(counts: ConnectionCounts, client: string, count: number, isLimited = true): number {
  let admitted = 0;
  for (let left = count; left > 0; left--) if (counts.enter(client, isLimited) === undefined) admitted++;
  return admitted;
}

function close(counts: ConnectionCounts, count: number): void {
  for (let left = count; left > 0; left--) counts.leave();
}

describe("connections are counted", () => {
  test("a client has its own limit, and all clients together another", () => {
    const counts = new ConnectionCounts({ total: 10, perClient: 4 }, unknown);
    assert.equal(open(counts, "a", 5), 4);
    assert.equal(open(counts, "b", 5), 4);
    assert.equal(open(counts, "c", 5), 2);
    assert.deepEqual(counts.refused, { total: 3, client: 2 });
    assert.equal(counts.open, 10);
  });

  test("the last eighth of the places is for clients with few connections", async () => {
    const counts = new ConnectionCounts({ total: 800, perClient: 400 }, unknown);
    assert.equal(open(counts, "a", 400) + open(counts, "b", 400), 700);
    assert.equal(counts.enter("a"), "client");
    assert.equal(counts.enter("b"), "total");
    for (let client = 0; client < 12; client++) assert.equal(open(counts, `few ${client}`, 20), 8);
    assert.equal(open(counts, "proxy", 9, false), 4, "the total still applies");
    assert.equal(counts.open, 800);
  });

  test("the last places stay free although connections of a flood close all the time", async () => {
    const flood = new Map<string, number>();
    const counts = new ConnectionCounts({ total: 800, perClient: 400 }, async () => flood);
    const clients = Array.from({ length: 35 }, (_, number) => `flood ${number}`);
    const enter = (client: string, places: number) => {
      const accepted = open(counts, client, places);
      flood.set(client, (flood.get(client) ?? 0) + accepted);
    };
    for (const client of clients) enter(client, 20);
    for (let time = 0; time < 150; time++) {
      const client = clients[time % clients.length] ?? "";
      close(counts, 2);
      flood.set(client, (flood.get(client) ?? 0) - 2);
      for (const other of clients) enter(other, 3);
      if (time % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(counts.open, 700);
    }
    assert.equal(counts.enter("other"), undefined);
  });

  test("a client whose connections have closed gets one of the last places when the table is read", async () => {
    const counts = new ConnectionCounts({ total: 800, perClient: 400 }, async () => new Map());
    open(counts, "a", 400);
    open(counts, "b", 300);
    let accepted = 0;
    await until("it has opened many connections, one after the other", () => {
      if (counts.enter("short") === undefined) {
        counts.leave();
        accepted++;
      }
      return accepted === 20;
    });
  });

  test("the last places are also kept from a client with few of its connections at this process", async () => {
    const limits = { total: 800, perClient: 400, processes: 4 };
    const counts = new ConnectionCounts(limits, async () => new Map([["spread", 12]]));
    open(counts, "proxy", 700, false);
    assert.equal(open(counts, "spread", 3), 3);
    await until("its connections at the others are known", () => counts.enter("spread") === "total");
    assert.ok(counts.open <= 704);
  });

  test("only the total limits a proxy", () => {
    const counts = new ConnectionCounts({ total: 10, perClient: 4 }, unknown);
    assert.equal(open(counts, "proxy", 20, false), 10);
  });

  test("a client whose connections have all closed gets its places back", () => {
    const counts = new ConnectionCounts({ total: 10, perClient: 4 }, unknown);
    for (let time = 0; time < 5; time++) {
      assert.equal(open(counts, "a", 5), 4);
      close(counts, 4);
    }
  });

  test("a recount finds closed connections, and no client is refused because of another's", async () => {
    let truth = new Map<string, number>();
    let asked = 0;
    const counts = new ConnectionCounts({ total: 100, perClient: 10 }, async () => {
      asked++;
      return truth;
    });
    open(counts, "a", 10);
    open(counts, "b", 10);
    close(counts, 5);
    truth = new Map([
      ["a", 5],
      ["b", 10],
    ]);
    // Five have closed, of unknown clients: neither client is refused yet.
    assert.equal(counts.enter("a"), undefined);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(asked, 1);
    assert.equal(open(counts, "a", 10), 4);
    assert.equal(open(counts, "b", 10), 0);
  });

  test("a client whose connections at other processes have closed gets its places back", async () => {
    let elsewhere = 3;
    let here = 0;
    const limits = { total: 100, perClient: 4, processes: 2 };
    const counts = new ConnectionCounts(limits, async () => new Map([["a", here + elsewhere]]));
    const enter = () => {
      const refusal = counts.enter("a");
      if (refusal === undefined) here++;
      return refusal;
    };
    await until("the others' connections are known", () => enter() === "client");
    elsewhere = 0;
    await until("it is known that they have closed", () => enter() === undefined);
    await until("it has as many as it may", () => enter() === "client");
    assert.ok(here >= 4);
  });

  test("a client that may be at its limit gets no place in the second half", async () => {
    const counts = new ConnectionCounts({ total: 20, perClient: 4 }, unknown);
    open(counts, "other", 9, false);
    open(counts, "a", 4);
    close(counts, 3);
    assert.equal(counts.enter("a"), "client");
  });

  test("clients without connections are forgotten", async () => {
    const counts = new ConnectionCounts({ total: 100, perClient: 10 }, unknown);
    counts.enter("stays");
    for (let client = 0; client < 100_000; client++) {
      counts.enter(`client ${client}`);
      counts.leave();
      if (client % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(counts.open, 1);
  });
});

function costs(descriptors: number, descriptorsEach: number, memoryBytes = 2 ** 40): ConnectionCosts {
  return {
    ...{ descriptors, descriptorsEach, memoryBytes, memoryBytesEach: 65_536 },
    ...{ processes: 1, clientProcesses: 1 },
  };
}

test("the limits leave descriptors for files, and one client gets half of the places", () => {
  const plain = costs(1024, 1);
  assert.deepEqual(connectionLimits({}, plain), { total: 352, perClient: 176 });
  assert.deepEqual(connectionLimits({ total: 10_000, perClient: 300 }, plain), {
    total: 352,
    perClient: 300,
  });
  assert.deepEqual(connectionLimits({}, costs(1_048_576, 3)), {
    total: 16_384,
    perClient: 4096,
  });
  assert.equal(connectionLimits({}, costs(65_536, 3)).total, 16_384);
  assert.equal(connectionLimits({}, costs(64, 3)).total, 16);
});

test("by default, unfinished heads on all connections fit into the memory", () => {
  const small = costs(1_048_576, 1, 512 * 1024 * 1024);
  assert.deepEqual(connectionLimits({}, small), { total: 4096, perClient: 2048 });
  assert.equal(connectionLimits({ total: 10_000 }, small).total, 10_000, "a setting decides");
  assert.equal(connectionLimits({}, costs(1_048_576, 1, 1024)).total, 16);
});

test("a further process takes little of the connections, and a client gets half of those of all", () => {
  const shared = (processes: number, mebibytes: number, clientProcesses = processes): ConnectionCosts => ({
    ...costs(1_048_576, 1, mebibytes * 1024 * 1024),
    ...{ processes, clientProcesses },
  });
  assert.deepEqual(connectionLimits({}, shared(2, 512)), { total: 1024, perClient: 1024 });
  assert.deepEqual(connectionLimits({}, shared(4, 1024)), { total: 1536, perClient: 3072 });
  assert.deepEqual(connectionLimits({}, shared(2, 512, 1)), { total: 1024, perClient: 512 });
  assert.deepEqual(connectionLimits({ total: 40, perClient: 100 }, shared(4, 1024)), {
    total: 40,
    perClient: 100,
  });
});

describe("the kernel's table", () => {
  const lines = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0",
    "   1: 0100007F:1388 0200007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1",
    "   2: 0100007F:1388 0200007F:9C41 08 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1",
    "   3: 0100007F:1388 0200007F:9C42 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1",
    "   4: 0100007F:1388 0200007F:9C43 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1",
    "   5: 0100007F:0050 0200007F:9C44 01 00000000:00000000 00:00000000 00000000     0        0 5 1 0 20 4 30 10 -1",
    "   6: 0100007F:9C40 0100007F:1388 01 00000000:00000000 00:00000000 00000000     0        0 6 1 0 20 4 30 10 -1",
  ];

  test("the table gives the peers of a port's connections, in pieces of any size", () => {
    const text = `${lines.join("\n")}\n`;
    for (const cut of [1, 7, 100, text.length]) {
      const table = new TcpTable(5000);
      for (let start = 0; start < text.length; start += cut) table.add(text.slice(start, start + cut));
      assert.deepEqual([...table.counts()], [["127.0.0.2", 2]]);
    }
  });

  test("the table has IPv6 addresses, and IPv4 ones that connect over IPv6", () => {
    const table = new TcpTable(5000);
    const local = "00000000000000000000000000000000:1388";
    for (const remote of ["0000000000000000FFFF00000200007F", "B80D01200000000000000000D5270000"])
      table.add(`   0: ${local} ${remote}:9C40 01 0:0 00:0 0 0 0 7 1 0 20 4 30 10 -1\n`);
    assert.deepEqual(
      [...table.counts()],
      [
        ["127.0.0.2", 1],
        ["2001:db8::27d5", 1],
      ],
    );
  });
});

test("uploads kept open by workers leave descriptors for blobs, and are at least a few", () => {
  for (const [descriptors, workers, expected] of [
    [65_536, 1, 1024],
    [65_536, 4, 1000],
    [1024, 2, 64],
    [256, 4, 8],
  ] as const)
    assert.equal(openUploadsPerWorker(descriptors, workers), expected, `${descriptors}, ${workers}`);
});
