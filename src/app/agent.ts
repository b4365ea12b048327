import type { Config } from '../config/config.ts';
import type { Driver } from '../inventory/driver.ts';
import type { Clock } from '../lib/clock.ts';
import { Latest } from '../lib/latest.ts';
import type { Log } from '../lib/log.ts';
import { version } from '../lib/version.ts';
import { createMetrics, type Metrics } from '../metrics/collect.ts';
import { readProcessUsage } from '../metrics/process-usage.ts';
import { followConfig, type ConfigInputs } from './follow-config.ts';
import { NodeProbe } from './node-probe.ts';
import { runNode } from './run-node.ts';
import { serveProbes } from './serve-probes.ts';
import { nodeSettings } from './settings.ts';
import { runTogether } from './supervise.ts';

export interface AgentInputs extends ConfigInputs {
  /** Gives the driver for a config; whoever asked disposes of it. */
  readonly openDriver: (config: Config) => Driver;
}

interface AgentParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly probe: NodeProbe;
}

/**
 * The agent, from its first config to the abort of the signal: follows the config, and runs the node under each good one. Flags
 * and variables are good when it is called; only the file may be wrong, and may be mended while it runs.
 */
export async function runAgent(
  inputs: AgentInputs,
  deps: { readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  const probe = new NodeProbe(deps.clock);
  const metrics = createMetrics({
    version,
    snapshotAgeSeconds: () => probe.snapshotAgeSeconds(),
    processUsage: readProcessUsage,
    startTimeSeconds: (performance.timeOrigin ?? Date.now()) / 1000,
  });
  const parts = { ...deps, metrics, probe };
  const config = new Latest<Config>(inputs.withoutFile);
  const started = new Latest(false);
  deps.log.info({ version }, 'slicewise agent starts');
  await runTogether(
    [
      (until) => followConfig(inputs, config, started, parts, until),
      (until) => runEachConfig(config, started, inputs, parts, until),
    ],
    signal,
  );
  deps.log.info({ reason: String(signal.reason) }, 'slicewise agent ends');
}

/** Runs one config after the other: a newer one ends the run of the older. */
async function runEachConfig(
  newest: Latest<Config>,
  usable: Latest<boolean>,
  inputs: AgentInputs,
  parts: AgentParts,
  signal: AbortSignal,
): Promise<void> {
  for await (const config of newest.values(signal)) {
    const scope = new AbortController();
    const until = AbortSignal.any([signal, scope.signal]);
    void newest
      .until((value) => value !== config, until)
      .then(() => scope.abort('the config has changed'))
      .catch(() => undefined);
    parts.log.level = config.flags.agent.logLevel;
    await runTogether(
      [
        (stop) => serveProbes(config.flags.agent.httpAddress, parts, stop),
        async (stop) => {
          await usable.until((ready) => ready, stop);
          await runConfig(config, inputs, parts, stop);
        },
      ],
      until,
    );
    scope.abort();
  }
}

async function runConfig(
  config: Config,
  inputs: AgentInputs,
  parts: AgentParts,
  signal: AbortSignal,
): Promise<void> {
  await using driver = inputs.openDriver(config);
  await runNode(nodeSettings(config), { ...parts, driver }, signal);
}
