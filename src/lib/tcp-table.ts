/**
 * Parses Linux's table of TCP connections (`/proc/net/tcp` and `tcp6`) and counts the open connections to a local port by
 * remote address. A line begins with its number, the local and the remote address as `HEX:PORT`, and the state.
 */
import { addressText } from "./address-text.js";

/** ESTABLISHED and CLOSE_WAIT. Connections in other states hold no descriptor. */
const openStates: ReadonlySet<string> = new Set(["01", "08"]);

export class TcpTable {
  readonly #port: string;
  /** By address in the table's own notation. */
  readonly #counts = new Map<string, number>();
  #rest = "";

  constructor(port: number) {
    this.#port = port.toString(16).toUpperCase().padStart(4, "0");
  }

  /** Parses the next piece of the table. */
  add(piece: string): void {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    const [, local = "", remote = "", state = "", , , , , , inode] = line.trim().split(/ +/);
    if (!openStates.has(state) || inode === "0" || !local.endsWith(`:${this.#port}`)) return;
    const address = remote.slice(0, remote.indexOf(":"));
    this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1);
  }

  /** Returns the counts by address. */
  *counts(): Iterable<readonly [address: string, count: number]> {
    for (const [address, count] of this.#counts) yield [addressText(bytesOf(address)), count];
  }
}

/** Every four bytes are a number in host byte order, which is little-endian on every platform of Node 20. */
function bytesOf(hex: string): Uint8Array {
  const bytes = Buffer.from(hex, "hex");
  if (bytes.length % 4 === 0) bytes.swap32();
  return bytes;
}
