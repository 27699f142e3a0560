/**
 * BuildKit builds from a base image of the registry, with a login: exports images in each compression, stores its cache in
 * the registry in each mode and uses it, and pushes provenance and a bill of materials.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gantryProcess as gantry } from "../support/command.js";
import { LoginFiles } from "../support/login.js";
import { Buildkit, needsBuildkit } from "./buildkit-daemon.js";
import { runnableTar, uniqueText, writeImage } from "./images.js";
import { type PrivateRegistry, startPrivateRegistry } from "./private-registry.js";
import { temporaryFolder } from "./support.js";

const skip = needsBuildkit("busybox", "crane");
const files = await LoginFiles.make();

interface Bench {
  readonly folder: string;
  readonly registry: PrivateRegistry;
  readonly buildkit: Buildkit;
  /** An image of the registry with busybox and `greeting`. */
  readonly base: string;
  readonly greeting: string;
}

/** Runs `work` with a new registry and a new BuildKit, which end afterwards. */
async function withBuildkit(work: (bench: Bench) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder();
  await using registry = await startPrivateRegistry(files, folder.path);
  await using buildkit = await Buildkit.start(folder.path);
  const [base, greeting] = [`${registry.host}/bases/busybox:latest`, uniqueText()];
  const layout = join(folder.path, "base");
  await writeImage(layout, [await runnableTar(greeting)]);
  await registry.run("crane", ["push", layout, base]);
  await work({ folder: folder.path, registry, buildkit, base, greeting });
}

const shell = (script: string) => `RUN ["/bin/busybox", "sh", "-c", ${JSON.stringify(script)}]\n`;

/** The content of `built` is never the same twice: two equal ones come from one run. */
const randomBuild = (base: string) => ({
  Dockerfile:
    `FROM ${base} AS first\n${shell("/bin/busybox cat /proc/sys/kernel/random/uuid > /built")}` +
    "FROM scratch\nCOPY --from=first /built /built\n",
});

interface CacheKind {
  readonly name: string;
  /** The value of `--export-cache` for the reference of the cache. */
  readonly exported: (cache: string) => string;
  /** Whether it includes stages from which the result only copies. */
  readonly hasStages: boolean;
  /** A media type that is in it. */
  readonly type?: string;
}

const registryCache = (parameters: string) => (cache: string) =>
  `type=registry,ref=${cache},oci-mediatypes=true,${parameters}`;

const caches: readonly CacheKind[] = [
  { name: "in the image", exported: () => "type=inline", hasStages: false },
  { name: "of mode min", exported: registryCache("mode=min"), hasStages: false },
  { name: "of mode max", exported: registryCache("mode=max"), hasStages: true },
  {
    name: "as an index of blobs",
    exported: registryCache("mode=max,image-manifest=false"),
    hasStages: true,
    type: "application/vnd.oci.image.index.v1+json",
  },
  {
    name: "compressed by zstd",
    exported: registryCache("mode=max,compression=zstd,force-compression=true"),
    hasStages: true,
    type: "application/vnd.oci.image.layer.v1.tar+zstd",
  },
];

test("buildkit: caches", { skip }, (t: TestContext) =>
  withBuildkit(async ({ registry, buildkit, base }) => {
    for (const [index, { name, exported, hasStages, type }] of caches.entries()) {
      await t.test(`a cache ${name} saves the next machine the build`, async () => {
        const image = `${registry.host}/cached/image-${index}:latest`;
        const inImage = exported(image) === "type=inline";
        const cache = inImage ? image : `${registry.host}/cached/cache-${index}:main`;
        const build = (...options: string[]) =>
          buildkit.buildFile("built", registry.run, randomBuild(base), ...options);
        const imported = ["--import-cache", `type=registry,ref=${cache}`];

        await buildkit.forget();
        const output = ["--output", `type=image,name=${image},push=true`];
        const built = await build("--export-cache", exported(cache), ...output);
        const [repository = "", tag = ""] = cache.slice(registry.host.length + 1).split(":");
        const remote = registry.remote(repository);
        await remote.verify(tag);
        if (type !== undefined)
          assert.ok(JSON.stringify(await remote.json(`manifests/${tag}`)).includes(type), `is ${type}`);

        await buildkit.forget();
        assert.equal(await build(...imported), built, "the result comes from the cache");
        await buildkit.forget();
        const stage = await build(...imported, "--opt", "target=first");
        assert.equal(stage === built, hasStages, "whether the first stage comes from the cache");
        await buildkit.forget();
        assert.notEqual(await build(), built, "a build without the cache runs");
      });
    }

    await t.test("without a login, neither image nor cache can be pulled or pushed", async () => {
      await buildkit.forget();
      const build = (...options: string[]) =>
        buildkit.build(registry.runWithoutLogin, { Dockerfile: "FROM scratch\nCOPY . /\n" }, ...options);
      const there = `${registry.host}/cached/refused:latest`;
      await assert.rejects(build("--output", `type=image,name=${there},push=true`), refusal);
      await assert.rejects(build("--export-cache", `type=registry,ref=${there}`), refusal);
      await assert.rejects(registry.remote("cached/refused").digest("latest"), /404/);
      await assert.rejects(
        buildkit.buildFile("greeting", registry.runWithoutLogin, { Dockerfile: `FROM ${base}\n` }),
        refusal,
      );
    });
  }),
);

const refusal = /401 Unauthorized|authorization failed|no basic auth credentials|insufficient_scope/;

const tocDigest = "containerd.io/snapshot/stargz/toc.digest";

