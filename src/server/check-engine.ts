/** Tests whether the server of `redis.addrs` is fit for a cluster. Part of the composition root. */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Engine } from "../cluster/valkey/engine.js";
import { engineNameOf, engineOptionsOf, type RedisSettings } from "./cluster.js";
import { engineFailure } from "./engine-advice.js";

export interface EngineCheck {
  readonly what: string;
  readonly outcome: "fine" | "failed" | "not supported";
  readonly detail: string;
}

/** The first that has all commands of the scripts. */
const majorMin = 7;

const messageMillisecondsMax = 1_000;

/** Leaves nothing in the server. */
export async function checkEngine(redis: RedisSettings): Promise<EngineCheck[]> {
  const checks: EngineCheck[] = [];
  const say = (what: string, isFine: boolean, detail: string) =>
    checks.push({ what, outcome: isFine ? "fine" : "failed", detail });
  const place = engineNameOf(redis);
  const engine = new Engine(
    await engineOptionsOf(redis),
    `gantry:check-${randomBytes(6).toString("hex")}:`,
    () => {},
  );
  let arrived = false;
  try {
    await engine.connect(["check"], () => {
      arrived = true;
    });
    const info = await engine.info();
    const version = info.get("valkey_version") ?? info.get("redis_version") ?? "0";
    const name = info.has("valkey_version") ? "Valkey" : "Redis";
    say(
      place,
      Number.parseInt(version, 10) >= majorMin,
      `${name} ${version}; ${majorMin} or later is needed`,
    );
    const policy = info.get("maxmemory_policy") ?? "unknown";
    const evicts = policy !== "noeviction" && info.get("maxmemory") !== "0";
    say("keeps its keys", !evicts, evicts ? `maxmemory-policy is ${policy}: set noeviction` : policy);
    const begun = performance.now();
    await engine.script("swap", ["check", "check"], ["", "", 1, ""]);
    say("runs scripts", true, `in ${(performance.now() - begun).toFixed(1)} ms`);
    await engine.publish("check", "check");
    for (let waited = 0; !arrived && waited < messageMillisecondsMax; waited += 10) await sleep(10);
    say("delivers messages", arrived, arrived ? "within a second" : "none arrived within a second");
  } catch (error) {
    say(place, false, engineFailure(error, redis));
  } finally {
    engine.close();
  }
  return checks;
}
