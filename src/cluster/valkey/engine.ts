/** The connections of one node to Valkey or Redis: one for commands, one that receives messages. */
import { Redis, type RedisOptions } from "iovalkey";
import { RegistryError } from "../../domain/errors.js";
import { describeError } from "../../lib/describe-error.js";
import { endsWithin } from "../../lib/ends-within.js";
import { EngineRefused, isRefusal } from "./engine-refused.js";
import { script } from "./scripts.js";

export interface EngineOptions {
  readonly host: string;
  readonly port: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly db: number;
  readonly connectMilliseconds: number;
  readonly commandMilliseconds: number;
  readonly tls?: RedisOptions["tls"];
}

const retryMillisecondsMax = 500;
const disconnectMilliseconds = 500;

export type Argument = string | number;

export class Engine {
  readonly #commands: Redis;
  readonly #subscriber: Redis;
  /** Number of commands sent, by kind. */
  readonly sent = new Map<string, number>();

  constructor(
    readonly options: EngineOptions,
    /** Prefix of all keys and channels. */
    readonly prefix: string,
    readonly onError: (error: unknown) => void,
  ) {
    const { host, port, username, password, db, connectMilliseconds, tls } = options;
    const common: RedisOptions = {
      host,
      port,
      db,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls !== undefined && { tls }),
      connectTimeout: connectMilliseconds,
      lazyConnect: true,
      // A command without a connection fails at once; nothing is sent later than its caller expects.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      // A frozen server does not end its side of a connection.
      disconnectTimeout: disconnectMilliseconds,
      retryStrategy: (times) => Math.min(times * 50, retryMillisecondsMax),
    };
    this.#commands = new Redis({ ...common, commandTimeout: options.commandMilliseconds });
    // The client itself leaves a failure to subscribe again unhandled, which would end the process.
    this.#subscriber = new Redis({ ...common, autoResubscribe: false });
    for (const connection of [this.#commands, this.#subscriber])
      connection.on("error", (error: unknown) => onError(withoutCommand(error)));
  }

  /**
   * Rejects if the engine cannot be reached within the time for a connection and a command, with `EngineRefused` if it refuses
   * this node.
   */
  async connect(
    channels: readonly string[],
    onMessage: (channel: string, text: string) => void,
  ): Promise<void> {
    const { prefix } = this;
    const connections = [this.#commands, this.#subscriber];
    this.#subscriber.on("message", (channel, text) => onMessage(channel.slice(prefix.length), text));
    // The client tells why only here, and rejects with "Connection is closed.".
    const reasons: unknown[] = [];
    const note = (reason: unknown) => reasons.push(reason);
    for (const connection of connections) connection.on("error", note);
    const subscribe = () => this.#subscriber.subscribe(...channels.map((channel) => prefix + channel));
    const connecting = async () => {
      await Promise.all(connections.map((connection) => connection.connect()));
      await subscribe();
      // If it fails although the connection lives, no heartbeat is complete, and `reconnect` follows.
      this.#subscriber.on("ready", () => {
        subscribe().catch((error: unknown) => this.onError(withoutCommand(error)));
      });
    };
    const { connectMilliseconds, commandMilliseconds } = this.options;
    try {
      const isConnected = await endsWithin(connectMilliseconds + commandMilliseconds, connecting());
      if (!isConnected) throw new Error("it accepts connections, but does not answer");
      // A database that does not exist is refused, but the client goes on with another one.
      if (reasons.some(isRefusal)) throw reasons.find(isRefusal);
    } catch (error) {
      this.close();
      const refusal = [...reasons, error].find(isRefusal);
      if (refusal !== undefined) throw new EngineRefused("it refuses this node", { cause: refusal });
      throw reasons[0] ?? error;
    } finally {
      for (const connection of connections) connection.off("error", note);
    }
  }

  publish(channel: string, text: string): Promise<unknown> {
    return this.#run("publish", () => this.#commands.publish(this.prefix + channel, text));
  }

  get(key: string): Promise<string | null> {
    return this.#run("get", () => this.#commands.get(this.prefix + key));
  }

  /** Resolves with a field of a hash. */
  field(key: string, name: string): Promise<string | null> {
    return this.#run("hget", () => this.#commands.hget(this.prefix + key, name));
  }

  /** Stores a value that the engine drops after `milliseconds`. */
  put(key: string, value: string, milliseconds: number): Promise<unknown> {
    return this.#run("set", () => this.#commands.set(this.prefix + key, value, "PX", milliseconds));
  }

  /** Resolves with the value, and removes it. */
  take(key: string): Promise<string | null> {
    return this.#run("getdel", () => this.#commands.getdel(this.prefix + key));
  }

  /** Rejects with `EngineRefused` if the engine may drop entries that nodes rely on. */
  async checkMemory(): Promise<void> {
    const info = await this.info();
    const policy = info.get("maxmemory_policy");
    if (info.get("maxmemory") !== "0" && policy !== undefined && policy !== "noeviction")
      throw new EngineRefused(
        `it drops entries when its memory is full (maxmemory-policy ${policy}): set noeviction`,
      );
  }

  /** Runs a script of `scripts.ts` on these keys. */
  async script(
    name: keyof typeof script,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown> {
    const { sha, source } = script[name];
    const all = [...keys.map((key) => this.prefix + key), ...args];
    try {
      return await this.#run(name, () => this.#commands.evalsha(sha, keys.length, ...all));
    } catch (error) {
      // Only an engine that was restarted does not have it.
      if (!describeError(error).includes("NOSCRIPT")) throw error;
      return this.#run(name, () => this.#commands.eval(source, keys.length, ...all));
    }
  }

  /** Resolves with what the server tells about itself, by name. */
  async info(): Promise<ReadonlyMap<string, string>> {
    const text = await this.#run("info", () => this.#commands.info());
    const lines = text.split("\r\n").map((line) => line.split(":", 2));
    return new Map(lines.map(([name = "", value = ""]) => [name, value]));
  }

  /** Drops connections on which nothing is answered any more, and with them all waiting commands. */
  reconnect(): void {
    // `connect`: the other side has accepted it, and has not answered yet.
    for (const connection of [this.#commands, this.#subscriber])
      if (connection.status === "ready" || connection.status === "connect") connection.disconnect(true);
  }

  close(): void {
    for (const connection of [this.#commands, this.#subscriber]) connection.disconnect(false);
  }

  async #run<T>(kind: string, command: () => Promise<T>): Promise<T> {
    this.sent.set(kind, (this.sent.get(kind) ?? 0) + 1);
    return command();
  }
}

/** The client adds the failed command and received bytes to its errors. A login has the password in it. */
function withoutCommand(error: unknown): unknown {
  if (error instanceof Error) for (const name of ["command", "buffer"]) Reflect.deleteProperty(error, name);
  return error;
}

export function unavailable(message: string, cause?: unknown): RegistryError {
  return new RegistryError("cluster-unavailable", message, undefined, { cause });
}
