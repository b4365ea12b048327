import koffi, { type LibraryHandle } from 'koffi';
import { prototypes, type NvmlCallName, type NvmlCalls } from './bindings.ts';
import { handleTypes, scalarTypes, structs } from './layouts.ts';

/** The calls that a loaded library has; `null` where it has no version of one. */
export interface BoundLibrary {
  readonly find: <Name extends NvmlCallName>(name: Name) => NvmlCalls[Name] | null;
}

/**
 * Loads the library and looks its calls up at their first use: the look-up of a call costs more than the call.
 * @throws Error in the loader's words
 */
export function bindLibrary(path: string): BoundLibrary {
  declareTypes();
  const library = koffi.load(path, { lazy: true });
  const found = new Map<NvmlCallName, unknown>();
  return {
    find<Name extends NvmlCallName>(name: Name) {
      if (!found.has(name)) found.set(name, bindNewest(library, prototypes[name]));
      return found.get(name) as NvmlCalls[Name] | null;
    },
  };
}

/** Size in bytes of a struct of `layouts.ts`. */
export function sizeOf(struct: keyof typeof structs): number {
  declareTypes();
  return koffi.sizeof(struct);
}

/** Offset in bytes of a struct's field. */
export function offsetOf(struct: keyof typeof structs, field: string): number {
  declareTypes();
  return koffi.offsetof(struct, field);
}

function bindNewest(library: LibraryHandle, versions: readonly string[]): unknown {
  for (const prototype of versions) {
    try {
      return library.func(prototype);
    } catch (thrown) {
      if (!(thrown instanceof Error && thrown.message.startsWith('Cannot find function'))) throw thrown;
    }
  }
  return null;
}

let declared = false;

/** Makes the header's type names known to koffi, whose list of names is one per process. */
function declareTypes(): void {
  if (declared) return;
  declared = true;
  for (const name of handleTypes) koffi.alias(name, 'void *');
  for (const [name, type] of Object.entries(scalarTypes)) koffi.alias(name, type);
  for (const [name, fields] of Object.entries(structs)) koffi.struct(name, fields);
}
