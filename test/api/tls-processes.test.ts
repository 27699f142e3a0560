// HTTPS by several processes: each terminates TLS itself, in its main thread or in its TLS thread, with the same certificate.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { uwsBuild } from "../../src/http/uws-build.js";
import { Client } from "../support/client.js";
import { blobOf, image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { RawConnection } from "../support/raw.js";
import { memberProcesses } from "../support/server-processes.js";
import { serveTls } from "../support/tls.js";
import { until } from "../support/until.js";

const count = 3;

/** New connections that reach each process with near certainty. */
const manyTimes = 24;

/** Those builds belong to the versions of Node whose servers can share a port. */
const skip = !uwsBuild().passesConnections && "with http.tls, several processes need Node 22.12 or later";

for (const [where, settings] of [
  ["in the main threads", {}],
  ["in the TLS threads", { REGISTRY_HTTP_TLS_MINIMUMTLS: "tls1.3" }],
] as const)
  describe(where, { skip }, async () => {
    if (skip) return;
    const { gantry, authority, files, client } = await serveTls(startGantry, {
      ...settings,
      REGISTRY_HTTP_PROCESSES: String(count),
    });
    const trusting = { ca: authority.pem };
    const closing = { Connection: "close" };

    /** Sends a request on a connection of its own. */
    const getOnce = (path: string) => new Client(gantry.url, 1, trusting).get(path, closing);

    /** Serial numbers of the certificates that new connections show. */
    async function shownSerials(): Promise<Set<string>> {
      const serials = new Set<string>();
      for (let time = 0; time < manyTimes; time++) {
        using connection = await RawConnection.open(gantry.url, trusting);
        serials.add((connection.socket as TLSSocket).getPeerCertificate().serialNumber);
      }
      return serials;
    }

    test("an image pushed on one connection is pulled on others", async () => {
      const name = newName();
      const made = image({ layers: 2 });
      await client().pushImage(name, made, "latest");
      const blob = blobOf(5_000_000);
      await client().pushBlobs(name, blob);
      for (let time = 0; time < manyTimes; time++) {
        assert.ok((await getOnce(`/v2/${name}/manifests/latest`)).body.equals(made.bytes));
        assert.ok((await getOnce(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
      }
    });

    test("certificates change in all processes under busy clients without a failed request", async () => {
      let [isOver, answers] = [false, 0];
      const clients = Array.from({ length: 24 }, async (_, number) => {
        const registry = client();
        while (!isOver) {
          // Half of them connect for each request.
          const { status } = await (number % 2 === 0 ? getOnce("/v2/") : registry.get("/v2/"));
          assert.equal(status, 200);
          answers++;
        }
      });
      const changes = async () => {
        for (let change = 0; change < 2; change++) {
          const next = await authority.issue("registry", { addresses: ["127.0.0.1"] });
          await files.replace(next);
          await until("each process shows the new certificate", async () => {
            const serials = await shownSerials();
            return serials.size === 1 && serials.has(next.certificate.serialNumber);
          });
        }
      };
      const ended = () => {
        isOver = true;
      };
      await Promise.all([changes(), ...clients].map((work) => work.finally(ended)));
      assert.ok(answers > 100, `${answers} answers`);
    });

    test("a killed process is replaced by one with the current certificate, and others keep their connections", async () => {
      const kept = Array.from({ length: manyTimes }, () => new Client(gantry.url, 1, trusting));
      for (const registry of kept) assert.equal((await registry.get("/v2/")).status, 200);
      const before = await memberProcesses(gantry.pid);
      assert.equal(before.length, count - 1);
      process.kill(before[0] ?? 0, "SIGKILL");
      await until("it is replaced", async () => {
        const now = await memberProcesses(gantry.pid);
        return now.length === count - 1 && now.join() !== before.join();
      });
      const answers = await Promise.allSettled(kept.map((registry) => registry.get("/v2/")));
      const lost = answers.filter(({ status }) => status === "rejected").length;
      assert.ok(lost < manyTimes, "only the connections of one process end");
      await until("new connections succeed", async () => {
        const serials = await shownSerials().catch(() => new Set());
        return serials.size === 1;
      });
    });
  });
