import type { ListedDevice } from './contract.ts';

/**
 * A device list as the bytes of a ListAndWatchResponse (proto/deviceplugin.proto), by hand: a list has up to 20,000 devices and is sent
 * at every change, and the general encoder makes three objects of each device first.
 */
export function encodeDeviceList(devices: readonly ListedDevice[]): Buffer {
  const bodies = devices.map(bodySize);
  const size = bodies.reduce((sum, body) => sum + 1 + varintSize(body) + body, 0);
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const [index, { id, health, numaNode }] of devices.entries()) {
    bytes[at] = tag(1, lengthPrefixed);
    at = writeVarint(bytes, bodies[index] ?? 0, at + 1);
    at = writeText(bytes, 1, id, at);
    at = writeText(bytes, 2, health, at);
    if (numaNode !== null) at = writeTopology(bytes, numaNode, at);
  }
  return bytes;
}

const lengthPrefixed = 2;
const varint = 0;

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
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
  const start = writeVarint(bytes, Buffer.byteLength(text), at + 1);
  return start + bytes.write(text, start);
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
