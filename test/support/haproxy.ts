// HAProxy in front of several registries: each request goes to a random one, whatever its connection did before.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { needs } from "../clients/support.js";
import { Daemon } from "./daemon.js";
import { freePort } from "./free-port.js";

/** For a test's `skip`. */
export const needsHaproxy = needs("haproxy");

export interface Balancer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly pid: number | undefined;
  /** Ends the process with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** `nodes` are ports of the loopback interface. They need not listen yet: a node counts as down while it does not. */
export async function startHaproxy(nodes: readonly number[]): Promise<Balancer> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-haproxy-"));
  const port = await freePort();
  const file = join(folder, "haproxy.cfg");
  await writeFile(file, configFor(port, nodes));
  const daemon = new Daemon({
    program: "haproxy",
    args: ["-db", "-q", "-f", file],
    probe: () => accepts(port),
  });
  const stop = async (): Promise<void> => {
    await daemon.kill();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await daemon.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `http://127.0.0.1:${port}`,
    host: `127.0.0.1:${port}`,
    get pid() {
      return daemon.pid;
    },
    kill: () => daemon.kill(),
    start: () => daemon.start(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * A request that found no connection is sent to another node; one that a node may have begun is not repeated. Checks are
 * frequent, so that a node that was started again takes part at once.
 */
function configFor(port: number, nodes: readonly number[]): string {
  const servers = nodes.map((node, place) => `  server node-${place + 1} 127.0.0.1:${node}`);
  return `
global
  maxconn 2000
  nbthread 1

defaults
  mode http
  timeout connect 2s
  timeout client 120s
  timeout server 120s
  option http-server-close
  http-reuse never
  retries 3
  option redispatch 1
  retry-on conn-failure

frontend registry
  bind 127.0.0.1:${port}
  http-request set-header X-Forwarded-For %[src]
  default_backend nodes

backend nodes
  balance random(1)
  option httpchk
  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host registry
  default-server check inter 200ms fastinter 100ms downinter 100ms rise 1 fall 2 observe layer4 error-limit 1 on-error mark-down
${servers.join("\n")}
`;
}

function accepts(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1").once("error", reject);
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
  });
}
