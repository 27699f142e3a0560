/** `gantry version`: the versions in use, for bug reports. */
import { packageVersion, versionOf } from "../lib/package-version.js";
import type { Entry } from "./entry.js";
import { jsonFlag, print } from "./output.js";

export const version: Entry = {
  line: {
    name: "version",
    summary: "print the versions of Gantry, Node and uWebSockets.js",
    help: "Prints the versions of Gantry and its runtime. Include them in bug reports.",
    flags: jsonFlag,
    examples: [{ command: "gantry version --json | jq -r .gantry", what: "print only Gantry's version" }],
  },
  run: async ({ values }, invocation) => {
    const report = {
      gantry: packageVersion,
      node: process.versions.node,
      uWebSockets: {
        package: versionOf("uWebSockets.js/package.json"),
        build: `uws_${process.platform}_${process.arch}_${process.versions.modules}`,
      },
      platform: `${process.platform} ${process.arch}`,
    };
    const { gantry, node, uWebSockets, platform } = report;
    const text = `gantry ${gantry}, Node ${node}, uWebSockets.js ${uWebSockets.package} (${uWebSockets.build}), ${platform}`;
    print(invocation, values, { report, text });
    return 0;
  },
};
