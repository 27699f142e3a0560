/** The command line of `gantry serve`. */
import { uwsBuild } from "../http/uws-build.js";
import { checkFiles } from "./check-files.js";
import type { Entry } from "./entry.js";
import { settingsFlags, settingsOf } from "./settings.js";

export const serve: Entry = {
  line: {
    name: "serve",
    summary: "serve the registry",
    help: `Serves the registry until SIGTERM or SIGINT, then lets running requests finish. Reads settings from a file and
from environment variables: \`gantry config show\` prints the settings in effect, docs/configuration.md describes
all of them.`,
    flags: settingsFlags,
    parameters: [{ name: "FILE", description: "settings, as with --config", optional: true }],
    examples: [
      { command: "gantry serve", what: "listen on this machine only, store data in .gantry" },
      { command: "gantry serve --config /etc/gantry/config.yml", what: "read settings from a file" },
      { command: "REGISTRY_HTTP_ADDR=:5000 gantry serve", what: "listen on all interfaces" },
    ],
  },
  run: async ({ values, parameters: [file] }, invocation) => {
    const settings = await settingsOf(invocation, file === undefined ? values : { ...values, config: file });
    // The first process of a server has checked them.
    if (invocation.member === undefined) await checkFiles(settings);
    // Must precede loading the server's modules, which load uWebSockets.js and would fail with its own error first.
    uwsBuild();
    // uWebSockets.js reads this variable when it is loaded.
    process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(settings.config.limits.headerbytes);
    return (await import("./run-server.js")).runServer(settings, invocation);
  },
};
