import { catalogueSource, namedXids, openXids, unusedXids, workflowXids } from './xid-catalogue.ts';

/**
 * What is to be done about an XID. `restart-app` and `ignore`: nothing on the node; `reset`, `reboot`, `support`: the GPU is out until
 * somebody has done that; `workflow`: NVIDIA has a procedure, and the entry says what we make of it; `open`: the catalogue gives no action
 * yet; `unused`: it says that no driver raises it; `unknown`: it is not in the catalogue.
 */
export type XidClass = keyof typeof namedXids | 'workflow' | 'open' | 'unused' | 'unknown';

/** One XID, by the catalogue. */
export interface XidEntry {
  readonly code: number;
  /** For a person, in a few words. */
  readonly name: string;
  readonly class: XidClass;
  /** Whether it alone takes the GPU out, when nothing else is configured. */
  readonly condemns: boolean;
  /** Why it does or does not. */
  readonly why: string;
  readonly source: string;
}

/** What the config says of XIDs. */
export interface XidRules {
  /** `health.xids` of the config file. */
  readonly file: { readonly ignore: readonly number[]; readonly unhealthy: readonly number[] };
  /** `DP_DISABLE_HEALTHCHECKS`. */
  readonly disabled: XidSelection;
  /** `DP_ENABLE_HEALTHCHECKS`; wins over everything. */
  readonly enabled: XidSelection;
}

export interface XidSelection {
  readonly all: boolean;
  readonly xids: readonly number[];
}

const whyByClass = {
  'restart-app': 'a fault of the program, not of the GPU',
  ignore: 'the catalogue asks for nothing to be done',
  reset: 'the GPU works again only after a reset',
  reboot: 'the GPU works again only after a restart of the machine',
  support: 'it needs hands: a cable, other software, or a replacement',
  open: 'the catalogue names no action; drivers that raise it tell the recovery action, which decides',
  unused: 'the catalogue says that no driver raises it, so nobody can tell what it means',
  unknown: 'it is not in the catalogue; what nobody knows takes no GPU away',
} as const satisfies Readonly<Record<Exclude<XidClass, 'workflow'>, string>>;

const condemning: readonly XidClass[] = ['reset', 'reboot', 'support'];

/** Every code of the catalogue. */
export const xidCatalogue: ReadonlyMap<number, XidEntry> = new Map(
  [
    ...Object.entries(namedXids).flatMap(([xidClass, codes]) =>
      codes.map(([code, name]) => plainEntry(code, name, xidClass as keyof typeof namedXids)),
    ),
    ...workflowXids.map(([code, name, condemns, why]): XidEntry => {
      return { code, name, class: 'workflow', condemns, why, source: catalogueSource };
    }),
    ...openXids.map(([code, name]) => plainEntry(code, name, 'open')),
    ...unusedXids.flatMap(([first, last]) =>
      Array.from({ length: last - first + 1 }, (_, at) => plainEntry(first + at, 'unused', 'unused')),
    ),
  ]
    .toSorted((one, other) => one.code - other.code)
    .map((entry) => [entry.code, entry]),
);

/** What is known of a code; any number has an entry. */
export function lookUpXid(code: number): XidEntry {
  return xidCatalogue.get(code) ?? plainEntry(code, 'not in the catalogue', 'unknown');
}

/**
 * Whether an XID takes its GPU out. `DP_ENABLE_HEALTHCHECKS` wins over `DP_DISABLE_HEALTHCHECKS`, as in NVIDIA's plugin, but also where the latter
 * says `all`; both win over the file, and the file over the catalogue.
 */
export function condemns(code: number, { file, disabled, enabled }: XidRules): boolean {
  if (selects(enabled, code)) return true;
  if (selects(disabled, code)) return false;
  if (file.unhealthy.includes(code)) return true;
  if (file.ignore.includes(code)) return false;
  return lookUpXid(code).condemns;
}

function selects({ all, xids }: XidSelection, code: number): boolean {
  return all || xids.includes(code);
}

function plainEntry(code: number, name: string, xidClass: Exclude<XidClass, 'workflow'>): XidEntry {
  return {
    code,
    name,
    class: xidClass,
    condemns: condemning.includes(xidClass),
    why: whyByClass[xidClass],
    source: xidClass === 'unknown' ? 'none' : catalogueSource,
  };
}
