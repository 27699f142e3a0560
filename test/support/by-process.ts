// One loopback port that leads each process elsewhere: nodes that must have the same address of a server, although each has
// its own relay to it. Linux tells to which process a connection belongs.

import { readdir, readFile, readlink } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { reset } from "./reset.js";

export interface Way {
  /** The process whose connections take this way, while it runs. */
  readonly pid: () => number | undefined;
  readonly port: number;
}

export interface ByProcess extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** Connections of processes that have a way. Others are reset. */
  readonly ways: Way[];
  stop(): Promise<void>;
}

export async function startByProcess(): Promise<ByProcess> {
  const ways: Way[] = [];
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
    open.add(client);
    client.once("close", () => open.delete(client));
    client.on("error", () => {});
    void wayOf(client.remotePort ?? 0, ways)
      .catch(() => undefined)
      .then((port) => lead(client, port));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const client of open) client.destroy();
    await closed;
  };
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, ways, stop, [Symbol.asyncDispose]: stop };
}

function lead(client: Socket, port: number | undefined): void {
  if (port === undefined || client.destroyed) {
    reset(client);
    return;
  }
  const target = connect({ port, host: "127.0.0.1", noDelay: true });
  target.on("error", () => reset(client));
  target.once("close", () => client.destroy());
  client.once("close", () => target.destroy());
  client.pipe(target).pipe(client);
  client.resume();
}

async function wayOf(clientPort: number, ways: readonly Way[]): Promise<number | undefined> {
  const socket = await socketOf(clientPort);
  for (const { pid, port } of ways) {
    const process = pid();
    if (process !== undefined && socket !== undefined && (await has(process, socket))) return port;
  }
  return undefined;
}

/** Returns the name under which the descriptors of a process show the connection from this port. */
async function socketOf(clientPort: number): Promise<string | undefined> {
  const local = `0100007F:${clientPort.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = (await readFile("/proc/net/tcp", "utf8")).split("\n").map((line) => line.trim().split(/\s+/));
  const inode = lines.find((fields) => fields[1] === local)?.[9];
  return inode === undefined ? undefined : `socket:[${inode}]`;
}

async function has(pid: number, socket: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => "")));
  return links.includes(socket);
}
