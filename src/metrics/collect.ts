import type { RefusalReason } from '../allocation/decide.ts';
import type { MemoryRefusalReason } from '../allocation/memory/place-memory.ts';
import type { WholeRefusalReason } from '../allocation/memory/place-whole.ts';
import type { NodeStatus } from '../allocation/status/node-status.ts';
import type { DegradationKind } from '../resources/remark.ts';
import { definitions, type LabelValue } from './definitions.ts';
import { loadInstruments, type Instruments } from './instruments.ts';
import type { ProcessUsage } from './process-usage.ts';
import { writeStatus } from './write-status.ts';

/** Counts of a thing that is either good or bad. */
interface DeviceCounts {
  readonly healthy: number;
  readonly unhealthy: number;
}

/** What the metrics look up when they are asked for. */
export interface MetricsDeps {
  readonly version: string;
  /** What the node offers and who holds it. */
  status(): NodeStatus;
  /** Seconds since the inventory in force was read; `null` before the first one. */
  snapshotAgeSeconds(): number | null;
  /** `null` where the system does not tell. */
  processUsage(): ProcessUsage | null;
  /** Start of the process, seconds since 1970. */
  readonly startTimeSeconds: number;
}

/** Where the program reports what it does. Every method returns at once and never fails. */
export interface Metrics {
  /** True while this agent holds the lock of the node. */
  serving(serves: boolean): void;
  /** True when the config as it is written now is in force. */
  configValid(valid: boolean): void;
  /** The config of this name, of those to pick from, is in force; empty for none of them. */
  configInForce(name: string): void;
  /** A Register call has ended. */
  registration(resource: string, result: LabelValue<'kubeletRegistrations', 'result'>): void;
  /** The kubelet began or stopped to read the resource's list. */
  connected(resource: string, connected: boolean): void;
  /** A list was given to the kubelet. The first call for a resource makes its counters start at 0. */
  devices(resource: string, counts: DeviceCounts): void;
  /** One container was given devices. */
  allocation(resource: string): void;
  /** One container was refused devices; `malformed`: a whole request was, which names no container, or one device for two. */
  refusal(
    resource: string,
    reason: RefusalReason | MemoryRefusalReason | WholeRefusalReason | 'malformed',
  ): void;
  /** A call was answered; streams are not counted. */
  rpc(
    method: LabelValue<'rpcDuration', 'method'>,
    code: LabelValue<'rpcDuration', 'code'>,
    seconds: number,
  ): void;
  /** A new inventory is in force. */
  gpus(counts: { readonly readable: number; readonly failed: number }): void;
  /** A new plan is in force: the kind of each thing in it that cannot be offered as asked. */
  degradations(kinds: readonly DegradationKind[]): void;
  /** The node's allocatable was written, or could not be. */
  nodeStatusWrite(result: LabelValue<'nodeStatusWrites', 'result'>): void;
  /** The node's condition or taint, or an Event, was written, or could not be. */
  healthWrite(what: LabelValue<'healthWrites', 'what'>, result: LabelValue<'healthWrites', 'result'>): void;
  snapshotFailure(): void;
  driverRestart(): void;
  /** The driver told of an XID, `count` times. */
  xid(labels: XidLabels, count: number): void;
  /** All metrics in the text format of Prometheus. */
  text(): Promise<string>;
  /** The media type of `text`. */
  readonly contentType: string;
}

/** `uuid` is empty for a GPU that is not named or is not on this node; `xid` a code of the catalogue, or `unknown`. */
export interface XidLabels {
  readonly uuid: string;
  readonly xid: string;
  readonly class: LabelValue<'xids', 'class'>;
}

type Write = (instruments: Instruments) => void;

/** How many reports are kept before the library that counts them is loaded unasked. */
const earlyWritesMax = 200;

/**
 * Makes the agent's metrics, in a registry of their own. The metrics library is loaded when they are first asked for or
 * when enough has been reported, so that the first device list does not wait for it; reports made before are kept and
 * counted then.
 */
