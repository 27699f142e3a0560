// A TCP relay on a loopback port in front of a server, which adds latency, cuts connections, refuses them, or goes silent:
// what a network does between two machines. Knows no protocol.

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { reset } from "./reset.js";

/**
 * `pass`: bytes pass. `refuse`: connections end with a reset, and new ones are refused. `hang`: connections are accepted and
 * kept, and no byte passes.
 */
export type RelayMode = "pass" | "refuse" | "hang";

export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly mode: RelayMode;
  /** Open connections. */
  readonly connections: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Changes what happens to present and new connections. */
  set(mode: RelayMode): Promise<void>;
  /** Resets all connections. New ones are not affected. */
  cut(): void;
  /** Adds this time to each round trip, half of it in each direction. Opening a connection takes no longer. */
  delay(roundTripMilliseconds: number): void;
  stop(): Promise<void>;
}

/** Bytes that wait in each direction of a connection: at 20 ms for a round trip, they allow 400 MB/s. */
const delayedBytesMax = 4 * 1024 * 1024;

const connectionsMax = 4096;

export async function startRelay(target: number, roundTripMilliseconds = 0): Promise<Relay> {
  let mode: RelayMode = "pass";
  let halfTrip = roundTripMilliseconds / 2;
  let accepted = 0;
  const pairs = new Set<Pair>();
  const onConnection = (client: Socket): void => {
    accepted += 1;
    const pair = new Pair(client, target, () => halfTrip);
    pairs.add(pair);
    pair.onEnd = () => pairs.delete(pair);
    if (mode === "hang") pair.hold();
  };
  let server = await listen(0, onConnection);
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const pair of [...pairs]) pair.reset();
  };
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    cut();
    await closed;
  };
  return {
    port,
    address: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}`,
    get mode() {
      return mode;
    },
    get connections() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    async set(next) {
      mode = next;
      if (next === "refuse") return close();
      if (!server.listening) server = await listen(port, onConnection);
      for (const pair of pairs) next === "hang" ? pair.hold() : pair.release();
    },
    cut,
    delay(milliseconds) {
      halfTrip = milliseconds / 2;
    },
    stop: close,
    [Symbol.asyncDispose]: close,
  };
}

function listen(port: number, onConnection: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection).once("error", reject);
    server.maxConnections = connectionsMax;
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

/** A connection of a client, and the one to the server that belongs to it. */
class Pair {
  onEnd: () => void = () => {};
  readonly #server: Socket;
  readonly #directions: readonly Direction[];

  constructor(
    readonly client: Socket,
    target: number,
    delay: () => number,
  ) {
    this.#server = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    this.#directions = [
      new Direction(client, this.#server, delay),
      new Direction(this.#server, client, delay),
    ];
    for (const socket of [client, this.#server]) {
      socket.on("error", () => this.reset());
      socket.once("close", () => {
        if (client.destroyed && this.#server.destroyed) this.onEnd();
      });
    }
  }

  hold(): void {
    for (const direction of this.#directions) direction.hold();
  }

  release(): void {
    for (const direction of this.#directions) direction.release();
  }

  reset(): void {
    for (const direction of this.#directions) direction.end();
    for (const socket of [this.client, this.#server]) reset(socket);
  }
}

interface Delayed {
  readonly due: number;
  /** Absent for the end of the stream. */
  readonly bytes?: Buffer;
}

/** Passes bytes on in their order, each after the delay that holds when they arrive. */
class Direction {
  readonly #queue: Delayed[] = [];
  #queuedBytes = 0;
  #held = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly from: Socket,
    readonly to: Socket,
    readonly delay: () => number,
  ) {
    from.on("data", (bytes: Buffer) => this.#add({ due: performance.now() + delay(), bytes }));
    from.once("end", () => this.#add({ due: performance.now() + delay() }));
    to.on("drain", () => this.#flow());
  }

  hold(): void {
    this.#held = true;
    this.#flow();
  }

  release(): void {
    this.#held = false;
    this.#pass();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  #add(entry: Delayed): void {
    this.#queue.push(entry);
    this.#queuedBytes += entry.bytes?.length ?? 0;
    this.#pass();
  }

  #pass(): void {
    clearTimeout(this.#timer);
    for (;;) {
      const [next] = this.#queue;
      if (next === undefined || this.#held || this.to.destroyed) break;
      const wait = next.due - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#pass(), Math.ceil(wait));
        break;
      }
      this.#queue.shift();
      this.#queuedBytes -= next.bytes?.length ?? 0;
      if (next.bytes === undefined) this.to.end();
      else this.to.write(next.bytes);
    }
    this.#flow();
  }

  /** Reads no more than fits in the queue and in the other socket's buffer. */
  #flow(): void {
    const full = this.#held || this.#queuedBytes > delayedBytesMax || this.to.writableNeedDrain;
    if (full) this.from.pause();
    else this.from.resume();
  }
}
