import { closeSync, openSync } from 'node:fs';

/** Uses up every file descriptor that this process may have; gives them back when disposed. */
export function holdAllFiles(): Disposable & { readonly count: number } {
  const held: number[] = [];
  const giveBack = (): void => {
    for (const file of held.splice(0)) closeSync(file);
  };
  try {
    fill(held);
  } catch (thrown) {
    giveBack();
    throw thrown;
  }
  return { count: held.length, [Symbol.dispose]: giveBack };
}

function fill(held: number[]): void {
  for (;;) {
    try {
      held.push(openSync('/dev/null', 'r'));
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && ['EMFILE', 'ENFILE'].includes(String(thrown.code)))
        return;
      throw thrown;
    }
  }
}
