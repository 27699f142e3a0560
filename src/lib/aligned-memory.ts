/** Allocates memory that begins on a page boundary, which direct I/O (O_DIRECT) requires. Takes pages as they are used. */

/** The allocation unit of a WebAssembly memory, a multiple of the kernel's page size. */
const unitBytes = 64 * 1024;

/**
 * Returns at least `bytes` bytes, to be shared between threads. A plain SharedArrayBuffer begins behind the allocator's
 * header; only a WebAssembly memory guarantees its alignment.
 */
export function alignedMemory(bytes: number): SharedArrayBuffer {
  return allocate(bytes, true).buffer;
}

/** Returns at least `bytes` bytes for one thread. */
export function alignedBuffer(bytes: number): ArrayBuffer {
  return allocate(bytes, false).buffer;
}

function allocate<Shared extends boolean>(bytes: number, shared: Shared): WebAssembly.Memory<Shared> {
  const units = Math.ceil(bytes / unitBytes);
  return new WebAssembly.Memory({ initial: units, maximum: units, shared });
}
