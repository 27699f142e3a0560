/** What the main thread asks of the thread that checks passwords. */
export interface BcryptTask {
  readonly password: string;
  readonly hash: string;
}
