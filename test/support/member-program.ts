// A process as the first one of a server starts it, which has neither a store nor clients.

import { connectToFirst } from "../../src/server/processes/member.js";

const [digits = ""] = process.argv.slice(2);
const { group, ready, stopping, exit } = await connectToFirst(digits, (error) => {
  throw error;
});
await group.join(60);
ready();
void stopping.then((stopped) => stopped());
await exit;
process.exit();
