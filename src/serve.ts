/** `gantry serve`: runs the server until it is told to stop. */
import type { Settings } from "./config/config.js";
import { formatProblem } from "./config/errors.js";
import { startServer } from "./server.js";

export async function serve({ config, notices }: Settings): Promise<number> {
  for (const notice of notices) process.stderr.write(`gantry: setting ${formatProblem(notice)}\n`);
  const server = await startServer(config);
  if (!server.protected && !isLoopback(config.http.addr.host)) {
    process.stderr.write(
      "gantry: warning: without authentication, everybody who reaches this address may push and delete\n",
    );
  }
  if (!server.hardLinks) {
    process.stderr.write(
      "gantry: warning: this file system has no hard links; blobs shared by repositories are stored in each\n",
    );
  }
  if (!server.locked) {
    process.stderr.write(
      "gantry: warning: without util-linux' flock nothing keeps a second server from opening this store\n",
    );
  }
  if (server.readOnly) {
    process.stderr.write("gantry: warning: this file system is read-only; nothing can be pushed\n");
  }
  const audience = audienceOf(server.protected, isLoopback(config.http.addr.host));
  // Before it says that it is ready: whoever reads that may end it at once, and gracefully.
  const told = new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  process.stdout.write(`gantry ready on ${server.url}, data in ${server.rootDirectory}${audience}\n`);
  await told;
  await server.stop();
  return 0;
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
