/**
 * The first process of a server: starts the others, replaces one that dies, and stops them. It has the store open, and serves
 * the cluster port over a Unix socket to each of them (docs/decisions/0058).
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { z } from "zod";
import type { NodeName } from "../../cluster/cluster.js";
import { digitsOf } from "../../cluster/node-name.js";
import { type ConnectedNode, Hub } from "../../cluster/socket/hub.js";
import { Gone } from "../../cluster/socket/link.js";
import { hubCluster, newNodeName } from "../../cluster/socket/open.js";
import type { StandardStreams } from "../../observe/standard-streams.js";
import { failuresOf } from "../../registry/health.js";
import { Calls } from "./calls.js";
import { forwardLines } from "./forward-lines.js";
import { groupOf, type ProcessGroup } from "./group.js";
import type { Welcome } from "./protocol.js";

const entry = fileURLToPath(new URL("../../gantry.cjs", import.meta.url));

/** The pause before a process that died is replaced. It doubles while replacements die soon. */
const pauseMillisecondsMin = 100;
const pauseMillisecondsMax = 30_000;
const soonMilliseconds = 60_000;

/** Others may go on with an upload of a process that has ended, until they find that it has no record. */
const cleanUpMilliseconds = 60_000;

/** A process that leaves a question unanswered for so long makes the server not ready, because some clients are connected to it. */
const askEverySeconds = 5;
/** A process that does not answer for so long hangs, and is ended. */
const answerSecondsMax = 30;

/** The others need some hundred milliseconds. */
const startMillisecondsMax = 30_000;

/** After `http.draintimeout`, for saving and closing. */
const stopMillisecondsMax = 20_000;

export interface FirstOptions {
  readonly count: number;
  readonly log: Logger;
  readonly streams: StandardStreams;
  /** Returns the arguments of a process. */
  readonly args: (number: number, digits: string) => readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly onError: (error: unknown) => void;
  /** What the other processes run, instead of Gantry: for tests. */
  readonly program?: string;
}

/** A process that was started, until it has ended. */
interface Started {
  readonly child: ChildProcess;
  readonly name: NodeName;
  readonly startedAt: number;
  hasLeft: boolean;
  node: ConnectedNode | undefined;
  /** Since the oldest unanswered question, in rounds. */
  silentSeconds: number;
}

export class FirstProcess {
  readonly hub: Hub;
  readonly group: ProcessGroup;
  readonly name: NodeName;
  readonly #calls: Calls;
  readonly #running = new Map<number, Started>();
  readonly #ended = new Set<Promise<void>>();
  readonly #failures = new Map<number, number>();
  #welcome: Omit<Welcome, "number"> | undefined;
  #isStopping = false;
  #onReady: (() => void) | undefined;
  #ready = 1;
  readonly #asking: NodeJS.Timeout;

