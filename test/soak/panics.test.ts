import { expect, test } from 'vitest';
import { findPanics } from '../cluster/soak/witnesses.ts';

test.each<[string, boolean]>([
  ['panic: runtime error: invalid memory address or nil pointer dereference', true],
  ['fatal error: concurrent map writes', true],
  ['E1123 01:00:00.0 runtime.go:142] "Observed a panic" panic="assignment to entry in nil map"', true],
  ['I1123 01:00:00.0 kuberuntime.go] "Updating kernel flag" flag="kernel/panic" expectedValue=10', false],
  ['I1123 01:00:00.0 server.go] "Started kubelet"', false],
])('%s', (line, isOne) => {
  expect(findPanics(`before\n${line}\nafter`)).toEqual(isOne ? [line] : []);
});
