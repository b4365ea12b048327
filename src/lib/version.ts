import manifest from '../../package.json' with { type: 'json' };

/** The bundle puts the commit's hash in its place; a checkout has no such variable. */
declare const builtFromCommit: string | undefined;

/** Version of this program, for example `0.1.0`. */
export const version: string = manifest.version;

/** The commit that the program was built from, as whoever built it said; `null` where nobody did. */
export const commit: string | null =
  typeof builtFromCommit === 'string' && builtFromCommit !== '' ? builtFromCommit : null;
