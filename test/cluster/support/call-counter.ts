/** Bytes that a client of HTTP/2 sends before its first frame (RFC 9113, 3.4). */
const prefaceBytes = 24;
const frameHeaderBytes = 9;
/** Type of the frame that begins a call. */
const headers = 1;

/** Counts the calls in what a gRPC client sends: each begins with a frame of headers. */
export class CallCounter {
  #skip = prefaceBytes;
  #header = Buffer.alloc(0);

  /** How many calls begin in the bytes that come next. */
  count(bytes: Buffer): number {
    let begun = 0;
    let rest = bytes;
    while (rest.length > 0) {
      const skipped = Math.min(this.#skip, rest.length);
      this.#skip -= skipped;
      rest = rest.subarray(skipped);
      const wanted = frameHeaderBytes - this.#header.length;
      this.#header = Buffer.concat([this.#header, rest.subarray(0, wanted)]);
      rest = rest.subarray(wanted);
      if (this.#header.length < frameHeaderBytes) break;
      if (this.#header[3] === headers) begun += 1;
      this.#skip = this.#header.readUIntBE(0, 3);
      this.#header = Buffer.alloc(0);
    }
    return begun;
  }
}
