// The cluster of one process keeps what the port promises.

import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { testCluster } from "../contract/cluster.js";

testCluster("memory", async (options) => {
  const cluster = new MemoryCluster(options);
  return {
    one: cluster.node(),
    two: cluster.node(),
    lose: () => cluster.lose(),
    close: async () => {},
  };
});
