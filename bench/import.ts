/**
 * Measures how fast a storage folder of CNCF distribution is imported by hard links, and how much disk that takes: writes a
 * folder of many small blobs, imports it, imports it again, and copies the blobs for comparison. `npm run bench:import`.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const images = 5_000;
const blobsOfImage = 4;
const blobBytes = 2_048;
const repositories = 50;

const cli = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** Adds a content, and returns its descriptor. */
function add(root: string, content: Uint8Array, mediaType: string) {
  const hex = createHash("sha256").update(content).digest("hex");
  write(`${root}/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`, content);
  return { mediaType, digest: `sha256:${hex}`, size: content.length };
}

function writeStore(root: string): void {
  for (let number = 0; number < images; number++) {
    const repository = `${root}/repositories/team/app-${number % repositories}`;
    const blobs = Array.from({ length: blobsOfImage }, () =>
      add(root, randomBytes(blobBytes), "application/vnd.oci.image.layer.v1.tar"),
    );
    const [config, ...layers] = blobs;
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }));
    const { digest } = add(root, manifest, mediaType);
    for (const blob of blobs)
      write(`${repository}/_layers/${blob.digest.replace(":", "/")}/link`, blob.digest);
    write(`${repository}/_manifests/revisions/${digest.replace(":", "/")}/link`, digest);
    write(`${repository}/_manifests/tags/v${number}/current/link`, digest);
  }
}

/** Disk usage in bytes of these folders together, counting each file once. */
function diskUse(...folders: readonly string[]): number {
  const lines = execFileSync("du", ["--summarize", "--block-size=1", "--total", ...folders], {
    encoding: "utf8",
  });
  return Number(/^(\d+)\ttotal$/m.exec(lines)?.[1]);
}

function timed(what: string, program: string, parameters: readonly string[], environment = {}): void {
  execFileSync("sync");
  const begun = performance.now();
  const { status, stdout, stderr } = spawnSync(program, parameters, {
    encoding: "utf8",
    env: { ...process.env, ...environment },
  });
  if (status !== 0) throw new Error(`${what} ended with ${status}: ${stdout}${stderr}`);
  process.stdout.write(`${what}: ${((performance.now() - begun) / 1000).toFixed(1)} s\n${stdout}`);
}

const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

const folder = mkdtempSync(join(tmpdir(), "gantry-bench-import-"));
try {
  const [old, store] = [join(folder, "old"), join(folder, "store")];
  writeStore(join(old, "docker/registry/v2"));
  const before = diskUse(old);
  const data = diskUse(join(old, "docker/registry/v2/blobs"));
  const settings = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: store };
  const command = [cli, "import", "--from-distribution", old];
  timed(`import of ${images * blobsOfImage} blobs in ${images} images`, process.execPath, command, settings);
  const grown = diskUse(old, store) - before;
  const content = diskUse(old, join(store, "content"), join(store, "blobs")) - before;
  process.stdout.write(
    `disk: ${mebibytes(before)} before, of which ${mebibytes(data)} in blobs; ${mebibytes(grown)} more after it,` +
      `of which ${mebibytes(content)} for the names of blobs\n`,
  );
  timed("the same again", process.execPath, command, settings);
  timed("for comparison: cp of the blobs", "cp", [
    "-r",
    join(old, "docker/registry/v2/blobs"),
    join(folder, "copy"),
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
