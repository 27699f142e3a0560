/** The official conformance program on two nodes, of which HAProxy draws a new one for each request. */
import { needs } from "../clients/support.js";
import { startHaproxy } from "../support/haproxy.js";
import { startRedisServer } from "../support/redis-server.js";
import { startS3Node } from "../support/s3-node.js";
import { startS3Server } from "../support/s3-server.js";
import { needsConformance, testConformance } from "./official.js";

const nodeCount = 2;

await testConformance({
  name: "cluster",
  skip: needsConformance || needs("versitygw", "haproxy", "redis-server"),
  // A node looks for a source only in the repositories that it remembers, and otherwise has the blob uploaded.
  maySkip: /mount anonymous/,
  start: async (settings) => {
    const closers: (() => Promise<unknown>)[] = [];
    const close = async (): Promise<void> => {
      for (const closer of closers.splice(0).reverse()) await closer();
    };
    try {
      const server = await startS3Server();
      closers.push(() => server.stop());
      const engine = await startRedisServer();
      closers.push(() => engine.stop());
      const ports: number[] = [];
      for (let count = 0; count < nodeCount; count++) {
        const node = await startS3Node(server, { redis: engine.address, settings });
        closers.push(() => node.stop());
        ports.push(node.port);
      }
      const balancer = await startHaproxy(ports);
      closers.push(() => balancer.stop());
      return { host: balancer.host, [Symbol.asyncDispose]: close };
    } catch (error) {
      await close();
      throw error;
    }
  },
});
