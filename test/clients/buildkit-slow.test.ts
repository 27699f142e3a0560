/**
 * BuildKit pushes over a slow link, with kilobytes per second and pauses of more than a minute: with the default settings
 * the push succeeds, as with CNCF distribution 3.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { Buildkit, needsBuildkit } from "./buildkit-daemon.js";
import { startDistribution3 } from "./distribution-3.js";
import { run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needsBuildkit("registry");

const layerBytes = 160 * 1024;
const bytesPerSecond = 16 * 1024;
/** How often the link carries bytes. */
const perSecond = 8;
/** Longer than the minute after which servers, formerly also Gantry, drop a silent client. */
const stallSeconds = 70;
/** Number of the client's bytes, which include a layer's headers and part of its body. */
const stallAfterBytes = 80 * 1024;

interface ThinLine extends Disposable {
  readonly host: string;
  /** Whether it has been silent. */
  readonly hasStalled: boolean;
  /** Whether the registry closed the silent connection: BuildKit would start the layer again. */
  readonly wasGivenUp: boolean;
}

/** It is slow towards the registry only, because responses are short. */
async function thinLine(url: string): Promise<ThinLine> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  let carried = 0;
  let stalledUntil = 0;
  let stalled: Socket | undefined;
  let wasGivenUp = false;
  const carry = (near: Socket, far: Socket) => {
    const timer = setInterval(() => {
      if (performance.now() < stalledUntil) return;
      const bytes = near.read(Math.min(near.readableLength, bytesPerSecond / perSecond)) as Buffer | null;
      if (bytes === null) {
        if (near.readableEnded) far.end();
        return;
      }
      far.write(bytes);
      const before = carried;
      carried += bytes.length;
      if (before < stallAfterBytes && carried >= stallAfterBytes) {
        stalledUntil = performance.now() + stallSeconds * 1000;
        stalled = near;
      }
    }, 1000 / perSecond);
    timers.add(timer);
    near.on("readable", () => {});
    near.once("close", () => {
      clearInterval(timer);
      far.destroy();
    });
  };
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    far.once("close", () => {
      wasGivenUp ||= near === stalled && performance.now() < stalledUntil;
      near.destroy();
    });
    far.pipe(near);
    carry(near, far);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return {
    host: `127.0.0.1:${address.port}`,
    get hasStalled() {
      return stalledUntil > 0;
    },
    get wasGivenUp() {
      return wasGivenUp;
    },
    [Symbol.dispose]() {
      for (const timer of timers) clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe("a push over a slow link arrives complete", { concurrency: true }, () => {
  for (const [what, start] of [
    ["CNCF distribution 3", (folder: string) => startDistribution3(folder, "distribution")],
    ["Gantry", () => startGantry()],
  ] as const)
    test(`from BuildKit, which is silent for ${stallSeconds} s, to ${what}`, {
      skip,
    }, async () => {
      await using folder = await temporaryFolder();
      await using registry = await start(folder.path);
      using line = await thinLine(registry.url);
      const own = join(folder.path, "buildkit");
      await mkdir(own);
      await using buildkit = await Buildkit.start(own);
      const began = performance.now();
      await buildkit.build(
        (program, args, options) => run(program, args, { ...options, millisecondsMax: 240_000 }),
        { Dockerfile: "FROM scratch\nCOPY random /\n", random: randomBytes(layerBytes) },
        ...["--output", `type=image,name=${line.host}/thin/image:latest,push=true`],
      );
      assert.ok(line.hasStalled, "the link was silent");
      assert.ok(!line.wasGivenUp, "the registry waited for the client");
      assert.ok(performance.now() - began > stallSeconds * 1000);
      await new Remote(registry.url, "thin/image").verify("latest");
    });
});
