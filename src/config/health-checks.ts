/** What a list like `DP_DISABLE_HEALTHCHECKS` names. */
export interface HealthChecks {
  /** `all`: every check there is. */
  readonly all: boolean;
  /** `all` or `xids`: every XID. */
  readonly allXids: boolean;
  readonly xids: readonly number[];
  /** What is neither a word of the list nor a number, and has no effect. */
  readonly strange: readonly string[];
}

/** Reads a comma list of XID numbers, `all` and `xids` as NVIDIA's plugin does (internal/rm/health.go): in any case, with blanks. */
export function parseHealthChecks(text: string | null): HealthChecks {
  const words = (text ?? '')
    .toLowerCase()
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  const all = words.includes('all');
  const isXid = (word: string): boolean => /^\d{1,10}$/.test(word);
  return {
    all,
    allXids: all || words.includes('xids'),
    xids: words.filter(isXid).map(Number),
    strange: words.filter((word) => word !== 'all' && word !== 'xids' && !isXid(word)),
  };
}
