/**
 * helm packages a chart, pushes it as an OCI artifact and pulls back the same bytes.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { digestOf, uniqueText } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("helm");

test("helm: a pushed chart is pulled unchanged", { skip }, async () => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  const helm = (...args: string[]) => run("helm", args, { cwd: folder.path, env: { HOME: folder.path } });

  await mkdir(join(folder.path, "chart", "templates"), { recursive: true });
  const version = "1.2.3+build.4"; // a plus is no character of a tag: helm writes an underscore for it
  const chart = `apiVersion: v2\nname: chart\nversion: ${version}\ndescription: ${uniqueText()}\n`;
  await writeFile(join(folder.path, "chart", "Chart.yaml"), chart);
  await writeFile(join(folder.path, "chart", "values.yaml"), "replicas: 1\n");
  await helm("package", "chart");
  const archive = `chart-${version}.tgz`;
  const pushed = digestOf(await readFile(join(folder.path, archive)));

  await helm("push", "--plain-http", archive, `oci://${registry.host}/helm`);
  await new Remote(registry.url, "helm/chart").verify(version.replace("+", "_"));

  const source = `oci://${registry.host}/helm/chart`;
  await helm("pull", "--plain-http", "--version", version, "--destination", folder.path, source);
  assert.equal(digestOf(await readFile(join(folder.path, archive))), pushed);
  assert.match(await helm("show", "chart", "--plain-http", "--version", version, source), /name: chart/);
});
