/**
 * Where clients find a mirror, and the settings for it of docs/mirror.md: on a machine with a network of its own (`Mirror`), or
 * on this one (`besides`). No client gets past the mirror to the registries that it stands for.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exampleOf } from "../documents/page.js";
import { type RunOptions, run } from "./support.js";

export const page = "docs/mirror.md";
export const mirrorHost = "mirror.example.com";

export interface Place {
  /** As in the settings of clients: "https://mirror.example.com". */
  readonly url: string;
  /** The CA of the mirror's certificate, unless it is reached by plain HTTP. */
  readonly caFile: string | undefined;
  /** The clients keep their files here. */
  readonly folder: string;
  /** The prefix that runs a command there. */
  readonly enter: readonly [program: string, ...parameters: string[]];
  /** Runs a program there to its end. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<string>;
}

/** Nothing listens there, so requests to other hosts fail at once. The loopback address needs no proxy. */
const nowhere = "http://127.0.0.1:1";

/** A place on this machine, for a mirror on its loopback address. */
export async function besides(folder: string, { url }: { readonly url: string }): Promise<Place> {
  // podman needs it.
  await writeFile(join(folder, "config.json"), "{}");
  const variables = { HTTPS_PROXY: nowhere, HOME: folder, DOCKER_CONFIG: folder };
  return {
    ...{ url, folder, caFile: undefined },
    enter: ["env", `HTTPS_PROXY=${nowhere}`],
    run: (program, args, options = {}) =>
      run(program, args, { ...options, env: { ...variables, ...options.env } }),
  };
}

export function hostOf({ url }: Place): string {
  return new URL(url).host;
}

/** Returns an example of the page. */
export function example(heading: string, first: string): Promise<string> {
  return exampleOf(page, heading, first);
}

/** Returns an example for clients, with the address of this mirror. */
export async function settingsFor(place: Place, first: string): Promise<string> {
  const text = await example("Clients", first);
  return text.replaceAll(`https://${mirrorHost}`, place.url).replaceAll(mirrorHost, hostOf(place));
}

/** Writes a file of a client, and returns its path. */
export async function write({ folder }: Place, path: string, text: string | Buffer): Promise<string> {
  const file = join(folder, path);
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, text);
  return file;
}
