/** The engine of several nodes: a Valkey or Redis of their own, with the settings of docs/cluster.md. */
import { cpuSeconds, findProgram, freePort, startProcess } from "../processes.js";
import { answering, whenReady } from "./profile.js";

/** For a profile's `needs`. The program of Valkey accepts the same arguments. */
export const engineProgram = "redis-server";

export interface Engine extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** CPU seconds since its start. */
  cpuSeconds(): number;
}

export async function startEngine(): Promise<Engine> {
  const program = await findProgram(engineProgram);
  if (program === undefined) throw new Error(`${engineProgram} is not installed: run .ci/install`);
  const port = await freePort();
  const flags = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const { running } = await whenReady(startProcess(program, flags, {}), () => answering(port));
  return {
    address: `127.0.0.1:${port}`,
    cpuSeconds: () => cpuSeconds(running.pid),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
