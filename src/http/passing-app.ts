/** Apps that pass the connections that they accept to other apps, in builds that can (`uws-build.ts`). */
import type { TemplatedApp } from "uWebSockets.js";

declare const descriptorBrand: unique symbol;
type AppDescriptor = { readonly [descriptorBrand]: true };

/** Methods of the builds for Node 22 and later that the package's types lack. */
export interface PassingApp extends TemplatedApp {
  getDescriptor(): AppDescriptor;
  addChildAppDescriptor(child: AppDescriptor): void;
  removeChildAppDescriptor(child: AppDescriptor): void;
}

/** New connections of `acceptor` go to `next` instead of `previous`. Earlier connections stay where they are. */
export function passConnections(
  acceptor: PassingApp,
  previous: PassingApp | undefined,
  next: PassingApp,
): void {
  acceptor.addChildAppDescriptor(next.getDescriptor());
  if (previous !== undefined) acceptor.removeChildAppDescriptor(previous.getDescriptor());
}
