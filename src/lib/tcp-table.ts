/**
 * Linux's table of TCP connections, `/proc/net/tcp` and `tcp6`: how many are open to a local port, by the address at
 * their other end. A line begins with its number, the local and the remote address as `HEX:PORT`, and the state.
 */
import { addressText } from "./address-text.js";

/** ESTABLISHED, and CLOSE_WAIT: the others have no descriptor. */
const openStates: ReadonlySet<string> = new Set(["01", "08"]);

export class TcpTable {
  readonly #port: string;
  /** By the address as the table has it. */
  readonly #counts = new Map<string, number>();
  #rest = "";

  constructor(port: number) {
    this.#port = port.toString(16).toUpperCase().padStart(4, "0");
  }

  /** Takes the next piece of the table. */
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

  /** By address. */
  *counts(): Iterable<readonly [address: string, count: number]> {
    for (const [address, count] of this.#counts) yield [addressText(bytesOf(address)), count];
  }
}

/** Each four bytes are a number as this machine has it in memory, which is little-endian wherever Node 20 runs. */
function bytesOf(hex: string): Uint8Array {
  const bytes = Buffer.from(hex, "hex");
  if (bytes.length % 4 === 0) bytes.swap32();
  return bytes;
}
