import { dirname } from 'node:path';
import type { NodeStatus } from '../allocation/status/node-status.ts';
import type { Config } from '../config/config.ts';
import type { Driver } from '../inventory/driver.ts';
import type { KubeletObserver } from '../kubelet/handlers.ts';
import { untilAborted } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import { commit, version } from '../lib/version.ts';
import { serveStatus } from '../status/serve-status.ts';
import { createMetrics, type Metrics } from '../metrics/collect.ts';
import { readProcessUsage } from '../metrics/process-usage.ts';
import { keepFastStatus } from './fast-status.ts';
import { followConfig, type ConfigInputs } from './config/follow-config.ts';
import { describeReadings } from './cdi/describe-readings.ts';
import { heedDriverRelease } from './driver/driver-release.ts';
import { keepLabels } from './labels/keep-labels.ts';
import { readDriverUnlessReleased } from './driver/read-driver.ts';
import { reportVerdicts } from './health/report-verdicts.ts';
import { keepOffers } from './offers/keep-offers.ts';
import { leaveNode } from './leave-node.ts';
import { labelPlace } from './labels/label-settings.ts';
import { emptyNode, type Node } from './node.ts';
import { NodeProbe } from './node-probe.ts';
import { readNodeStatus } from './node-status.ts';
import { runForEach } from './run-for-each.ts';
import { serveNode } from './serving/serve-node.ts';
import { serveProbes } from './serve-probes.ts';
import {
  type DriverSettings,
  describeSettings,
  driverSettings,
  fastStatusSettings,
  healthRules,
  inventorySettings,
  servingSettings,
  statusSettings,
} from './settings.ts';
import { runTogether, type Task } from './supervise.ts';
import { tellHealth } from './health/tell-health.ts';
import { tellingSettings } from './health/telling-settings.ts';

export interface AgentInputs extends ConfigInputs {
  /** Opens the driver that the settings ask for; whoever asked disposes of it. */
  readonly openDriver: (settings: DriverSettings) => Driver;
  /** Of the Node that runs this. */
  readonly nodeVersion: string;
}

interface AgentParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly probe: NodeProbe;
}

/**
 * The agent, from its first config to the abort of the signal. Flags and variables are good when it is called; only the file
 * may be wrong, and may be mended while it runs. Each task runs anew only when its own part of the config is edited, and what is
 * known of the node outlives every edit.
 */
export async function runAgent(
  inputs: AgentInputs,
  deps: { readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  const config = new Latest<Config>(inputs.withoutFile);
  const node = emptyNode(deps.clock, () => healthRules(config.value));
  const usable = new Latest(false);
  const probe = new NodeProbe(node, config, usable, deps.clock);
  const status = (): NodeStatus => readNodeStatus(node, config.value, deps.clock);
  const metrics = createMetrics({
    version,
    status,
    snapshotAgeSeconds: () => probe.snapshotAgeSeconds(),
    processUsage: readProcessUsage,
    startTimeSeconds: performance.timeOrigin / 1000,
  });
  const parts = { ...deps, metrics, probe };
  deps.log.info({ version, commit, node: inputs.nodeVersion }, 'slicewise agent starts');
  await runTogether(
    [
      (until) => followConfig(inputs, config, usable, parts, until),
      (until) =>
        runForEach(
          config,
          ({ flags }) => flags.agent.httpAddress,
          (address, stop) => serveProbes(address, parts, stop),
          until,
        ),
      (until) =>
        runForEach(
          config,
          statusSettings,
          (folder, stop) => serveStatus(folder, { ...deps, status }, stop),
          until,
        ),
      async (until) => {
        await usable.until((ready) => ready, until);
        await runTogether(nodeTasks(node, config, inputs, parts), until);
        await leaveNode(node, dirname(servingSettings(config.value).kubeletSocket), deps.log);
      },
    ],
    signal,
  );
  deps.log.info({ reason: String(signal.reason) }, 'slicewise agent ends');
}

/** Everything that reads the GPUs and serves them. */
function nodeTasks(
  node: Node,
  config: Latest<Config>,
  { openDriver }: AgentInputs,
  parts: AgentParts,
): readonly Task[] {
  const { metrics } = parts;
  const observer: KubeletObserver = {
    registration: (resource, result) => metrics.registration(resource, result),
    connected(resource, endpoint) {
      node.serving.connected(resource, endpoint !== null);
      metrics.connected(resource, endpoint !== null);
    },
    unregistered: (resource, reason) => node.serving.unregistered(resource, reason),
    malformed(resource, problem) {
      metrics.refusal(resource, 'malformed');
      parts.log.warn({ resource, reason: 'malformed' }, `refused: ${problem}`);
    },
    rpc: (method, code, seconds) => metrics.rpc(method, code, seconds),
  };
  return [
    (signal) =>
      config.each((newest) => {
        parts.log.level = newest.flags.agent.logLevel;
      }, signal),
    (signal) =>
      runForEach(
        config,
        driverSettings,
        (wanted, stop) => {
          const settings = () => inventorySettings(config.value);
          const deps = { ...parts, openDriver: () => openDriver(wanted), settings, observer: metrics };
          return readDriverUnlessReleased(node, deps, stop);
        },
        signal,
      ),
    (signal) =>
      runForEach(
        config,
        (newest) => servingSettings(newest).stateDir,
        (stateDir, stop) => heedDriverRelease(node.driverRelease, stateDir, parts, stop),
        signal,
      ),
    (signal) => reportVerdicts(node, parts, signal),
    (signal) =>
      runForEach(
        config,
        describeSettings,
        (settings, stop) => describeReadings(node, settings, parts, stop),
        signal,
      ),
    (signal) => keepOffers(node, parts, signal),
    (signal) =>
      runForEach(
        config,
        fastStatusSettings,
        async (settings, stop) =>
          settings === null ? untilAborted(stop) : keepFastStatus(node, settings, parts, stop),
        signal,
      ),
    (signal) =>
      runForEach(
        config,
        tellingSettings,
        async (settings, stop) =>
          settings === null
            ? untilAborted(stop)
            : tellHealth(
                node,
                settings,
                { ...parts, settingsNow: () => tellingSettings(config.value) },
                stop,
              ),
        signal,
      ),
    (signal) =>
      runForEach(
        config,
        labelPlace,
        async (place, stop) =>
          place === null
            ? untilAborted(stop)
            : keepLabels(node, place, config, parts, { stop, leaving: signal }),
        signal,
      ),
    (signal) =>
      runForEach(
        config,
        servingSettings,
        (sockets, stop) => serveNode(node, { ...parts, ...sockets, observer }, stop),
        signal,
      ),
  ];
}
