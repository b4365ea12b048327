import { LayerBuilder, type Layer } from './layer.ts';
import { problem } from './problem.ts';
import { flagNames } from './setting.ts';
import { settingRows } from './settings.ts';
import { suggest } from './suggest.ts';

/** What the flags give: each flag's long name with its text, `true` for one that stood alone, or a list of texts. */
export function readFlags(flags: Readonly<Record<string, unknown>>): Layer {
  const layer = new LayerBuilder();
  const unread = new Set(Object.keys(flags).filter((name) => flags[name] !== undefined));
  for (const [key, setting] of settingRows) {
    for (const name of flagNames(setting)) {
      if (!unread.delete(name)) continue;
      const raw = flags[name];
      const texts = (Array.isArray(raw) ? raw : [raw]).map(String);
      const given = setting.kind.fromText(texts.at(-1) ?? '', texts.flatMap(splitList));
      layer.add(key, setting, given, () => ({ kind: 'flag', name }));
    }
  }
  for (const name of unread) {
    const nearest = suggest(
      name,
      settingRows.flatMap(([, setting]) => flagNames(setting)),
    );
    const expected = nearest === null ? 'see slicewise agent --help' : `did you mean --${nearest}?`;
    layer.problems.push(problem('unknown-key', { kind: 'flag', name }, '', expected));
  }
  return layer;
}

/** What the environment gives. A variable that is set and empty counts as not set. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Layer {
  const layer = new LayerBuilder();
  const known = new Set<string>();
  for (const [key, setting] of settingRows) {
    for (const name of setting.env) known.add(name);
    const name = setting.env.find((variable) => (env[variable] ?? '') !== '');
    if (name === undefined) continue;
    const text = env[name] ?? '';
    const given = setting.kind.fromText(text, splitList(text));
    layer.add(key, setting, given, () => ({ kind: 'env', name }));
  }
  for (const name of Object.keys(env).toSorted()) {
    if (!name.startsWith('SLICEWISE_') || known.has(name) || isServiceLink(name)) continue;
    const nearest = suggest(name, known);
    const expected = nearest === null ? 'the agent knows no such variable' : `did you mean ${nearest}?`;
    layer.problems.push(problem('unknown-key', { kind: 'env', name }, '', expected));
  }
  return layer;
}

/**
 * True for the variables that the kubelet sets for every Service of the pod's namespace: one called `slicewise` or
 * `slicewise-metrics` must not keep the agent from starting (kubernetes.io, "Accessing the Service").
 */
function isServiceLink(name: string): boolean {
  return /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/.test(
    name,
  );
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