const compressions = [
  { compression: "uncompressed", type: "application/vnd.oci.image.layer.v1.tar", toc: false },
  { compression: "gzip", type: "application/vnd.oci.image.layer.v1.tar+gzip", toc: false },
  { compression: "zstd", type: "application/vnd.oci.image.layer.v1.tar+zstd", toc: false },
  { compression: "estargz", type: "application/vnd.oci.image.layer.v1.tar+gzip", toc: true },
];

interface ImageManifest {
  readonly layers: readonly {
    readonly mediaType: string;
    readonly digest: string;
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
}

test("buildkit: images", { skip }, (t: TestContext) =>
  withBuildkit(async ({ folder, registry, buildkit, base, greeting }) => {
    const extended = { Dockerfile: `FROM ${base}\nCOPY addition /\n`, addition: uniqueText() };
    const copied = (image: string) => ({
      Dockerfile: `FROM ${image} AS first\n${shell("cd /; /bin/busybox cat greeting addition > /both")}FROM scratch\nCOPY --from=first /both /\n`,
    });
    const both = `${greeting}${extended.addition}`;

    for (const { compression, type, toc } of compressions) {
      await t.test(`an image that is ${compression} runs on a machine without its content`, async () => {
        const image = `${registry.host}/images/${compression}:latest`;
        const how = `push=true,compression=${compression},force-compression=true,oci-mediatypes=true`;
        await buildkit.build(registry.run, extended, "--output", `type=image,name=${image},${how}`);
        const remote = registry.remote(`images/${compression}`);
        await remote.verify("latest");
        const { layers } = (await remote.json("manifests/latest")) as ImageManifest;
        assert.equal(layers.length, 2);
        for (const { mediaType, annotations = {} } of layers) {
          assert.equal(mediaType, type);
          assert.equal(tocDigest in annotations, toc, JSON.stringify(annotations));
        }
        await buildkit.forget();
        assert.equal(await buildkit.buildFile("both", registry.run, copied(image)), both);
      });
    }

    await t.test("an image exported to an OCI layout is imported", async () => {
      const layout = join(folder, "layout");
      const how = `type=oci,tar=false,dest=${layout},name=images/layout:v1`;
      await buildkit.build(registry.run, extended, "--output", how);
      const imported = await gantry(registry.root, [
        ...["import", "--from-oci", layout, "--as", "images/layout"],
      ]);
      assert.equal(imported.code, 0, imported.stderr);
      await buildkit.forget();
      const image = `${registry.host}/images/layout:v1`;
      assert.equal(await buildkit.buildFile("both", registry.run, copied(image)), both);
    });
  }),
);

/** Writes a statement with the scanned image's greeting, like scanners for BuildKit. */
const scan = `set -e
PATH=/bin
name=$(busybox basename "$BUILDKIT_SCAN_SOURCE")
text=$(busybox cat "$BUILDKIT_SCAN_SOURCE/greeting")
busybox cat > "$BUILDKIT_SCAN_DESTINATION/$name.spdx.json" <<END
{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","subject":[],
 "predicate":{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","dataLicense":"CC0-1.0","name":"$text",
 "documentNamespace":"https://example.com/$name","creationInfo":{"created":"2020-01-01T00:00:00Z","creators":["Tool: scan"]}}}
END
`;

interface Index {
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: { readonly architecture: string };
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
}

test("buildkit: provenance and a bill of materials are pushed with each platform's image", { skip }, () =>
  withBuildkit(async ({ registry, buildkit, base, greeting }) => {
    const scanner = `${registry.host}/tools/scanner:latest`;
    await buildkit.build(
      registry.run,
      { Dockerfile: `FROM ${base}\nCOPY scan /\nENTRYPOINT ["/bin/busybox", "sh", "/scan"]\n`, scan },
      ...["--output", `type=image,name=${scanner},push=true`],
    );
    const image = `${registry.host}/images/attested:latest`;
    const architectures = ["amd64", "arm64"];
    await buildkit.build(
      registry.run,
      { Dockerfile: "FROM scratch\nCOPY greeting /\n", greeting },
      ...["--opt", `platform=${architectures.map((name) => `linux/${name}`).join()}`],
      ...["--opt", "attest:provenance=mode=max", "--opt", `attest:sbom=generator=${scanner}`],
      ...["--output", `type=image,name=${image},push=true`],
    );
    const remote = registry.remote("images/attested");
    await remote.verify("latest");
    const { manifests } = (await remote.json("manifests/latest")) as Index;
    const images = manifests.filter(({ platform }) => platform.architecture !== "unknown");
    assert.deepEqual(images.map(({ platform }) => platform.architecture).sort(), architectures);
    for (const { digest } of images) {
      const attestation = manifests.find(
        ({ annotations }) => annotations?.["vnd.docker.reference.digest"] === digest,
      );
      const { layers } = (await remote.json(`manifests/${attestation?.digest}`)) as ImageManifest;
      const statements = new Map<string, string>();
      for (const { digest: statement, annotations } of layers) {
        const type = annotations?.["in-toto.io/predicate-type"] ?? "";
        statements.set(type, JSON.stringify(await remote.json(`blobs/${statement}`)));
      }
      const kinds = [...statements.keys()].sort();
      assert.match(kinds.join(" "), /^https:\/\/slsa\.dev\/provenance\/\S+ https:\/\/spdx\.dev\/Document$/);
      for (const [kind, statement] of statements)
        assert.ok(statement.includes(digest.replace("sha256:", "")), `${kind} is about the image`);
      assert.ok(statements.get("https://spdx.dev/Document")?.includes(greeting), "what the scanner found");
    }
  }),
);
