/** The official conformance program on one node over an S3 server. */
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";
import { needsConformance, testConformance } from "./official.js";

await testConformance({
  name: "s3",
  skip: needsConformance || needsVersitygw,
  start: async (settings) => {
    const server = await startS3Server();
    try {
      const { host, stop } = await startS3Node(server, { settings });
      return {
        host,
        async [Symbol.asyncDispose]() {
          await stop();
          await server.stop();
        },
      };
    } catch (error) {
      await server.stop();
      throw error;
    }
  },
});
