import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConnectionCounts } from "../../src/lib/connection-counts.js";
import {
  type ConnectionCosts,
  connectionLimits,
  openUploadsPerWorker,
} from "../../src/lib/connection-limits.js";
import { TcpTable } from "../../src/lib/tcp-table.js";

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

  test("a client whose connections close at once is not taken for one with many", () => {
    const counts = new ConnectionCounts({ total: 800, perClient: 400 }, unknown);
    open(counts, "a", 400);
    open(counts, "b", 300);
    for (let time = 0; time < 100; time++) {
      assert.equal(counts.enter("short"), undefined);
      counts.leave();
    }
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
  return { descriptors, descriptorsEach, memoryBytes, memoryBytesEach: 65_536 };
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
