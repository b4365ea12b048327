import type { RecoveryAction } from '../inventory/gpu-signs.ts';
import type { XidEntry, XidClass } from './xid.ts';

const reset = 'Let the pods on the GPU end, then reset it (nvidia-smi --gpu-reset), or reboot the node.';
const replace = 'Have the GPU replaced; reboot the node and acknowledge it only to use it until then.';

const byClass = {
  'restart-app':
    "Nothing on the node: the pod's owner restarts the program, and mends it if it happens again.",
  ignore: 'Nothing.',
  reset,
  reboot: 'Drain the node and restart it, with the power off if it is a machine of your own.',
  support: "Ask the GPU's vendor.",
  workflow: 'Nothing unless the driver asks for a recovery action as well.',
  open: 'Nothing unless the driver asks for a recovery action as well.',
  unused: "Look it up in the driver's release notes; health.xids.unhealthy makes it count.",
  unknown: "Look it up in the driver's release notes; health.xids.unhealthy makes it count.",
} as const satisfies Readonly<Record<XidClass, string>>;

const byCode: Readonly<Partial<Record<number, string>>> = {
  48: reset,
  54: "Switch the machine off and connect the GPU's auxiliary power.",
  74: `${reset.slice(0, -1)}; if it happens again, have the NVLink bridges and cables looked at.`,
  78: 'Bring the vGPU software of host and guest to versions that belong together, then restart the machine.',
  79: 'Drain the node and switch its power off and on; if it happens again, have the seat, power and board of the GPU looked at.',
  142: `${reset.slice(0, -1)}; if it happens again, ask the GPU's vendor.`,
  151: 'Restart the virtual machine.',
};

/** What an admin is to do about an XID, one sentence. */
export function xidRemedy({ code, class: xidClass }: XidEntry, condemned: boolean): string {
  const usual = byCode[code] ?? byClass[xidClass];
  const stays = xidClass === 'reset' || xidClass === 'reboot' || xidClass === 'support';
  // The config makes a fault of what is none by the catalogue, or the reverse.
  if (condemned && !stays && byCode[code] === undefined) return reset;
  if (!condemned && (stays || byCode[code] !== undefined))
    return `Nothing: the config counts it out. ${usual}`;
  return usual;
}

/** What the driver wants done, as what was found and what an admin is to do. */
export const recoveryTexts = {
  reset: { what: 'the driver asks for a reset of the GPU', remedy: reset },
  reboot: { what: 'the driver asks for a reboot of the node', remedy: 'Drain the node and reboot it.' },
  'drain-p2p': {
    what: 'the driver asks to end the use of the GPU by other GPUs',
    remedy: 'Let the pods end that use several GPUs of this node together, then look again.',
  },
  'drain-and-reset': {
    what: 'the driver asks to drain the GPU and to reset it',
    remedy: reset,
  },
  other: {
    what: 'the driver asks for a recovery action that this version does not know',
    remedy: 'Look at nvidia-smi -q under GPU Recovery Action, and do what it says.',
  },
} as const satisfies Readonly<
  Record<Exclude<RecoveryAction, 'none'>, { readonly what: string; readonly remedy: string }>
>;

/** The same for everything else that a driver shows. */
export const signTexts = {
  'row-remap-failed': { what: 'a broken row of memory could not be replaced', remedy: replace },
  'sram-threshold': {
    what: 'more errors in on-chip memory than NVIDIA takes a GPU back for',
    remedy: replace,
  },
  'row-remap-pending': {
    what: 'a broken row of memory is replaced at the next reset',
    remedy: 'Reset the GPU when its pods have ended (nvidia-smi --gpu-reset); until then it works on.',
  },
  thermal: { what: 'it runs slower because it is too hot', remedy: 'Look after the cooling of the machine.' },
  'power-brake': {
    what: 'it runs slower because the machine has too little power',
    remedy: 'Look after the power supplies of the machine.',
  },
  lost: {
    what: 'the GPU does not answer',
    remedy:
      'If it does not come back by itself, look at the kernel log of the node (dmesg) and reboot the node.',
  },
  unavailable: { what: 'the driver has given the GPU up', remedy: reset },
  'uncorrectable-ecc': {
    what: 'an error of memory that could not be corrected',
    remedy: 'Nothing by itself: the XID that comes with it says what is broken.',
  },
} as const;

/** What an admin is to do about a GPU that was taken out too often. */
export function flapRemedy(gpu: string): string {
  return `Find out why, then let it back with 'slicewise health ack ${gpu}'.`;
}
