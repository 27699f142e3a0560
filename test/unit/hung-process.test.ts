// A process of a server that hangs is ended and replaced, and one that answers in time is not.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { PassThrough } from "node:stream";
import { mock, test } from "node:test";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { nodeName } from "../../src/cluster/node-name.js";
import { StandardStreams } from "../../src/observe/standard-streams.js";
import { FirstProcess } from "../../src/server/processes/first.js";
import { until } from "../support/until.js";

const program = fileURLToPath(new URL("../support/member-program.js", import.meta.url));
const count = 3;

/** Starts a server without a store, whose first process asks the others when the test wants it to. */
async function start() {
  const lines: string[] = [];
  const log = pino({ level: "info" }, { write: (line) => void lines.push(line) });
  const streams = new StandardStreams({ output: new PassThrough(), error: new PassThrough() }, [], {});
  const onError = (error: unknown) => assert.fail(String(error));
  const args = (_: number, digits: string) => [digits];
  mock.timers.enable({ apis: ["setInterval"] });
  const first = new FirstProcess(
    { ...{ count, log, streams, program, env: process.env, args, onError } },
    () => undefined,
  );
  await first.group.join(60);
  await first.start({ count, port: 1, formatter: "json", first: first.name, settings: "" });
  const digitsOf = new Map<number, string>();
  for (const pid of await members())
    digitsOf.set(pid, (await readFile(`/proc/${pid}/cmdline`, "latin1")).split("\0").at(-2) ?? "");
  /** Asks each process, as every five seconds. Those that were not stopped have answered then. */
  const round = async (stopped: number) => {
    mock.timers.tick(5_000);
    // These answers come behind those.
    const question = { kind: "call", service: "answer", payload: null } as const;
    for (const [pid, digits] of digitsOf)
      if (pid !== stopped) await first.group.calls.peer.askNode<"call">(nodeName(digits), question);
  };
  return {
    ...{ first, lines, round },
    failures: () => Object.keys(first.group.health.failures),
    async [Symbol.asyncDispose]() {
      mock.timers.reset();
      await first.stopped(1);
    },
  };
}

async function members(): Promise<number[]> {
  const children = await readFile(`/proc/${process.pid}/task/${process.pid}/children`, "latin1");
  return children.trim().split(" ").filter(Boolean).map(Number);
}

test("a process that does not answer makes the server unready, and is ended and replaced after 30 seconds", async () => {
  await using server = await start();
  const { first, lines, failures, round } = server;
  const [hung = Number.NaN, other = Number.NaN] = await members();
  process.kill(hung, "SIGSTOP");
  await round(hung);
  assert.deepEqual(failures(), []);
  for (let seconds = 5; seconds < 30; seconds += 5) {
    await round(hung);
    assert.deepEqual(failures(), ["processes"]);
  }
  assert.ok((await members()).includes(hung), "it has until the next question");
  mock.timers.tick(5_000);
  await until(
    "it is replaced",
    async () => !(await members()).includes(hung) && first.group.health.serving === count,
  );
  assert.ok((await members()).includes(other), "the other one stays");
  assert.deepEqual(failures(), []);
  const [why, ended, ...more] = lines.map((line) => JSON.parse(line) as { msg: string; signal?: string });
  assert.equal(why?.msg, "a process of the server does not answer, and is ended");
  assert.equal(ended?.signal, "SIGKILL");
  assert.deepEqual(more, []);
});

test("a process that answers again within 30 seconds stays", async () => {
  await using server = await start();
  const { lines, failures, round } = server;
  const before = await members();
  const [paused = Number.NaN] = before;
  for (let time = 1; time <= 3; time++) {
    process.kill(paused, "SIGSTOP");
    for (let seconds = 0; seconds < 25; seconds += 5) await round(paused);
    assert.deepEqual(failures(), ["processes"]);
    process.kill(paused, "SIGCONT");
    await until("it answers", () => failures().length === 0);
  }
  assert.deepEqual(await members(), before);
  assert.deepEqual(lines, []);
});
