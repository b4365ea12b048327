/** What can become of an attempt to write the node's status. */
export const statusWriteResults = [
  'written',
  'refused',
  'no-node',
  'other-machine',
  'no-access',
  'conflict',
  'throttled',
  'unreachable',
  'failed',
] as const;
