import type { ResponseSettings } from '../../src/allocation/response.ts';
import { Books } from '../../src/app/books/books.ts';
import { scoreMatrix } from '../../src/allocation/preferred/topology.ts';
import { Offer, type NodeFacts, type OfferDeps, type OfferPlan } from '../../src/app/offers/offer.ts';
import type { DeviceNodes } from '../../src/inventory/device-nodes.ts';
import type { PlannedDevice } from '../../src/resources/planned-device.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recordingLog, type LoggedLine } from '../support/recording-log.ts';
import { settings } from '../support/response-settings.ts';

/** A node without control nodes and channels. */
export const deviceNodes: DeviceNodes = {
  control: [],
  imexChannels: [],
  gpuNode: (minor) => ({ hostPath: `/dev/nvidia${minor}`, containerPath: `/dev/nvidia${minor}` }),
  capabilityNode: (path) => ({ hostPath: path, containerPath: path }),
};

/** A GPU as it is planned: `GPU-<index>`. */
export function planned(index: number, overrides: Partial<PlannedDevice> = {}): PlannedDevice {
  const uuid = `GPU-${index}`;
  return {
    id: uuid,
    gpu: { uuid, index, minor: index, memoryTotalMiB: 15_360 },
    mig: null,
    replica: null,
    fault: null,
    numaNode: null,
    ...overrides,
  };
}

const preference = { links: scoreMatrix([]), policy: 'distributed' } as const;

/** The devices as the plan of a resource; what left it has gone from the node. */
export function asPlan(devices: readonly PlannedDevice[]): OfferPlan {
  return { devices, oneShareOnly: false, whyGone: () => 'the GPU is no longer on this node', preference };
}

/** That node, without CDI names. */
export const nodeFacts: NodeFacts = { settings, nodes: deviceNodes, cdiNames: null };

/** An offer on a clock that stands still, with what it reported. */
export function testOffer(own: Partial<ResponseSettings> = {}): {
  readonly offer: Offer;
  readonly books: Books;
  /** Another resource, with nothing in it. */
  readonly other: Offer;
  readonly facts: NodeFacts;
  readonly clock: ManualClock;
  readonly lines: readonly LoggedLine[];
  readonly reports: readonly string[];
} {
  const clock = new ManualClock();
  const { log, lines } = recordingLog();
  const reports: string[] = [];
  const metrics: OfferDeps['metrics'] = {
    allocation: (resource) => void reports.push(`${resource} allocation`),
    refusal: (resource, reason) => void reports.push(`${resource} refusal ${reason}`),
    devices: (resource, { healthy, unhealthy }) =>
      void reports.push(`${resource} ${healthy} healthy ${unhealthy} unhealthy`),
  };
  const facts = { ...nodeFacts, settings: { ...settings, ...own } };
  const deps = { clock, log, metrics, books: new Books(clock) };
  const [offer, other] = [
    new Offer('nvidia.com/gpu', facts, deps),
    new Offer('nvidia.com/other', facts, deps),
  ];
  return { offer, other, books: deps.books, facts, clock, lines, reports };
}
