/** Another process has the store. */
export class StoreInUse extends Error {
  override readonly name = "StoreInUse";
}
