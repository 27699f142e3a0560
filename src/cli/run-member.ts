/** Runs a process that the first process of a server has started, until that one stops it. */
import type { Settings } from "../config/config.js";
import { describeError } from "../lib/describe-error.js";
import type { StandardStreams } from "../observe/standard-streams.js";
import { connectToFirst } from "../server/processes/member.js";
import { shareOf } from "../server/processes/shares.js";
import { startServer } from "../server/server.js";
import { fingerprintOf } from "./settings.js";

/** The first process stops this one, also after a signal to all processes of a terminal or a service. */
const ignored = ["SIGINT", "SIGTERM"] as const;

export async function runMember(
  settings: Settings,
  streams: StandardStreams,
  digits: string,
): Promise<number> {
  for (const signal of ignored) process.on(signal, () => {});
  const say = (text: string) => void streams.writer("error").write(`gantry: ${text}\n`);
  const member = await connectToFirst(digits, (error) => say(describeError(error)));
  const { number, count, formatter, settings: expected } = member.welcome;
  if (fingerprintOf(settings) !== expected)
    throw new Error("the settings have changed since the server was started; restart it");
  const share = shareOf(settings.config, count, number);
  const config = { ...share, log: { ...share.log, formatter } };
  const server = await startServer(config, streams, () => {}, { kind: "member", member });
  const stopped = await member.stopping;
  await server.stop();
  stopped();
  await member.exit;
  return 0;
}
