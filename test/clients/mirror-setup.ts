/**
 * A mirror with the settings of docs/mirror.md, on a machine with a network of its own: `mirror.example.com` over TLS, and CNCF
 * distribution 3 in place of Docker Hub and ghcr.io, which no traffic can reach.
 */
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { cli } from "../support/cli.js";
import { type Gantry, startGantry } from "../support/gantry.js";
import { newAuthority } from "../support/tls.js";
import { startDistribution3 } from "./distribution-3.js";
import { runnableTar, uniqueText, writeImage } from "./images.js";
import { address, type Machine, needsMachine, startMachine } from "./machine.js";
import { example, mirrorHost, type Place } from "./mirror-place.js";
import { type RunOptions, temporaryFolder } from "./support.js";

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

export class Mirror implements Place, AsyncDisposable {
  readonly url = `https://${mirrorHost}`;

  private constructor(
    readonly machine: Machine,
    readonly gantry: Gantry,
    /** The CA of the mirror's certificate. */
    readonly caFile: string,
    readonly folder: string,
    private readonly upstreams: AsyncDisposable[],
    private readonly owned: readonly AsyncDisposable[],
  ) {}

  /** `settings` are further ones of Gantry. Removes its folder at its end. */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<Mirror> {
    const upstreams: AsyncDisposable[] = [];
    const owned: AsyncDisposable[] = [];
    try {
      const { path: folder } = kept(owned, await temporaryFolder());
      const machine = kept(owned, await startMachine(folder, [mirrorHost]));
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
      return new Mirror(machine, gantry, caFile, folder, upstreams, owned);
    } catch (error) {
      for (const one of [...upstreams, ...owned.reverse()]) await one[Symbol.asyncDispose]();
      throw error;
    }
  }

  get enter(): Machine["enter"] {
    return this.machine.enter;
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gantry.stop();
    await this.stopUpstreams();
    for (const one of [...this.owned].reverse()) await one[Symbol.asyncDispose]();
  }
}

function kept<T extends AsyncDisposable>(list: AsyncDisposable[], one: T): T {
  list.push(one);
  return one;
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
