/**
 * Recognizes variables that Kubernetes sets in a pod for each Service of its namespace, in the form of Docker's links: a
 * Service `registry-ui` becomes `REGISTRY_UI_SERVICE_HOST`, `REGISTRY_UI_PORT` and others. Both name and value must match,
 * so that a Service whose name starts like a setting, such as `registry-redis` or `registry-log-fields`, sets none.
 */
import { isIP } from "node:net";

const isPort = (value: string) => /^\d{1,5}$/.test(value);
const isAddress = (value: string) => isIP(value) !== 0;
const isUrl = (value: string) => /^(?:tcp|udp|sctp):\/\/[^/]+$/.test(value);

/** Suffixes of the names, and the form of the values. */
const links: readonly (readonly [name: RegExp, isValue: (value: string) => boolean])[] = [
  [/(?:^|_)SERVICE_HOST$/, isAddress],
  [/(?:^|_)SERVICE_PORT(?:_[A-Z0-9_]+)?$/, isPort],
  [/(?:^|_)PORT$/, isUrl],
  [/(?:^|_)PORT_\d+_(?:TCP|UDP|SCTP)$/, isUrl],
  [/(?:^|_)PORT_\d+_(?:TCP|UDP|SCTP)_PROTO$/, (value) => /^(?:tcp|udp|sctp)$/.test(value)],
  [/(?:^|_)PORT_\d+_(?:TCP|UDP|SCTP)_PORT$/, isPort],
  [/(?:^|_)PORT_\d+_(?:TCP|UDP|SCTP)_ADDR$/, isAddress],
];

/** `name` is the variable's name without `REGISTRY_`. */
export function isServiceLink(name: string, value: string): boolean {
  return links.some(([pattern, isValue]) => pattern.test(name) && isValue(value));
}
