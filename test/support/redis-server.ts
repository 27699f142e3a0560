// A redis-server in memory on a loopback port, which tests stop, freeze, empty and start again on the same port.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "./free-port.js";

export interface RedisServer {
  /** `host:port`. */
  readonly address: string;
  readonly port: number;
  /** Sends one command and returns the reply as the protocol writes it, such as `+OK\r\n`. */
  command(...words: readonly string[]): Promise<string>;
  /** Freezes the process: connections stay open, and no command is answered. */
  pause(): void;
  resume(): void;
  /** Kills the process. All data is lost. */
  kill(): Promise<void>;
  /** Kills the process, if it runs, and starts an empty one on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const startSecondsMax = 10;

/** `options` are arguments of redis-server, such as `--requirepass secret`. */
export async function startRedisServer(...options: readonly string[]): Promise<RedisServer> {
  const port = await freePort();
  const fixed = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  let running: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const child = spawn("redis-server", [...fixed, "--daemonize", "no", ...options], { stdio: "ignore" });
    running = child;
    const failed = once(child, "exit").then(() => {
      throw new Error("redis-server has ended");
    });
    failed.catch(() => {});
    await Promise.race([accepts(port), failed]);
  };

  const kill = async (): Promise<void> => {
    const child = running;
    if (child === undefined) return;
    running = undefined;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };

  await start();
  return {
    address: `127.0.0.1:${port}`,
    port,
    command: (...words) => send(port, words),
    pause: () => void running?.kill("SIGSTOP"),
    resume: () => void running?.kill("SIGCONT"),
    kill,
    restart: async () => {
      await kill();
      await start();
    },
    stop: kill,
  };
}

async function accepts(port: number): Promise<void> {
  const end = Date.now() + startSecondsMax * 1000;
  for (;;) {
    const reply = await send(port, ["PING"]).catch(() => undefined);
    if (reply !== undefined) return;
    if (Date.now() > end) throw new Error("redis-server does not accept connections");
    await pause(20);
  }
}

/** Resolves with the first packet of the reply. */
function send(port: number, words: readonly string[]): Promise<string> {
  const frame = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("");
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1").once("error", reject);
    socket.once("close", () => reject(new Error("redis-server has closed the connection")));
    socket.once("data", (bytes) => {
      resolve(bytes.toString());
      socket.destroy();
    });
    socket.write(`*${words.length}\r\n${frame}`);
  });
}
