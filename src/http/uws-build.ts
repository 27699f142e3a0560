/**
 * Identifies the build of uWebSockets.js that this process loads, and its known defects. The package has one binary for each
 * system and Node ABI, from different releases (deploy/bill/uwebsockets.json), so a server's defects depend on its Node
 * version. Nothing here loads the binary.
 */
import { versionOf } from "../lib/package-version.js";

interface KnownBuild {
  /** The release of uNetworking/uWebSockets.js, as far as known. */
  readonly release: string;
  /** Upstream's commit. The package's `source_commit` is older than its binaries for Node 22 and later. */
  readonly commit?: string;
  /** A defect that clients notice. */
  readonly defect?: string;
  /** A defect that Gantry works around. */
  readonly handled?: string;
  /** Whether an app can pass the connections that it accepts to another app, so that a certificate can change. */
  readonly passesConnections: boolean;
  /** Whether a response has the port of its client. */
  readonly reportsPorts: boolean;
}

const older: KnownBuild = {
  release: "about v20.43",
  commit: "b8704be92ff2b16c6dd44cc2b334158ab73eef2a",
  defect: "answers 505 to a request over plain HTTP whose first line arrives in two packets",
  passesConnections: false,
  reportsPorts: false,
};

const newer: KnownBuild = {
  release: "v20.61 to v20.64",
  handled: "a paused socket is read on while each read fills its buffer (docs/decisions/0042)",
  passesConnections: true,
  reportsPorts: true,
};

/** By `process.versions.modules`: Node 20, 21, 22, 24 and 25. */
const knownBuilds: Readonly<Record<string, KnownBuild>> = {
  "115": older,
  "120": older,
  "127": newer,
  "137": newer,
  "141": newer,
};

export interface UwsBuild extends KnownBuild {
  /** The version of the npm package. */
  readonly package: string;
  /** The file in it, without extension. */
  readonly build: string;
}

/** Throws if the package has no binary for this Node. uWebSockets.js' own error names versions on which Gantry does not run. */
export function uwsBuild(abi = process.versions.modules): UwsBuild {
  const known = knownBuilds[abi];
  if (known === undefined)
    throw new Error(
      `uWebSockets.js has no binary for this version of Node (ABI ${abi}): run Gantry with Node 24`,
    );
  return {
    package: versionOf("uWebSockets.js/package.json"),
    build: `uws_${process.platform}_${process.arch}_${abi}`,
    ...known,
  };
}

/** The part of the server's log used here. */
export interface RuntimeLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Logs the runtime versions, and warns once about a defect that another version of Node does not have. */
export function logRuntime(log: RuntimeLog, uWebSockets = uwsBuild()): void {
  const node = process.versions.node;
  log.info({ node, uWebSockets }, `running on Node ${node} with uWebSockets.js ${uWebSockets.release}`);
  const { build, defect } = uWebSockets;
  if (defect !== undefined)
    log.warn(
      { build },
      `use Node 24 (it needs glibc 2.38, as in Debian 13): the uWebSockets.js of this version of Node ${defect}, and ` +
        "Node 20 has had no security fixes since April 2026",
    );
}
