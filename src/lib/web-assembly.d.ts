/** The part of WebAssembly's interface that the project uses. TypeScript declares it only in its browser library. */
declare namespace WebAssembly {
  class Memory<Shared extends boolean> {
    constructor(options: { readonly initial: number; readonly maximum: number; readonly shared: Shared });
    readonly buffer: Shared extends true ? SharedArrayBuffer : ArrayBuffer;
  }
}
