/**
 * The command line of the cluster's torture, `npm run torture:cluster`. Exits with 1 if acknowledged content was lost, deleted
 * content came back, or anything else was wrong.
 */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { tortureCluster } from "./torture.js";

const usage = `Usage: npm run torture:cluster -- [--rounds N] [--clients C] [--nodes N] [--minio] [--seed S]
  --rounds   rounds of five seconds with five incidents each (60)
  --clients  clients at a time (8)
  --nodes    nodes behind the balancer (2); one needs no engine
  --minio    store everything in MinIO instead of versitygw
  --seed     what everything is drawn from; the same seed gives the same plan again
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "60" },
      clients: { type: "string", default: "8" },
      nodes: { type: "string", default: "2" },
      minio: { type: "boolean", default: false },
      seed: { type: "string", default: randomBytes(4).toString("hex") },
      help: { type: "boolean", default: false },
    },
  });
  const [rounds, clients, nodes] = [Number(values.rounds), Number(values.clients), Number(values.nodes)];
  if (values.help || !(rounds >= 1) || !(clients >= 1) || !(nodes >= 1)) {
    process.stderr.write(usage);
    return values.help ? 0 : 2;
  }
  const began = Date.now();
  const { seed } = values;
  process.stdout.write(`seed ${seed}, ${nodes} nodes, ${clients} clients\n`);
  const report = await tortureCluster({
    seed,
    rounds,
    clients,
    nodes,
    engine: values.minio ? "minio" : "versitygw",
    onProgress: ({ rounds: round, incidents, sent, acknowledged }) =>
      process.stdout.write(
        `round ${round} of ${rounds}: ${incidents} incidents, ${acknowledged} of ${sent} writes were acknowledged\n`,
      ),
  });
  const { violations, story } = report;
  const outcome = violations.length === 0 ? "nothing was lost" : `${violations.length} violations`;
  process.stdout.write(`${outcome}, in ${Math.round((Date.now() - began) / 1000)} s\n`);
  if (violations.length === 0) return 0;
  process.stdout.write(`${violations.join("\n")}\n${story}\nseed ${seed}\n`);
  return 1;
}

process.exitCode = await main();
