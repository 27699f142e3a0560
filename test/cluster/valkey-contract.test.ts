// The promises of the cluster port, kept over a real server.

import { after } from "node:test";
import { testCluster } from "../contract/cluster.js";
import { startRedisServer } from "../support/redis-server.js";
import { openNodes } from "../support/valkey-nodes.js";

const server = await startRedisServer();
after(() => server.stop());

const messageMilliseconds = 50;

testCluster("Valkey", ({ leaseSeconds }) => openNodes(server, { leaseSeconds }), messageMilliseconds);
