/** Opens the links between the processes of a server, by the role of this process. Part of the composition root. */

import { formatOf } from "../log.js";
import type { LogOpening } from "../opening.js";
import { FirstProcess } from "./first.js";
import type { ProcessGroup } from "./group.js";
import type { MemberProcess } from "./member.js";

/** How this process came to serve. Without a role, it serves alone, whatever `http.processes` is. */
export type Role =
  | {
      readonly kind: "first";
      /** Number of processes. */
      readonly count: number;
      /** Returns the arguments of another process. */
      readonly args: (number: number, digits: string) => readonly string[];
      readonly env: NodeJS.ProcessEnv;
      /** Changes with the settings. */
      readonly settings: string;
    }
  | { readonly kind: "member"; readonly member: MemberProcess };

export interface OpenedProcesses {
  readonly group: ProcessGroup;
  /** Starts the others, or tells the first that this one is ready. */
  listening(port: number): Promise<void>;
  /** Where a member listens. */
  readonly port: number | undefined;
  /** Makes the others stop. */
  beginStop(): void;
  /** Resolves when the others have ended. */
  ended(): Promise<void>;
}

export function openProcesses(
  { config, log, streams }: LogOpening,
  role: Role,
  lockDescriptor: () => number | undefined,
): OpenedProcesses {
  if (role.kind === "member") {
    const { group, welcome, ready } = role.member;
    return {
      group,
      port: welcome.port,
      listening: async () => ready(),
      beginStop: () => {},
      ended: async () => {},
    };
  }
  const { count, args, env, settings } = role;
  const onError = (error: unknown) =>
    log.error({ err: error }, "a message between the processes of the server failed");
  const first = new FirstProcess({ count, log, streams, args, env, onError }, lockDescriptor);
  const formatter = formatOf(config.log, streams.isTerminal("error"));
  return {
    group: first.group,
    port: undefined,
    listening: (port) => first.start({ count, port, formatter, first: first.name, settings }),
    beginStop: () => first.beginStop(),
    ended: () => first.stopped(config.http.draintimeout),
  };
}
