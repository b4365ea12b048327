/** A file, a folder or a symbolic link of an archive. Paths are relative, without a leading `./`. */
export type TarEntry =
  | { readonly path: string; readonly content: Buffer; readonly mode?: number }
  | { readonly path: string; readonly folder: true; readonly mode?: number }
  | { readonly path: string; readonly linkTo: string };

/**
 * A tar archive in the ustar format. All files belong to root and carry no time, so the same entries give the same bytes.
 * @throws when a path or a link's target does not fit into its field, 100 bytes
 */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap((entry) => {
    if (!('content' in entry)) return [header(entry, 0)];
    const rest = entry.content.length % blockSize;
    const padding = Buffer.alloc(rest === 0 ? 0 : blockSize - rest);
    return [header(entry, entry.content.length), entry.content, padding];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockSize)]);
}

const blockSize = 512;

function header(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(blockSize);
  const linkTo = 'linkTo' in entry ? entry.linkTo : '';
  const [type, mode] = 'content' in entry ? ['0', 0o644] : 'folder' in entry ? ['5', 0o755] : ['2', 0o777];
  for (const name of [entry.path, linkTo]) {
    if (Buffer.byteLength(name) > 100) throw new Error(`Too long for a tar archive: ${name}`);
  }
  block.write(entry.path, 0);
  block.write(octal('mode' in entry ? (entry.mode ?? mode) : mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(type, 156);
  block.write(linkTo, 157);
  block.write('ustar', 257);
  block.write('00', 263);
  // The checksum counts its own field as spaces.
  block.write(' '.repeat(8), 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
