/** The cost of another connection: one hot manifest, requested by more and more clients. */
import { along } from "../along.js";
import { Arena } from "../arena.js";
import type { Contender, ContenderName } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { hotImage } from "../driver/hot-image.js";
import { storeImage } from "../driver/image.js";
import { manifestMediaType, manifestPath } from "../driver/registry.js";
import { measureLoad, toolIsThere } from "../measure-load.js";
import type { Growth, Sample } from "../scenario.js";

const image = hotImage("bench/growth");
const path = manifestPath(image.repository, image.tag);
const peers: readonly ContenderName[] = ["get-limit", "docker-registry", "distribution-3", "zot"];

export const growthConnections: Growth = {
  name: "growth-connections",
  what: "GET manifest by tag from 1 to 1,024 connections, driven by wrk",
  along: "connections",
  unit: "requests/s",
  better: "more",
  why: "One connection that repeats its request at once keeps the responding thread as busy as many do. Beyond some hundreds the rate falls, and equally for get-limit: so many sockets cost the kernel and wrk more, not Gantry.",
  peers,
  run: async (settings) => {
    if (!(await toolIsThere("wrk"))) return [];
    await using arena = await Arena.open(settings, peers);
    for (const contender of arena.contenders) await prepare(contender);
    const seconds = settings.quick ? 1 : 2;
    const sizes = settings.quick ? [1, 8, 64, 512] : [1, 4, 16, 64, 256, 1024];
    return await along(sizes, settings, (connections, plan) =>
      arena.interleave(
        plan,
        async (contender) => {
          await ask(contender, connections, 1);
        },
        (contender) => ask(contender, connections, seconds),
      ),
    );
  },
};

async function prepare(contender: Contender): Promise<void> {
  using connection = await Connection.open(contender);
  await storeImage(connection, image);
}

function ask(contender: Contender, connections: number, seconds: number): Promise<Sample> {
  return measureLoad(contender, "wrk", {
    path,
    method: "GET",
    accept: manifestMediaType,
    connections,
    seconds,
    reconnect: false,
  });
}
