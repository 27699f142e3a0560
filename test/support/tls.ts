// An HTTPS server with a certificate of a CA created for the test, in files that the test can change.

import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { SecureContextOptions } from "node:tls";
import { type Issued, issueCertificate } from "./certificates.js";
import { Client } from "./client.js";
import type { GantrySettings, RunningGantry } from "./gantry.js";

/** The start of a PROXY header of version 2 for TCP over IPv6, followed by 36 bytes of addresses and ports. */
export const proxyHead = Buffer.from("0d0a0d0a000d0a515549540a21210024", "hex");

export interface Authority {
  readonly pem: string;
  issue(name: string, options?: Omit<Parameters<typeof issueCertificate>[0], "name" | "by">): Promise<Issued>;
}

export async function newAuthority(name: string): Promise<Authority> {
  const by = await issueCertificate({ name, authority: true });
  return {
    pem: by.pem,
    issue: (holder, options = {}) => issueCertificate({ name: holder, by, ...options }),
  };
}

export class CertificateFiles {
  constructor(readonly folder: string) {}

  get settings(): GantrySettings {
    return {
      REGISTRY_HTTP_TLS_CERTIFICATE: join(this.folder, "server.pem"),
      REGISTRY_HTTP_TLS_KEY: join(this.folder, "server.key"),
      // The folder of the server's own socket.
      TMPDIR: this.folder,
    };
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }

  /** Replaces the files, the key last, like ACME clients. */
  async replace({ pem, keyPem }: Pick<Issued, "pem" | "keyPem">): Promise<void> {
    await this.write("server.pem", pem);
    await this.write("server.key", keyPem);
  }

  /** The file's path. */
  async write(name: string, text: string): Promise<string> {
    const path = join(this.folder, name);
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
    return path;
  }
}

async function makeCertificateFiles(): Promise<CertificateFiles> {
  return new CertificateFiles(await mkdtemp(join(tmpdir(), "gantry-tls-test-")));
}

/** A folder for all tests of the file, removed after them. */
export async function newCertificateFiles(): Promise<CertificateFiles> {
  const files = await makeCertificateFiles();
  after(() => files.remove());
  return files;
}

export interface TlsServer<Server extends RunningGantry> {
  readonly gantry: Server;
  readonly authority: Authority;
  readonly files: CertificateFiles;
  /** A client that trusts the server's CA, and presents a certificate if one is given. */
  client(tls?: SecureContextOptions): Client;
}

/** A server for all tests of the file, started by `start` and stopped after them. Call it before the file's first test. */
export async function serveTls<Server extends RunningGantry>(
  start: (settings: GantrySettings) => Promise<Server>,
  settings: GantrySettings = {},
): Promise<TlsServer<Server>> {
  const authority = await newAuthority("the server's CA");
  const files = await makeCertificateFiles();
  await files.replace(await authority.issue("registry", { addresses: ["127.0.0.1"] }));
  const gantry = await start({ ...files.settings, ...settings });
  after(async () => {
    await gantry.stop();
    // Until then, its processes may create sockets there.
    await files.remove();
  });
  const client = (tls: SecureContextOptions = {}) =>
    new Client(gantry.url, undefined, { ca: authority.pem, ...tls });
  return { gantry, authority, files, client };
}
