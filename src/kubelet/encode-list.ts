import type { ListedDevice } from './contract.ts';

/**
 * Makes device lists into the bytes of ListAndWatchResponses (proto/deviceplugin.proto), by hand: a list has up to 20,000 devices and is sent
 * at every change, and the general encoder makes three objects of each device first. Devices that are the same objects as in the list
 * before are copied from its bytes.
 */
export class ListEncoder {
  #devices: readonly ListedDevice[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  /** Where the bytes of each device end. */
  #ends = new Uint32Array(0);

  /** The bytes belong to the encoder: they are read, and not written to. */
  encode(devices: readonly ListedDevice[]): Buffer {
    if (devices === this.#devices) return this.#bytes;
    const ends = this.#layOut(devices);
    const bytes = Buffer.allocUnsafeSlow(ends.at(-1) ?? 0);
    for (let at = 0; at < devices.length;) {
      const next = this.#endOfSame(devices, at);
      const device = devices[at];
      if (next > at) {
        const from = at === 0 ? 0 : (this.#ends[at - 1] ?? 0);
        this.#bytes.copy(bytes, at === 0 ? 0 : ends[at - 1], from, this.#ends[next - 1]);
        at = next;
      } else {
        if (device !== undefined) writeDevice(bytes, device, at === 0 ? 0 : (ends[at - 1] ?? 0));
        at += 1;
      }
    }
    this.#devices = devices;
    this.#bytes = bytes;
    this.#ends = ends;
    return bytes;
  }

  #layOut(devices: readonly ListedDevice[]): Uint32Array<ArrayBuffer> {
    const ends = new Uint32Array(devices.length);
    let end = 0;
    let endBefore = 0;
    for (const [at, device] of devices.entries()) {
      const endThen = this.#ends[at] ?? 0;
      if (device === this.#devices[at]) end += endThen - endBefore;
      else {
        const body = bodySize(device);
        end += 1 + varintSize(body) + body;
      }
      endBefore = endThen;
      ends[at] = end;
    }
    return ends;
  }

  /** The place after the last of the devices from a place on that are as they were. */
  #endOfSame(devices: readonly ListedDevice[], from: number): number {
    let at = from;
    while (at < devices.length && devices[at] === this.#devices[at]) at += 1;
    return at;
  }
}

/** One list, without one before. */
export function encodeDeviceList(devices: readonly ListedDevice[]): Buffer {
  return new ListEncoder().encode(devices);
}

const lengthPrefixed = 2;
const varint = 0;

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

function writeDevice(bytes: Buffer, device: ListedDevice, from: number): void {
  const { id, health, numaNode } = device;
  bytes[from] = tag(1, lengthPrefixed);
  let at = writeVarint(bytes, bodySize(device), from + 1);
  at = writeText(bytes, 1, id, at);
  at = writeText(bytes, 2, health, at);
  if (numaNode !== null) writeTopology(bytes, numaNode, at);
}

function bodySize({ id, health, numaNode }: ListedDevice): number {
  return textSize(id) + textSize(health) + (numaNode === null ? 0 : 4 + nodeSize(numaNode));
}

function textSize(text: string): number {
  const size = Buffer.byteLength(text);
  return 1 + varintSize(size) + size;
}

function writeText(bytes: Buffer, field: number, text: string, at: number): number {
  bytes[at] = tag(field, lengthPrefixed);
  const size = Buffer.byteLength(text);
  const start = writeVarint(bytes, size, at + 1);
  if (size !== text.length) return start + bytes.write(text, start);
  // ASCII, and too short for a call into the runtime to be worth it.
  for (let index = 0; index < size; index += 1) bytes[start + index] = text.charCodeAt(index);
  return start + size;
}

/** One node in a TopologyInfo; both messages are shorter than 128 bytes. */
function writeTopology(bytes: Buffer, node: number, at: number): number {
  const size = nodeSize(node);
  bytes[at] = tag(3, lengthPrefixed);
  bytes[at + 1] = size + 2;
  bytes[at + 2] = tag(1, lengthPrefixed);
  bytes[at + 3] = size;
  bytes[at + 4] = tag(1, varint);
  return writeVarint(bytes, node, at + 5);
}

function nodeSize(node: number): number {
  return 1 + varintSize(node);
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size += 1;
  return size;
}

function writeVarint(bytes: Buffer, value: number, from: number): number {
  let at = from;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 128;
  bytes[at++] = rest;
  return at;
}
