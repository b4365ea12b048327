import { arch } from 'node:os';
import { toError } from '../../lib/errors.ts';
import { DriverError } from '../driver.ts';
import { bindLibrary, type BoundLibrary } from './bind.ts';
import { prototypes, type NvmlCallName, type NvmlCalls } from './bindings.ts';
import { libraryCandidates, whyUnfit } from './find-library.ts';
import { NvmlError, saysNothing } from './return-codes.ts';

/** The driver library, initialised. Every call throws `NvmlError` when the library says anything but success. */
export interface NvmlLibrary {
  /** The file, or the name that the loader found it by. */
  readonly path: string;
  readonly ask: Ask;
  /** Like `ask`, for questions that a GPU or a library may not know: null then. */
  readonly askIfKnown: AskIfKnown;
  /** Null for every error of the library: for what is nice to know. */
  readonly askOrNull: AskIfKnown;
  /** Like `ask`, in a thread of its own: for what may block. The promise settles with the call, so it may stay pending for ever. */
  readonly askAside: AskAside;
}

type AskAside = <Name extends CheckedCall>(name: Name, ...args: Parameters<NvmlCalls[Name]>) => Promise<void>;

type Ask = <Name extends CheckedCall>(name: Name, ...args: Parameters<NvmlCalls[Name]>) => void;
type AskIfKnown = <Name extends CheckedCall, T>(
  name: Name,
  args: Parameters<NvmlCalls[Name]>,
  answer: () => T,
) => T | null;
/** The calls that return a code. */
type CheckedCall = Exclude<NvmlCallName, 'errorString'>;

/**
 * Finds and loads the driver library; does not initialise it.
 * @throws DriverError `no-driver` with every place that was tried and why it did not do
 */
export function loadLibrary(library: string | null, driverRoot: string): NvmlLibrary {
  const tried: string[] = [];
  for (const path of libraryCandidates(library, driverRoot)) {
    const bound = tryLoad(path);
    if (typeof bound !== 'string') return wrap(path, bound);
    tried.push(`  ${path}: ${bound}`);
  }
  throw new DriverError(
    'no-driver',
    `The NVIDIA driver library cannot be loaded. Tried:\n${tried.join('\n')}\n` +
      (library === null
        ? 'Is the NVIDIA driver installed on this node, and is its root folder visible here?'
        : 'Does the path name the libnvidia-ml.so.1 of this node’s driver?'),
  );
}

function tryLoad(path: string): BoundLibrary | string {
  const unfit = whyUnfit(path, arch());
  if (unfit !== null) return unfit;
  try {
    const bound = bindLibrary(path);
    if (bound.find('init') === null) return 'a library, but not NVML (it has no nvmlInit)';
    return bound;
  } catch (thrown) {
    return toError(thrown).message.replace('Failed to load shared library: ', '');
  }
}

function wrap(path: string, bound: BoundLibrary): NvmlLibrary {
  const call = <Name extends CheckedCall>(name: Name, args: Parameters<NvmlCalls[Name]>): number => {
    const found = bound.find(name) as ((...args: unknown[]) => number) | null;
    return found === null ? functionNotFound : found(...args);
  };
  const failure = (name: CheckedCall, code: number): NvmlError =>
    new NvmlError(headerName(name), code, bound.find('errorString')?.(code) ?? null);
  return {
    path,
    ask(name, ...args) {
      const code = call(name, args);
      if (code !== 0) throw failure(name, code);
    },
    askIfKnown(name, args, answer) {
      const code = call(name, args);
      if (code === 0) return answer();
      if (saysNothing(code)) return null;
      throw failure(name, code);
    },
    askOrNull: (name, args, answer) => (call(name, args) === 0 ? answer() : null),
    askAside(name, ...args) {
      const found = bound.find(name) as AsideCall | null;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const settle = (thrown: unknown, code: number): void => {
        if (thrown !== null && thrown !== undefined) reject(toError(thrown));
        else if (code === 0) resolve();
        else reject(failure(name, code));
      };
      if (found === null) settle(null, functionNotFound);
      else found.async(...args, settle);
      return promise;
    },
  };
}

/** What koffi makes of every function: the last argument is told the result. */
interface AsideCall {
  readonly async: (...args: unknown[]) => void;
}

/** The call's name in `nvml.h`, for messages. */
function headerName(name: NvmlCallName): string {
  return /(\w+)\(/.exec(prototypes[name][0])?.[1] ?? name;
}

/** What NVML itself returns for a call that it does not have. */
const functionNotFound = 13;
