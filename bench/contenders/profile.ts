/** What each kind of contender tells of itself and how it is started. Knows none of them. */
import { connect } from "node:net";
import { type RunningProcess, waitUntil } from "../processes.js";

/** What a registry needs to speak HTTPS. */
export interface ServerTls {
  /** PEM files. */
  readonly certificate: string;
  readonly key: string;
}

/** What there is for a contender before it starts. */
export interface Place {
  readonly program: string;
  /** For its configuration. */
  readonly folder: string;
  /** Where it stores blobs, or, for nginx, the files it serves. */
  readonly dataFolder: string;
  readonly tls: ServerTls | undefined;
  /** Settings of Gantry beyond the profile's own, by the names of its environment variables. */
  readonly settings: Readonly<Record<string, string>>;
  /** Where Gantry leaves CPU profiles when it ends; it makes none without. */
  readonly profileFolder: string | undefined;
}

export interface Started {
  readonly running: RunningProcess;
  readonly port: number;
}

export interface Profile {
  /** What is looked for in GANTRY_TOOLS and the search path; undefined for what Node itself runs. */
  readonly program: string | undefined;
  /** What it has on stable storage when it answers a push. */
  readonly durability: string;
  /** How it is set, where that is not its default. */
  readonly configuration: string;
  /** In the program's own words. */
  version(program: string): Promise<string>;
  /** Resolves when it answers. */
  start(place: Place): Promise<Started>;
}

/** A contender that never becomes ready must not stay behind. */
export async function whenReady(
  running: RunningProcess,
  probe: () => Promise<number | undefined>,
): Promise<Started> {
  try {
    return { running, port: await waitUntil(running, probe) };
  } catch (error) {
    await running[Symbol.asyncDispose]();
    throw error;
  }
}

/** For programs that cannot choose a port and tell. */
export async function answering(port: number): Promise<number | undefined> {
  return await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(port)).once("error", () => resolve(undefined));
    socket.once("connect", () => socket.destroy());
  });
}

/** The port that a server of this project has printed, which was told to choose one itself. */
export function printedPort(running: RunningProcess): () => Promise<number | undefined> {
  return async () => {
    const port = /ready on https?:\/\/127\.0\.0\.1:(\d+)/.exec(running.output())?.[1];
    return port === undefined ? undefined : Number(port);
  };
}