  constructor(
    readonly options: FirstOptions,
    /** The descriptor of the store's lock, which each process keeps open. */
    readonly lockDescriptor: () => number | undefined,
  ) {
    const { count, onError } = options;
    this.hub = new Hub(onError);
    this.name = newNodeName();
    const peer = this.hub.own(this.name);
    this.#calls = new Calls(peer);
    this.group = groupOf({
      number: 1,
      count,
      peer,
      calls: this.#calls,
      sent: () => this.hub.sent,
      tellFirst: () => {},
      askFirst: () => Promise.reject(new Error("invariant broken: this is the first process")),
      open: async (leaseSeconds) => hubCluster(this.hub, peer, { leaseSeconds, onError }),
    });
    this.#calls.answer("ready", (number) => {
      this.group.health.began(z.number().parse(number));
      this.#ready++;
      if (this.#ready >= count) this.#onReady?.();
      return null;
    });
    this.#asking = setInterval(() => this.#askAll(), askEverySeconds * 1000).unref();
  }

  /** Starts the other processes. Resolves when all listen, or after some time. */
  async start(welcome: Omit<Welcome, "number">): Promise<void> {
    const { count, log } = this.options;
    this.#welcome = welcome;
    const ready = new Promise<boolean>((resolve) => {
      this.#onReady = () => resolve(true);
      setTimeout(() => resolve(false), startMillisecondsMax).unref();
    });
    for (let number = 2; number <= count; number++) this.#start(number);
    process.on("SIGHUP", this.#onHangUp);
    if (!(await ready)) log.error("some processes of http.processes are not ready; the others serve");
  }

  #start(number: number): void {
    if (this.#isStopping) return;
    try {
      this.#spawn(number);
    } catch (error) {
      // Without memory, for example. With no descriptor left, the child reports it.
      this.options.onError(error);
      this.#startLater(number, 0);
    }
  }

  #spawn(number: number): void {
    const { args, env, program = entry } = this.options;
    const name = newNodeName();
    const lock = this.lockDescriptor();
    const child = spawn(process.execPath, [...process.execArgv, program, ...args(number, digitsOf(name))], {
      env,
      stdio: ["ignore", "pipe", "pipe", "pipe", ...(lock === undefined ? [] : [lock])],
    });
    const started: Started = {
      child,
      name,
      startedAt: performance.now(),
      hasLeft: false,
      node: undefined,
      silentSeconds: 0,
    };
    this.#running.set(number, started);
    const ended = new Promise<void>((resolve) => {
      child.once("error", (error) => {
        this.options.onError(error);
        resolve();
      });
      child.once("close", () => resolve());
    }).then(() => this.#onEnded(number, started));
    this.#ended.add(ended);
    void ended.finally(() => this.#ended.delete(ended));
    const { streams, onError } = this.options;
    // A child that could not be started has none of its streams.
    const { stdout, stderr, stdio } = child as Partial<ChildProcess>;
    if (stdout) forwardLines(stdout, streams.writer("output"));
    if (stderr) forwardLines(stderr, streams.writer("error"));
    const stream = stdio?.[3] as Duplex | null | undefined;
    if (!stream || this.#welcome === undefined) return;
    started.node = this.hub.connect(name, stream, () => started.hasLeft);
    started.node.call("welcome", { ...this.#welcome, number }).catch((error: unknown) => {
      // Its end is reported elsewhere.
      if (!(error instanceof Gone)) onError(error);
    });
  }

  #onEnded(number: number, { child, name, startedAt }: Started): void {
    this.#running.delete(number);
    if (this.#isStopping) return;
    this.group.limits.end(number);
    this.group.health.ended(number);
    setTimeout(() => {
      this.group.cleanUp(digitsOf(name)).catch(this.options.onError);
    }, cleanUpMilliseconds).unref();
    const milliseconds = this.#startLater(number, performance.now() - startedAt);
    const { exitCode: code, signalCode: signal, pid } = child;
    this.options.log.error(
      { ended: number, pid, code, signal, milliseconds },
      pid === undefined
        ? "a process of the server could not be started; another attempt follows"
        : "a process of the server has ended, with its connections; it is replaced",
    );
  }

  /** Replaces a process that has lived for some milliseconds. Returns the pause before. */
  #startLater(number: number, lived: number): number {
    const failures = lived < soonMilliseconds ? (this.#failures.get(number) ?? 0) + 1 : 0;
    this.#failures.set(number, failures);
    const pause = Math.min(pauseMillisecondsMax, pauseMillisecondsMin * 2 ** failures);
    setTimeout(() => this.#start(number), pause);
    return pause;
  }

  /** Asks each process, unless it still owes an answer. Ends those that are silent for `answerSecondsMax`. */
  #askAll(): void {
    for (const [number, started] of this.#running) {
      const { child, node, silentSeconds } = started;
      if (node === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      // Rounds are counted, not the time: after a pause of the whole machine, all processes still get theirs.
      started.silentSeconds += askEverySeconds;
      if (silentSeconds === answerSecondsMax) {
        this.options.log.error({ ended: number }, "a process of the server does not answer, and is ended");
        child.kill("SIGKILL");
      } else if (silentSeconds > 0) {
        this.group.health.silent(number, failuresOf(["processes"]));
      } else {
        const onAnswer = () => {
          started.silentSeconds = 0;
          this.group.health.answered(number);
        };
        node.call("answer", null).then(onAnswer, onAnswer);
      }
    }
  }

  /** A process that is starting has no listener yet. */
  readonly #onHangUp = () => {
    for (const { child, node } of this.#running.values()) if (node !== undefined) child.kill("SIGHUP");
  };

  #signal(signal: NodeJS.Signals): void {
    for (const { child } of this.#running.values()) child.kill(signal);
  }

  /** Makes the others stop listening and finish their requests. Returns at once. */
  beginStop(): void {
    this.#isStopping = true;
    clearInterval(this.#asking);
    process.off("SIGHUP", this.#onHangUp);
    for (const started of this.#running.values()) {
      const { node, child } = started;
      if (node === undefined) child.kill("SIGKILL");
      else
        node.call("stop", null).then(
          () => {
            started.hasLeft = true;
            node.tell("exit", null);
          },
          () => {},
        );
    }
  }

  /** Resolves when all others have ended. */
  async stopped(drainSeconds: number): Promise<void> {
    if (!this.#isStopping) this.beginStop();
    const kill = setTimeout(() => this.#signal("SIGKILL"), drainSeconds * 1000 + stopMillisecondsMax);
    await Promise.all(this.#ended);
    clearTimeout(kill);
  }
}