export function createMetrics(deps: MetricsDeps): Metrics {
  const early: Write[] = [];
  let loading: ReturnType<typeof load> | undefined;
  let loaded: Instruments | undefined;
  let unusable = false;

  async function load(): ReturnType<typeof loadInstruments> {
    const result = await loadInstruments({
      buildInfo: (gauge) => gauge.set({ version: deps.version }, 1),
      startTime: (gauge) => gauge.set(deps.startTimeSeconds),
      snapshotAge: (gauge) => setOrDrop(gauge, deps.snapshotAgeSeconds()),
      residentMemory: (gauge) => setOrDrop(gauge, deps.processUsage()?.residentBytes ?? null),
      cpuSeconds(counter) {
        const usage = deps.processUsage();
        counter.remove();
        if (usage !== null) counter.inc(usage.cpuSeconds);
      },
    });
    for (const write of early) write(result.instruments);
    early.length = 0;
    loaded = result.instruments;
    return result;
  }

  function report(write: Write): void {
    if (loaded !== undefined) return write(loaded);
    if (unusable) return;
    early.push(write);
    if (early.length < earlyWritesMax) return;
    // Whoever asks for the metrics is told why they cannot be had; here it would only repeat.
    (loading ??= load()).catch(() => {
      unusable = true;
      early.length = 0;
    });
  }

  return {
    serving: (serves) => report(({ serving }) => serving.set(Number(serves))),
    configValid: (valid) => report(({ configValid }) => configValid.set(Number(valid))),
    configInForce: (name) =>
      report(({ configInfo }) => {
        configInfo.reset();
        configInfo.set({ config: name }, 1);
      }),
    registration: (resource, result) =>
      report(({ kubeletRegistrations }) => kubeletRegistrations.inc({ resource, result })),
    connected: (resource, connected) =>
      report(({ kubeletConnected }) => kubeletConnected.set({ resource }, Number(connected))),
    devices: (resource, counts) => report((instruments) => setDevices(instruments, resource, counts)),
    allocation: (resource) => report(({ allocations }) => allocations.inc({ resource })),
    refusal: (resource, reason) => report(({ refusals }) => refusals.inc({ resource, reason })),
    rpc: (method, code, seconds) =>
      report(({ rpcDuration }) => rpcDuration.observe({ method, code }, seconds)),
    gpus: ({ readable, failed }) =>
      report(({ gpus }) => {
        gpus.set({ state: 'readable' }, readable);
        gpus.set({ state: 'failed' }, failed);
      }),
    degradations: (kinds) =>
      report(({ degradations }) => {
        for (const kind of definitions.degradations.labels.kind)
          degradations.set({ kind }, kinds.filter((each) => each === kind).length);
      }),
    healthWrite: (what, result) => report(({ healthWrites }) => healthWrites.inc({ what, result })),
    nodeStatusWrite: (result) => report(({ nodeStatusWrites }) => nodeStatusWrites.inc({ result })),
    snapshotFailure: () => report(({ snapshotFailures }) => snapshotFailures.inc()),
    xid: (labels, count) => report(({ xids }) => xids.inc({ ...labels }, count)),
    driverRestart: () => report(({ driverRestarts }) => driverRestarts.inc()),
    async text() {
      const { registry, instruments } = await (loading ??= load());
      writeStatus(instruments, deps.status());
      return registry.metrics();
    },
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
  };
}

function setOrDrop(gauge: Instruments['snapshotAge'], value: number | null): void {
  if (value === null) gauge.remove();
  else gauge.set(value);
}

/** Counters begin at 0 with the resource: a rate over a series that begins at 1 misses its first event. */
function setDevices(instruments: Instruments, resource: string, counts: DeviceCounts): void {
  instruments.devices.set({ resource, health: 'healthy' }, counts.healthy);
  instruments.devices.set({ resource, health: 'unhealthy' }, counts.unhealthy);
  instruments.kubeletRegistrations.inc({ resource, result: 'accepted' }, 0);
  instruments.kubeletRegistrations.inc({ resource, result: 'refused' }, 0);
  instruments.allocations.inc({ resource }, 0);
}
