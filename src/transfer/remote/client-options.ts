/** Options of the client for registries. */
import type { Answer } from "./answer.js";

export interface ClientOptions {
  readonly url: URL;
  readonly connections: number;
  readonly username: string | undefined;
  readonly password?: string | undefined;
  /** Files with the password, and with CA certificates as PEM. */
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
  readonly realmHosts: readonly string[];
  /** Hosts to which redirects may lead regardless of their addresses. */
  readonly redirectHosts: readonly string[];
  /** Whether even requests for anonymous tokens go only to the registry's host and `realmHosts`. */
  readonly pinsRealms?: boolean;
  /** Attempts of one request if the registry is busy or does not respond; by default 5. */
  readonly tries?: number;
  /** Time limit of a token, and of a response that is kept whole if its caller sets none; by default two minutes. */
  readonly wholeMilliseconds?: number;
  /** Maximum pause within a body; by default one minute. */
  readonly silenceMilliseconds?: number;
  /** A registry that asks to wait for longer is not asked again. By default it is, after 60 seconds. */
  readonly waitSecondsMax?: number;
  /** Names of the options for people that add to `realmHosts` and `redirectHosts`, and that set the credentials. */
  readonly optionNames?: OptionNames;
  /** Called when the registry or its token server has accepted or refused the credentials. */
  readonly onLogin?: (isAccepted: boolean) => void;
  /** Called for each response of the registry itself. */
  readonly onAnswer?: (answer: Answer) => void;
  /** Called when the response to a request begins, with the time that it took, including redirects and logging in. */
  readonly onBegin?: (milliseconds: number) => void;
  readonly signal: AbortSignal;
}

export interface OptionNames {
  readonly realm: string;
  readonly redirect: string;
  readonly credentials: string;
}

/** Of `gantry import`. */
export const importOptionNames: OptionNames = {
  realm: "--realm-host",
  redirect: "--redirect-host",
  credentials: "--username, --password-file",
};
