/**
 * The attacking process: `attacker.js NAME PORT SECONDS [CA]`, with the certificate of HTTPS' CA as PEM. A separate process with lower priority, so that the other client
 * waits neither for its event loop nor for its share of the cores. Prints "prepared", waits for "go", attacks, prints
 * "done", checks the result of the attack and exits with status 0.
 */
import { once, setMaxListeners } from "node:events";
import { constants, setPriority } from "node:os";
import { attacks } from "./all.js";
import { type AttackTarget, attackerAddress } from "./attack.js";

const [name, port, seconds, ca] = process.argv.slice(2);
const attack = attacks.find((candidate) => candidate.name === name);
if (attack === undefined || process.send === undefined) throw new Error(`there is no attack ${name}`);
setPriority(constants.priority.PRIORITY_LOW);

/** Preparation and check may take longer than an attack. */
const otherSecondsMax = 60;

function target(secondsMax: number): AttackTarget {
  const signal = AbortSignal.timeout(secondsMax * 1000);
  // Each connection adds a listener.
  setMaxListeners(0, signal);
  return {
    port: Number(port),
    ca,
    localAddress: attackerAddress,
    deadline: performance.now() + secondsMax * 1000,
    signal,
  };
}

await attack.prepare?.(target(otherSecondsMax));
process.send("prepared");
await once(process, "message");
await attack.run(target(Number(seconds)));
process.send("done");
await attack.check?.(target(otherSecondsMax));
process.exit(0);
