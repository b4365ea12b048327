import type { Gpu, Snapshot } from '../inventory/gpu.ts';
import { isInMigMode } from '../resources/hardware.ts';
import type { ResourcePlan } from '../resources/plan.ts';
import type { ResourceSettings } from '../resources/resource-settings.ts';
import { architectureLabels, mainModelLabels, modelLabels } from './gpu-labels.ts';
import { groupLargestFirst, labelledGpus, type PlacedInstance, productOf } from './group-hardware.ts';
import { type Labels, labelValue, toLabels } from './label-text.ts';
import { invalidLabels, kindLabels, profileLabels } from './mig-labels.ts';
import { Offerings } from './sharing-labels.ts';
import { versionLabels } from './version-labels.ts';

/** What a node's labels are made from. */
export interface LabelFacts {
  readonly snapshot: Snapshot;
  /** What is offered of the snapshot's GPUs. */
  readonly resources: readonly ResourcePlan[];
  readonly settings: ResourceSettings;
  /** What the machine calls itself; `null` when it does not say. */
  readonly machine: string | null;
  /** Seconds since 1970; `null`: no label tells a time. */
  readonly timestampSeconds: number | null;
}

type Entry = readonly [name: string, value: string];

/**
 * The labels of a node, with the names and values of NVIDIA's GPU Feature Discovery v0.20. Where a node has several models of GPUs, the
 * one with most GPUs is the main one, and of equals the one with the lowest index; each has labels of its own name beside. A fact that the
 * driver does not tell has no label.
 */
export function describeLabels(facts: LabelFacts): Labels {
  const { snapshot, settings, machine, timestampSeconds } = facts;
  const gpus = labelledGpus(snapshot, settings.exclude);
  const timestamp: readonly Entry[] =
    timestampSeconds === null ? [] : [['gfd.timestamp', String(Math.floor(timestampSeconds))]];
  const virtual = virtualLabels(gpus);
  if (gpus.length === 0) return toLabels([...timestamp, ...virtual]);
  const { migStrategy } = settings;
  return toLabels([
    ...timestamp,
    ...virtual,
    ['gpu.machine', labelValue(machine ?? '') || 'unknown'],
    ...versionLabels(snapshot.driverVersion, snapshot.cudaVersion),
    ['mig.capable', String(gpus.some(({ mig }) => mig !== null))],
    ...(migStrategy === 'none' ? [] : [['mig.strategy', migStrategy] as const]),
    // Sharing through MPS is refused by the config.
    ['mps.capable', 'false'],
    ['gpu.mode', modeOf(gpus)],
    ...cliqueLabels(gpus),
    ...groupLargestFirst(gpus, productOf).flatMap(modelLabels),
    ...hardwareLabels(facts, gpus),
  ]);
}

function hardwareLabels(
  { snapshot, resources, settings }: LabelFacts,
  gpus: readonly Gpu[],
): readonly Entry[] {
  const offerings = new Offerings(snapshot, resources, settings);
  const instances = gpus.flatMap((gpu) =>
    gpu.migInstances
      .filter(({ uuid }) => offerings.has(uuid))
      .map((instance): PlacedInstance => ({ gpu, instance })),
  );
  switch (settings.migStrategy) {
    case 'none':
      return mainModelLabels(mainModel(gpus), offerings);
    case 'mixed':
      return [...mainModelLabels(mainModel(gpus), offerings), ...profileLabels(instances, offerings)];
    case 'single':
      return singleLabels(gpus, instances, offerings);
  }
}

/** MIG instances stand in the place of GPUs. */
function singleLabels(
  gpus: readonly Gpu[],
  instances: readonly PlacedInstance[],
  offerings: Offerings,
): readonly Entry[] {
  const [kind = []] = groupLargestFirst(
    instances,
    ({ gpu, instance }) => `${instance.profile} ${productOf(gpu)}`,
  );
  const parents = gpus.filter(isInMigMode);
  if (kind.length > 0) {
    const model = productOf(kind[0]?.gpu ?? { name: '' });
    return [
      ...architectureLabels(gpus.filter((gpu) => productOf(gpu) === model)),
      ...kindLabels('gpu', kind, offerings),
    ];
  }
  const whole = mainModel(gpus.filter((gpu) => !isInMigMode(gpu)));
  if (parents.length === 0 || whole.length > 0) return mainModelLabels(whole, offerings);
  const main = mainModel(parents);
  return [...architectureLabels(main), ...invalidLabels(main[0]?.name ?? '')];
}

function mainModel(gpus: readonly Gpu[]): readonly Gpu[] {
  return groupLargestFirst(gpus, productOf)[0] ?? [];
}

/** A node without GPUs has no vGPU either. */
function virtualLabels(gpus: readonly Gpu[]): readonly Entry[] {
  const told = gpus.flatMap(({ isVirtual }) => isVirtual ?? []);
  if (told.length === 0 && gpus.length > 0) return [];
  return [['vgpu.present', String(told.includes(true))]];
}

const modes: Readonly<Record<string, string>> = { '0300': 'graphics', '0302': 'compute' };

/** By the class of the PCI devices, where all have the same one. */
function modeOf(gpus: readonly Gpu[]): string {
  const [first, ...others] = new Set(gpus.map(({ pciClass }) => pciClass?.slice(0, 4) ?? ''));
  return others.length > 0 ? 'unknown' : (modes[first ?? ''] ?? 'unknown');
}

/** Where all GPUs that have joined a fabric are in one clique. */
function cliqueLabels(gpus: readonly Gpu[]): readonly Entry[] {
  const cliques = new Set(
    gpus.flatMap(({ fabric }) => (fabric === null ? [] : [`${fabric.clusterUuid}.${fabric.cliqueId}`])),
  );
  const [clique] = cliques;
  return clique === undefined || cliques.size > 1 ? [] : [['gpu.clique', labelValue(clique)]];
}
