// A test's own BuildKit daemon, with its client.

import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { needs, type RunOptions, run, startDaemon } from "./support.js";

/** For a test's `skip`, with the other requirements. */
export const needsBuildkit = (...programs: readonly string[]) =>
  needs("buildkitd", "buildctl", "runc", "unshare", ...programs);

/** Runs a registry's client with its credentials. */
type Run = (program: string, args: readonly string[], options?: RunOptions) => Promise<string>;

export interface BuildkitOptions {
  /** `native` copies, and therefore works on every file system. */
  readonly snapshotter?: "native" | "stargz";
  /** Lines of buildkitd.toml. */
  readonly settings?: string;
  /** The prefix that runs a command where the daemon runs. */
  readonly enter?: readonly string[];
}

export class Buildkit implements AsyncDisposable {
  private constructor(
    private readonly folder: string,
    private readonly address: readonly string[],
    private readonly daemon: AsyncDisposable,
  ) {}

  /** Keeps all its data in `folder`. */
  static async start(
    folder: string,
    { snapshotter = "native", settings = "", enter = [] }: BuildkitOptions = {},
  ): Promise<Buildkit> {
    const socket = `unix://${join(folder, "buildkitd.sock")}`;
    const config = join(folder, "buildkitd.toml");
    await writeFile(config, `root = "${join(folder, "buildkit")}"\n${settings}`);
    const args = [
      ...["--config", config, "--addr", socket],
      ...["--containerd-worker=false", `--oci-worker-snapshotter=${snapshotter}`],
    ];
    const address = ["--addr", socket];
    // Mounts of builds are in a namespace that ends with the daemon; otherwise the folder could not be removed.
    const [first = "unshare", ...rest] = [...enter, "unshare", "--mount", "buildkitd", ...args];
    const daemon = await startDaemon(first, rest, () => run("buildctl", [...address, "debug", "workers"]));
    return new Buildkit(folder, address, daemon);
  }

  /** Builds from a Dockerfile and its context. `runClient` has the credentials. */
  async build(
    runClient: Run,
    files: Readonly<Record<"Dockerfile" | (string & {}), string | Buffer>>,
    ...options: readonly string[]
  ): Promise<void> {
    const context = await mkdtemp(join(this.folder, "context-"));
    for (const [name, content] of Object.entries(files)) await writeFile(join(context, name), content);
    const sources = ["--local", `context=${context}`, "--local", `dockerfile=${context}`];
    const frontend = ["--frontend", "dockerfile.v0", "--progress", "plain"];
    await runClient("buildctl", [...this.address, "build", ...frontend, ...sources, ...options]);
  }

  /** Builds, and returns the text of one file of the result. */
  async buildFile(
    path: string,
    ...[runClient, files, ...options]: Parameters<Buildkit["build"]>
  ): Promise<string> {
    const to = await mkdtemp(join(this.folder, "built-"));
    await this.build(runClient, files, ...options, "--output", `type=local,dest=${to}`);
    return (await readFile(join(to, path), "utf8")).trim();
  }

  /** Removes everything built or pulled, like a CI job on a new machine. */
  async forget(): Promise<void> {
    await run("buildctl", [...this.address, "prune", "--all"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
  }
}
