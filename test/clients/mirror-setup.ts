/**
 * A mirror with the settings of docs/mirror.md, on a machine with a network of its own: `mirror.example.com` over TLS, and CNCF
 * distribution 3 in place of Docker Hub and ghcr.io, which no traffic can reach.
 */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { exampleOf } from "../documents/page.js";
import { cli } from "../support/cli.js";
import { type Gantry, startGantry } from "../support/gantry.js";
import { newAuthority } from "../support/tls.js";
import { startDistribution3 } from "./distribution-3.js";
import { runnableTar, uniqueText, writeImage } from "./images.js";
import { address, type Machine, needsMachine, startMachine } from "./machine.js";
import type { RunOptions } from "./support.js";

export const page = "docs/mirror.md";
export const mirrorHost = "mirror.example.com";

/** Where the registries listen that take the place of others. */
const upstreamHosts = { "docker.io": "127.0.0.1:5001", "ghcr.io": "127.0.0.1:5002" } as const;
export type UpstreamName = keyof typeof upstreamHosts;

/** For a test's `skip`, with the other requirements. */
export const needsMirror = (...programs: readonly string[]) =>
  needsMachine("registry", "crane", "curl", "busybox", ...programs);

export interface Pushed {
  readonly digest: string;
  /** What the image prints. */
  readonly greeting: string;
}

/** Returns an example of the page. */
export function example(heading: string, first: string): Promise<string> {
  return exampleOf(page, heading, first);
}

export class Mirror implements AsyncDisposable {
  private constructor(
    readonly machine: Machine,
    readonly gantry: Gantry,
    /** The CA of the mirror's certificate. */
    readonly caFile: string,
    readonly folder: string,
    private readonly upstreams: AsyncDisposable[],
  ) {}

  /** Keeps its files in `folder`. `settings` are further ones of Gantry. */
  static async start(folder: string, settings: Readonly<Record<string, string>> = {}): Promise<Mirror> {
    const machine = await startMachine(folder, [mirrorHost]);
    const upstreams: AsyncDisposable[] = [];
    try {
      for (const [name, host] of Object.entries(upstreamHosts))
        upstreams.push(await startDistribution3(folder, name, { on: { machine, host } }));
      const { caFile, certificate, key } = await writeCertificate(folder, machine);
      const gantry = await startGantry(
        {
          REGISTRY_HTTP_ADDR: `${address}:443`,
          REGISTRY_HTTP_TLS_CERTIFICATE: certificate,
          REGISTRY_HTTP_TLS_KEY: key,
          REGISTRY_PROXY: await proxySettings(),
          ...settings,
        },
        undefined,
        [...machine.enter, process.execPath, cli],
      );
      return new Mirror(machine, gantry, caFile, folder, upstreams);
    } catch (error) {
      for (const one of [...upstreams, machine]) await one[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Pushes a new image to an upstream. */
  async push(upstream: UpstreamName, nameAndTag: string): Promise<Pushed> {
    const layout = await mkdtemp(join(this.folder, "layout-"));
    const greeting = uniqueText();
    const digest = await writeImage(layout, [await runnableTar(greeting)]);
    await this.run("crane", ["push", layout, `${upstreamHosts[upstream]}/${nameAndTag}`]);
    return { digest, greeting };
  }

  upstreamHost(upstream: UpstreamName): string {
    return upstreamHosts[upstream];
  }

  async stopUpstreams(): Promise<void> {
    for (const one of this.upstreams.splice(0)) await one[Symbol.asyncDispose]();
  }

  /** Runs a program on the machine, whose Go programs trust the mirror's certificate. */
  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
    return this.machine.run(program, args, {
      ...options,
      env: { SSL_CERT_FILE: this.caFile, HOME: this.folder, DOCKER_CONFIG: this.folder, ...options.env },
    });
  }

  /** Writes a file, and returns its path. */
  async write(path: string, text: string): Promise<string> {
    const file = join(this.folder, path);
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(file, text);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gantry.stop();
    await this.stopUpstreams();
    await this.machine[Symbol.asyncDispose]();
  }
}

async function writeCertificate(folder: string, machine: Machine) {
  const authority = await newAuthority("a private CA");
  const issued = await authority.issue(mirrorHost, { names: [{ type: "dns", value: mirrorHost }] });
  const written = async (name: string, pem: string) => {
    const path = join(folder, name);
    await writeFile(path, pem);
    return path;
  };
  await machine.trust(mirrorHost, authority.pem);
  // podman needs it.
  await written("config.json", "{}");
  return {
    caFile: await written("ca.pem", authority.pem),
    certificate: await written("server.pem", issued.pem),
    key: await written("server.key", issued.keyPem),
  };
}

/** The page's first settings, with the places of the registries. */
async function proxySettings(): Promise<string> {
  const text = await example("Settings", "# settings.yaml\nproxy:\n  upstreams:\n    - name: docker.io\n");
  const { proxy } = parse(text) as { proxy: { upstreams: { name: string }[] } };
  const upstreams = proxy.upstreams.map(({ name }) => ({
    name,
    url: `http://${upstreamHosts[name as UpstreamName] ?? "127.0.0.1:1"}`,
  }));
  return JSON.stringify({ ...proxy, upstreams });
}
