/**
 * The command line of the torture: `npm run torture -- [--kills N] [--seed S] [--clients C] [--disk]`.
 * Ends with 1 where something acknowledged was lost, or anything else was wrong.
 */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { makeFolder, makeLoopDisk } from "./disk.js";
import { type TortureReport, torture } from "./torture.js";

const usage = `Usage: npm run torture -- [--kills N] [--clients C] [--seed S] [--disk]
  --kills    how often the server is killed (200)
  --clients  clients at a time (12)
  --seed     what everything is drawn from; the same seed gives the same plan again
  --disk     cut the power: shut down a file system of its own under the server (as root)
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "200" },
      clients: { type: "string", default: "12" },
      seed: { type: "string", default: randomBytes(4).toString("hex") },
      disk: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [kills, clients] = [Number(values.kills), Number(values.clients)];
  if (values.help || !(kills >= 1) || !(clients >= 1)) {
    process.stderr.write(usage);
    return values.help ? 0 : 2;
  }
  const { seed } = values;
  process.stdout.write(
    `seed ${seed}, ${kills} kills, ${clients} clients${values.disk ? ", power cuts" : ""}\n`,
  );
  const began = Date.now();
  const report = await torture({
    kills,
    clients,
    seed,
    makeDisk: values.disk ? makeLoopDisk : makeFolder,
    onProgress: (kill, { acknowledged }) =>
      progress(`kill ${kill} of ${kills}, ${acknowledged} acknowledged`, kill),
  });
  process.stdout.write(`${summary(report)} in ${Math.round((Date.now() - began) / 1000)} s\n`);
  if (report.violations.length === 0) return 0;
  process.stdout.write(
    `${report.violations.join("\n")}\nseed ${seed}; the store is left in ${report.store}\n`,
  );
  return 1;
}

/** One line on a terminal; elsewhere one for each twenty kills. */
function progress(text: string, kill: number): void {
  if (process.stdout.isTTY) process.stdout.write(`\r${text}\x1b[K`);
  else if (kill % 20 === 0) process.stdout.write(`${text}\n`);
}

function summary({ kills, sent, acknowledged, violations }: TortureReport): string {
  const lost = violations.length === 0 ? "nothing was lost" : `${violations.length} violations`;
  const end = process.stdout.isTTY ? "\n" : "";
  return `${end}${kills} kills: ${acknowledged} of ${sent} writes were acknowledged, ${lost},`;
}

process.exitCode = await main();
