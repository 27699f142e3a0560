/** The browser measurement in its shortest form. Its figures are meaningless on a machine with other work. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "../clients/support.js";
import { noBrowser } from "../support/browser.js";

const bench = fileURLToPath(new URL("../../bench/ui/main.js", import.meta.url));

test("the shortest run measures Gantry's list of tags in a browser, with and without a slow network", {
  skip: noBrowser,
}, async () => {
  const short = ["--rounds", "1", "--repositories", "2", "--tags", "2", "--only", "repository"];
  const table = await run(process.execPath, [bench, ...short]);
  for (const network of ["loopback", "slow"])
    assert.match(table, new RegExp(`^\\| repository \\| ${network} \\| gantry( \\| [\\d,.]+){7} \\|$`, "m"));
});

test("a peer of a kind whose pages are not known is refused", async () => {
  await assert.rejects(
    run(process.execPath, [bench, "--peer", "joxit=http://127.0.0.1:1"]),
    /--peer must be/,
  );
});
