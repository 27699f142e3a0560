/** The bill of materials of Gantry's packages. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../clients/support.js";
import { checkout } from "./pack.js";

interface Locked {
  readonly name?: string;
  readonly version: string;
  readonly dev?: true;
  readonly integrity: string;
}

/** Licences that require at most naming them and their authors. */
const permissive = [
  "MIT",
  "ISC",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "0BSD",
  "PSF-2.0",
];

const lock = JSON.parse(await readFile(join(checkout, "package-lock.json"), "utf8"));
const { "": _, ...packages } = lock.packages as Record<string, Locked>;
const installed = Object.entries(packages).flatMap(([path, locked]) =>
  locked.dev ? [] : [{ ...locked, name: path.replace(/^.*node_modules\//, "") }],
);

test("the bill of materials has exactly the installed packages, with their versions and hashes", async () => {
  const text = await run("npm", ["run", "--silent", "sbom"], { cwd: checkout });
  const bill = JSON.parse(text);
  assert.equal(bill.bomFormat, "CycloneDX");
  assert.equal(bill.metadata.component.name, "gantry");
  const listed = bill.components.map(({ name, version, hashes }: Record<string, never>) => [
    name,
    version,
    hashes,
  ]);
  const expected = installed.map(({ name, version, integrity }) => {
    const content = Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex");
    return [name, version, [{ alg: "SHA-512", content }]];
  });
  assert.deepEqual(listed.sort(), expected.sort());
});

test("each package has a licence that permits redistribution", async () => {
  const lines = (await run("npm", ["run", "--silent", "licenses"], { cwd: checkout })).split("\n");
  const listed = lines.map((line) => line.split("\t"));
  assert.deepEqual(
    listed.map(([name]) => name).sort(),
    ["gantry", ...installed.map(({ name }) => name)].sort(),
  );
  for (const [name, , license = ""] of listed) assert.ok(permissive.includes(license), `${name}: ${license}`);
  assert.ok(
    lines.includes(`uWebSockets.js\t${packages["node_modules/uWebSockets.js"]?.version}\tApache-2.0`),
  );
});
