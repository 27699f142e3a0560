/** `gantry serve`: runs the server until it is told to stop. */
import type { Settings } from "../config/config.js";
import { formatProblem } from "../config/errors.js";
import { visibleLine } from "../lib/control-characters.js";
import { standardSettled, standardWriter } from "../observe/standard-streams.js";
import { originIsUnknown } from "../server/origin-warnings.js";
import { startServer } from "../server/server.js";

/** What is still to be written when the server has stopped waits for its readers no longer. */
const logsMillisecondsMax = 2_000;

export async function serve(settings: Settings): Promise<number> {
  try {
    return await serveUntilTold(settings);
  } finally {
    await standardSettled(logsMillisecondsMax);
  }
}

async function serveUntilTold({ config, notices }: Settings): Promise<number> {
  for (const notice of notices) say(`setting ${formatProblem(notice)}`);
  const server = await startServer(config);
  if (!server.protected && !isLoopback(config.http.addr.host)) {
    say("warning: without authentication, everybody who reaches this address may push and delete");
  }
  if (server.protected && !isLoopback(config.http.addr.host) && originIsUnknown(config)) {
    say(
      "warning: clients that come over a network are asked for name and password at each request, not for a " +
        "token: set http.host or http.trustedproxies if a TLS proxy stands before this server, else http.tls",
    );
  }
  if (!server.hardLinks) {
    say("warning: this file system has no hard links; blobs shared by repositories are stored in each");
  }
  if (!server.locked) {
    say("warning: without util-linux' flock nothing keeps a second server from opening this store");
  }
  if (server.readOnly) {
    say("warning: this file system is read-only; nothing can be pushed");
  }
  const audience = audienceOf(server.protected, isLoopback(config.http.addr.host));
  // Before it says that it is ready: whoever reads that may end it at once, and gracefully.
  const told = new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  const ready = `gantry ready on ${server.url}, data in ${server.rootDirectory}${audience}`;
  standardWriter("output").write(`${visibleLine(ready)}\n`);
  await told;
  await server.stop();
  return 0;
}

/** To whoever has started the server, who may not be reading. */
function say(text: string): void {
  standardWriter("error").write(`gantry: ${visibleLine(text)}\n`);
}

function audienceOf(isProtected: boolean, thisMachineOnly: boolean): string {
  const facts = [
    ...(thisMachineOnly ? ["this machine only"] : []),
    ...(isProtected ? [] : ["no authentication"]),
  ];
  return facts.length === 0 ? "" : ` (${facts.join(", ")})`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}
