/** The description of each kind of contender and how it starts. Knows none of them. */
import { connect } from "node:net";
import { type RunningProcess, waitUntil } from "../processes.js";

/** A registry's files for HTTPS. */
export interface ServerTls {
  /** PEM files. */
  readonly certificate: string;
  readonly key: string;
}

/** The resources of a contender before it starts. */
export interface Place {
  readonly program: string;
  /** For its configuration. */
  readonly folder: string;
  /** Folder of its blobs or, for nginx, of the files it serves. */
  readonly dataFolder: string;
  readonly tls: ServerTls | undefined;
  /** Gantry's settings in addition to the profile's own, by environment variable. */
  readonly settings: Readonly<Record<string, string>>;
  /** Folder of Gantry's CPU profiles; without it there are none. */
  readonly profileFolder: string | undefined;
}

/** A server process that answers requests. */
export interface StartedNode {
  readonly running: RunningProcess;
  readonly port: number;
}

/** What the servers behind a contender have done for it since they started. */
export interface BehindCounts {
  /** Requests that the S3 server has answered. */
  readonly storeRequests: number;
  /** Messages that the engine has received from the nodes: commands, and answers of nodes to each other. */
  readonly engineMessages: number;
  /** CPU seconds of the engine. */
  readonly engineCpuSeconds: number;
}

export interface Started extends StartedNode {
  /** Further nodes over the same store. They end with it. */
  readonly others?: readonly StartedNode[];
  /** Present if the servers behind it count. */
  readonly counts?: () => Promise<BehindCounts>;
}

export interface Profile {
  /** The program, looked up in GANTRY_TOOLS and the search path; undefined for Node itself. */
  readonly program: string | undefined;
  /** Further programs that it needs, looked up there too. */
  readonly needs?: readonly string[];
  /** Its durable state when it responds to a push. */
  readonly durability: string;
  /** Its non-default settings. */
  readonly configuration: string;
  /** In the program's own words. */
  version(program: string): Promise<string>;
  /** Resolves when it responds. */
  start(place: Place): Promise<Started>;
}

/** A contender that never becomes ready must not remain. */
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

/** For programs that cannot choose and report a port. */
export async function answering(port: number): Promise<number | undefined> {
  return await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(port)).once("error", () => resolve(undefined));
    socket.once("connect", () => socket.destroy());
  });
}

/** The port printed by a server of this project, which chose it itself. */
export function printedPort(running: RunningProcess): () => Promise<number | undefined> {
  return async () => {
    const port = /ready on https?:\/\/127\.0\.0\.1:(\d+)/.exec(running.output())?.[1];
    return port === undefined ? undefined : Number(port);
  };
}
