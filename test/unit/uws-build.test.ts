// The build of uWebSockets.js in use: the recorded facts about its binaries, and the log's messages.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { logRuntime, type UwsBuild, uwsBuild } from "../../src/http/uws-build.js";

const checkout = fileURLToPath(new URL("../../../", import.meta.url));
const installed = dirname(createRequire(import.meta.url).resolve("uWebSockets.js/package.json"));

const schema = z.strictObject({
  package: z.string(),
  integrity: z.string(),
  sourceCommit: z.string(),
  repository: z.strictObject({ name: z.string(), tag: z.string(), commit: z.string() }),
  builds: z.array(
    z.strictObject({
      node: z.number(),
      abi: z.string(),
      upstream: z.strictObject({
        release: z.string(),
        commit: z.string().nullable(),
        addedToPackage: z.string(),
      }),
      binaries: z.array(
        z.strictObject({
          file: z.string(),
          bytes: z.number(),
          sha256: z.string(),
          gitBlob: z.string(),
          glibc: z.string(),
        }),
      ),
    }),
  ),
});

const record = schema.parse(await jsonOf("deploy/bill/uwebsockets.json"));

async function jsonOf(path: string): Promise<unknown> {
  return JSON.parse(await readFile(join(checkout, path), "utf8"));
}

/** The highest glibc version whose symbols a binary needs. */
function glibcOf(bytes: Buffer): string {
  const minors = [...bytes.toString("latin1").matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
  return `2.${Math.max(...minors)}`;
}

describe("the recorded binaries of uWebSockets.js", () => {
  test("belong to the pinned package", async () => {
    const pinned = z
      .object({ dependencies: z.object({ "uWebSockets.js": z.string() }) })
      .parse(await jsonOf("package.json")).dependencies["uWebSockets.js"];
    assert.equal(`npm:${record.package}`, pinned);
    const locked = z
      .object({
        packages: z.object({
          "node_modules/uWebSockets.js": z.object({ version: z.string(), integrity: z.string() }),
        }),
      })
      .parse(await jsonOf("package-lock.json")).packages["node_modules/uWebSockets.js"];
    assert.deepEqual([record.package, record.integrity], [`uwebsockets@${locked.version}`, locked.integrity]);
    assert.equal((await readFile(join(installed, "source_commit"), "utf8")).trim(), record.sourceCommit);
  });

  test("cover Node 20, 22 and 24 on both kinds of processor", () => {
    assert.deepEqual(
      record.builds.flatMap(({ node, binaries }) => binaries.map(({ file }) => `${node} ${file}`)),
      [
        ["20", "115"],
        ["22", "127"],
        ["24", "137"],
      ].flatMap(([node, abi]) => ["x64", "arm64"].map((arch) => `${node} uws_linux_${arch}_${abi}.node`)),
    );
  });

  for (const { file, ...expected } of record.builds.flatMap(({ binaries }) => binaries))
    test(`${file} is the installed one`, async () => {
      const bytes = await readFile(join(installed, file));
      assert.deepEqual(
        {
          bytes: bytes.length,
          sha256: createHash("sha256").update(bytes).digest("hex"),
          gitBlob: createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex"),
          glibc: glibcOf(bytes),
        },
        expected,
      );
    });

  for (const { node, abi, upstream } of record.builds)
    test(`for Node ${node} have the release and commit that the log shows`, () => {
      const { release, commit = null } = uwsBuild(abi);
      assert.deepEqual({ release, commit }, { release: upstream.release, commit: upstream.commit });
    });
});

describe("a start", () => {
  function linesFor(abi: string): readonly (readonly [level: string, fields: object, message: string])[] {
    const lines: [string, object, string][] = [];
    const into = (level: string) => (fields: object, message: string) =>
      void lines.push([level, fields, message]);
    logRuntime({ info: into("info"), warn: into("warn") }, uwsBuild(abi));
    return lines;
  }

  test("logs the version of Node and the build", () => {
    const [line] = linesFor("137");
    const [level, fields, message] = line ?? assert.fail();
    assert.equal(level, "info");
    assert.match(message, new RegExp(`Node ${process.versions.node} with uWebSockets.js v20.61 to v20.64`));
    const { uWebSockets } = fields as { uWebSockets: UwsBuild };
    assert.equal(uWebSockets.build, `uws_${process.platform}_${process.arch}_137`);
    assert.equal(`uwebsockets@${uWebSockets.package}`, record.package);
    assert.match(uWebSockets.handled ?? "", /a paused socket is read on .*0042/);
  });

  test("on Node 20 warns in one line about the defect of its build and says what to do", () => {
    const warnings = linesFor("115").filter(([level]) => level === "warn");
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0]?.[2] ?? "",
      /^use Node 24 .*answers 505 to .* two packets, .*no security fixes[^\n]*$/,
    );
  });

  for (const [node, abi] of [
    [22, "127"],
    [24, "137"],
  ] as const)
    test(`on Node ${node} needs no warning`, () => {
      assert.deepEqual(
        linesFor(abi).map(([level]) => level),
        ["info"],
      );
    });

  test("on Node 26, which has no binary, is refused with a usable version", () => {
    assert.throws(() => uwsBuild("147"), /no binary for this version of Node \(ABI 147\).*Node 24/);
  });
});
