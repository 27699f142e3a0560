/** Messages between the main thread and the threads that check passwords. */
export interface BcryptTask {
  readonly password: string;
  readonly hash: string;
}
