/**
 * The command line of the torture, `npm run torture`: kills, power failures of a separate file system, or those derived from
 * a trace. Exits with 1 if acknowledged content was lost, or anything else was wrong.
 */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { makeFolder, makeLoopDisk } from "./disk.js";
import { cutPower } from "./power.js";
import { type TortureOptions, torture } from "./torture.js";

const usage = `Usage: npm run torture -- [--kills N] [--clients C] [--processes P] [--seed S] [--disk | --power [--cuts N]]
  --kills    how often the server is killed (200)
  --clients  clients at a time (12)
  --processes  processes of the server (1); of several, some are killed meanwhile
  --seed     what everything is drawn from; the same seed gives the same plan again
  --disk     cut the power: shut down a file system of its own under the server (as root)
  --power    trace a server, and start others on what was synced at some moments of its life
  --cuts     such moments (20)
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "200" },
      clients: { type: "string", default: "12" },
      processes: { type: "string", default: "1" },
      seed: { type: "string", default: randomBytes(4).toString("hex") },
      disk: { type: "boolean", default: false },
      power: { type: "boolean", default: false },
      cuts: { type: "string", default: "20" },
      help: { type: "boolean", default: false },
    },
  });
  const [kills, clients] = [Number(values.kills), Number(values.clients)];
  if (values.help || !(kills >= 1) || !(clients >= 1)) {
    process.stderr.write(usage);
    return values.help ? 0 : 2;
  }
  const began = Date.now();
  const { seed } = values;
  process.stdout.write(`seed ${seed}, ${clients} clients\n`);
  const { text, violations, left } = values.power
    ? await power(seed, clients, Number(values.cuts))
    : await kill({ seed, clients, kills, processes: Number(values.processes) }, values.disk);
  process.stdout.write(`${process.stdout.isTTY ? "\n" : ""}${text}, `);
  process.stdout.write(violations.length === 0 ? "nothing was lost" : `${violations.length} violations`);
  process.stdout.write(`, in ${Math.round((Date.now() - began) / 1000)} s\n`);
  if (violations.length === 0) return 0;
  process.stdout.write(`${violations.join("\n")}\nseed ${seed}; the remains are in ${left}\n`);
  return 1;
}

interface Outcome {
  readonly text: string;
  readonly violations: readonly string[];
  readonly left: string;
}

async function kill(
  plan: Pick<TortureOptions, "seed" | "clients" | "kills" | "processes">,
  disk: boolean,
): Promise<Outcome> {
  const { kills } = plan;
  const report = await torture({
    ...plan,
    makeDisk: disk ? makeLoopDisk : makeFolder,
    onProgress: (kill, { acknowledged }) => {
      const text = `kill ${kill} of ${kills}, ${acknowledged} acknowledged`;
      if (process.stdout.isTTY || kill % 20 === 0) progress(text);
    },
  });
  const { sent, acknowledged, lost, violations, store = "" } = report;
  const how = disk ? "power cuts" : "kills";
  const text = `${report.kills} ${how}: ${acknowledged} of ${sent} writes were acknowledged, ${lost} lost with a process`;
  return { text, violations, left: store };
}

/** Working time of clients under the tracer, which slows the server down to a fifth. */
const tracedMilliseconds = 8_000;

async function power(seed: string, clients: number, cuts: number): Promise<Outcome> {
  const report = await cutPower({
    seed,
    clients,
    cuts,
    milliseconds: tracedMilliseconds,
    onProgress: progress,
  });
  const { acknowledged, moments, violations, folder } = report;
  const text = `${report.cuts} cuts, ${moments} moments derived from the trace: ${acknowledged} writes were acknowledged`;
  return { text, violations, left: folder };
}

/** Replaces the last line on a terminal, and appends elsewhere. */
function progress(text: string): void {
  process.stdout.write(process.stdout.isTTY ? `\r${text}\x1b[K` : `${text}\n`);
}

// Servers have their own process groups; the exit handler of this process ends them.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
process.exitCode = await main();
