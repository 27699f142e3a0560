// Imports that read as much at once as they may.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ImportReport } from "../../src/registry/import/report.js";
import { Client } from "../support/client.js";
import { gantry } from "../support/command.js";
import { blobOf, descriptorOf, image, types } from "../support/content.js";
import { startInside } from "../support/inside.js";

const imagesMax = 12;
const layersMax = 4;

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-import-many-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const source = await startInside();
after(() => source.stop());
const client = new Client(source.url);
for (let count = 0; count < imagesMax; count++) {
  const layers = Array.from({ length: layersMax }, () => blobOf(300_000));
  await client.pushBlobs("app", ...layers);
  const made = image({ layers: layers.map((layer) => descriptorOf(layer, types.layer)) });
  await client.pushImage("app", made, `v${count}`);
}
const layout = await newFolder();
const { code, stderr } = await gantry(source.root, ["export", "app", layout]);
assert.equal(code, 0, stderr);

for (const from of [
  ["--from-oci", layout, "--as", "app"],
  ["--from-registry", source.url, "--connections", "32"],
])
  for (const online of [false, true])
    test(`an import ${from[0]}, ${online ? "by a server" : "without a server"}, prints no warning of Node`, async () => {
      const target = await newFolder();
      const server = online ? await startInside({}, target) : undefined;
      const warnings: string[] = [];
      const onWarning = ({ message }: Error) => warnings.push(message);
      process.on("warning", onWarning);
      try {
        const ran = await gantry(target, ["import", ...from, "--json"]);
        assert.equal(ran.code, 0, ran.stdout + ran.stderr);
        assert.equal(ran.json<ImportReport>().tags.imported, imagesMax);
      } finally {
        process.off("warning", onWarning);
        await server?.stop();
      }
      assert.deepEqual(warnings, []);
    });
