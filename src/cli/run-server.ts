/** `gantry serve`: runs the server until SIGTERM or SIGINT. */
import type { Settings } from "../config/config.js";
import { formatProblem } from "../config/errors.js";
import { visibleLine } from "../lib/control-characters.js";
import { StandardStreams } from "../observe/standard-streams.js";
import { originIsUnknown } from "../server/origin-warnings.js";
import type { Role } from "../server/processes/open.js";
import {
  memoryWarning,
  oneProcessReason,
  processesOf,
  readOnlyReason,
  shareOf,
} from "../server/processes/shares.js";
import { type Server, startServer } from "../server/server.js";
import type { Invocation } from "./invocation.js";
import { processWord } from "./process-word.js";
import { fingerprintOf } from "./settings.js";

/** Maximum time to wait for readers of the logs after the server has stopped. */
const logsMillisecondsMax = 2_000;

export async function runServer(settings: Settings, invocation: Invocation): Promise<number> {
  const { stdout, stderr, words, env, member } = invocation;
  const streams = new StandardStreams({ output: stdout, error: stderr }, words, env);
  // Without a listener, it ends the process at once. An audit log in a file has one of its own.
  process.on("SIGHUP", ignore);
  try {
    if (member === undefined) return await runUntilStopped(settings, streams, invocation);
    const { runMember } = await import("./run-member.js");
    return await runMember(settings, streams, member);
  } finally {
    await streams.close(logsMillisecondsMax);
    process.off("SIGHUP", ignore);
  }
}

/** For signals that must not end the process. */
function ignore(): void {}

async function runUntilStopped(
  settings: Settings,
  streams: StandardStreams,
  invocation: Invocation,
): Promise<number> {
  const { config, notices } = settings;
  // Prints a line on standard error without waiting for a reader.
  const say = (text: string) => void streams.writer("error").write(`gantry: ${visibleLine(text)}\n`);
  for (const notice of notices) say(`setting ${formatProblem(notice)}`);
  const one = oneProcessReason(config) ?? (await readOnlyReason(config));
  const count = one === undefined ? processesOf(config) : 1;
  const { processes = 1 } = config.http;
  if (one !== undefined && processes > 1) say(`warning: one process serves instead of ${processes}: ${one}`);
  const scarce = memoryWarning(count);
  if (scarce !== undefined) say(`warning: ${scarce}`);
  let onLost = (): void => {};
  const lost = new Promise<"lost">((resolve) => {
    onLost = () => resolve("lost");
  });
  const server = await startServer(
    shareOf(config, count, 1),
    streams,
    onLost,
    roleOf(settings, count, invocation),
  );
  if (!server.protected && !isLoopback(config.http.addr.host)) {
    say(
      "warning: without authentication, anyone who can reach this address may push and delete; set auth, or listen on 127.0.0.1",
    );
  }
  if (server.protected && !isLoopback(config.http.addr.host) && originIsUnknown(config)) {
    say(
      "warning: network clients must send name and password with each request instead of a token; set http.host or " +
        "http.trustedproxies if this server is behind a TLS proxy, otherwise http.tls",
    );
  }
  for (const warning of server.warnings) say(`warning: ${warning}`);
  const audience = audienceOf(server, isLoopback(config.http.addr.host));
  // Registered before the ready line is printed: a reader of that line may stop the server at once.
  const told = new Promise<void>((resolve) => void invocation.onInterrupt(resolve));
  const ready = `gantry ready on ${server.url}, data in ${server.place}${audience}`;
  streams.writer("output").write(`${visibleLine(ready)}\n`);
  const why = await Promise.race([told, lost]);
  await server.stop();
  return why === "lost" ? 1 : 0;
}

function roleOf(settings: Settings, count: number, { words, env }: Invocation): Role | undefined {
  if (count === 1) return undefined;
  return {
    kind: "first",
    count,
    args: (number, digits) => [processWord, String(number), digits, ...words],
    env,
    settings: fingerprintOf(settings),
  };
}

function audienceOf(server: Pick<Server, "protected" | "hasPages">, thisMachineOnly: boolean): string {
  const facts = [
    ...(thisMachineOnly ? ["this machine only"] : []),
    ...(server.protected ? [] : ["no authentication"]),
    ...(server.hasPages ? ["web page at /ui/"] : []),
  ];
  return facts.length === 0 ? "" : ` (${facts.join(", ")})`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
