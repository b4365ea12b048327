import { join } from 'node:path';
import type { HookName } from '../allocation/cdi/cdi-hooks.ts';
import { qualify, type CdiClass, type CdiNames } from '../allocation/cdi/cdi-names.ts';
import { planCdi, type CdiFeature, type CdiPlan } from '../allocation/cdi/cdi-plan.ts';
import { checkSpec } from '../allocation/cdi/cdi-rules.ts';
import { type CdiSpec, renderSpec } from '../allocation/cdi/cdi-spec.ts';
import type { DeviceIdStrategy } from '../allocation/response.ts';
import type { CharacterDeviceProbe, DeviceNodes } from '../inventory/device-nodes.ts';
import type { Gpu, Snapshot } from '../inventory/gpu.ts';
import { OperatorError } from '../lib/errors.ts';
import { DevFiles, devPlaces } from './dev-files.ts';
import { findDisplayNodes } from './display-nodes.ts';
import { DriverFinder, type DriverFinderOptions } from './driver-finder.ts';
import { findFeatureFiles } from './feature-files.ts';
import { findHookProgram } from './hook-program.ts';
import { toolkitKind, ToolkitSpecReader, type ToolkitSpecs } from './toolkit-spec.ts';

export interface DescribeOptions extends DriverFinderOptions {
  /** Whose names containers are given: ours, or those of NVIDIA's container toolkit. */
  readonly names: 'own' | 'toolkit' | 'auto';
  readonly deviceIdStrategy: DeviceIdStrategy;
  /** The folder on the host that holds the driver's `dev`. */
  readonly devRoot: string;
  readonly features: readonly CdiFeature[];
  /** The program that hooks run, on the host. */
  readonly hookProgram: string;
  readonly disabledHooks: readonly HookName[];
  /** Folder of our own specs; the toolkit's may lie there too. */
  readonly cdiRoot: string;
}

/** The node as container runtimes are to know it. */
export interface NodeDescription {
  /** Our specs, and the texts of their files. */
  readonly specs: ReadonlyMap<CdiClass, CdiSpec>;
  readonly texts: ReadonlyMap<CdiClass, string>;
  readonly names: CdiNames;
  /** Why a GPU or a MIG instance cannot be given by name, by its UUID. */
  readonly faults: ReadonlyMap<string, string>;
  /** What works less well than it could, one sentence each. */
  readonly trouble: readonly string[];
  /** Names of files of the driver that were not found and are left out. */
  readonly missing: readonly string[];
}

/** Describes the node in CDI's terms, from what the driver says and from the files there are. */
export class NodeDescriber {
  readonly #options: DescribeOptions;
  readonly #driver: DriverFinder;
  readonly #dev: DevFiles;
  readonly #toolkit: ToolkitSpecReader;

  /** @param isCharacterDevice for tests, which cannot make device nodes */
  constructor(options: DescribeOptions, isCharacterDevice?: CharacterDeviceProbe) {
    const { seenAt, onHost, cdiRoot } = options;
    this.#options = options;
    this.#driver = new DriverFinder(options);
    this.#dev = new DevFiles(devPlaces(options), isCharacterDevice);
    const hostFolders = onHost === '/' ? [join(seenAt, 'etc/cdi')] : [];
    this.#toolkit = new ToolkitSpecReader(['/etc/cdi', ...hostFolders, cdiRoot]);
  }

  /** @throws OperatorError `cdi-rules` for a description that no runtime would take */
  async describe(snapshot: Snapshot, nodes: DeviceNodes): Promise<NodeDescription> {
    const { names, deviceIdStrategy, features, sysfsRoot, disabledHooks } = this.#options;
    const [driver, display, featureFiles, program, toolkit] = await Promise.all([
      this.#driver.find(snapshot.driverVersion),
      findDisplayNodes(snapshot.gpus, sysfsRoot, this.#dev),
      findFeatureFiles(features, this.#options, this.#dev),
      findHookProgram(this.#options.hookProgram, this.#options),
      names === 'own' ? null : this.#toolkit.read(),
    ]);
    const hooks = { program: program.path, disabled: disabledHooks };
    const plan = planCdi({
      gpus: snapshot.gpus,
      deviceIdStrategy,
      nodes,
      driver: driver.files,
      display,
      features: featureFiles,
      hooks,
    });
    const specs = [...plan.specs].filter(([cdiClass]) => names !== 'toolkit' || cdiClass !== 'gpu');
    const broken = specs.flatMap(([, spec]) => checkSpec(spec).map((rule) => `${spec.kind}: ${rule}`));
    if (broken.length > 0)
      throw new OperatorError('cdi-rules', `The node cannot be described in CDI: ${broken.join('; ')}`);
    // Without a library there is nothing that a hook could do.
    const hooksMissed = driver.files.libraries.length > 0 && !disabledHooks.includes('all');
    const hookTrouble = hooksMissed ? program.trouble : null;
    const ownTrouble = names === 'toolkit' ? [] : [driver.trouble, hookTrouble];
    return {
      specs: new Map(specs),
      texts: new Map(specs.map(([cdiClass, spec]) => [cdiClass, renderSpec(spec)])),
      ...(toolkit === null ? plan : this.#withToolkit(plan, snapshot.gpus, toolkit)),
      trouble: [...ownTrouble.filter((each) => each !== null), ...(toolkit?.unreadable ?? [])],
      missing: names === 'toolkit' ? [] : driver.missing,
    };
  }

  #withToolkit(
    plan: CdiPlan,
    gpus: readonly Gpu[],
    toolkit: ToolkitSpecs,
  ): Pick<NodeDescription, 'names' | 'faults'> {
    const { names, deviceIdStrategy } = this.#options;
    const devices = gpus.flatMap((gpu) => [
      { gpu, uuid: gpu.uuid, index: String(gpu.index), isDivided: gpu.migInstances.length > 0 },
      ...gpu.migInstances.map(({ uuid }, at) => ({
        gpu,
        uuid,
        index: `${gpu.index}:${at}`,
        isDivided: false,
      })),
    ]);
    const ids = devices.map((device) => ({
      ...device,
      id: deviceIdStrategy === 'index' ? device.index : device.uuid,
    }));
    const theirs = ids
      .filter(({ id }) => toolkit.names.has(id))
      .map(({ uuid, id }) => [uuid, qualify(toolkitKind, id)] as const);
    if (names === 'auto') {
      // A GPU that is lost may be missing there without harm; one with MIG instances is described by these alone.
      const complete = ids.every(
        ({ gpu, id, isDivided }) => gpu.error !== null || isDivided || toolkit.names.has(id),
      );
      if (!complete || theirs.length === 0) return plan;
      return {
        names: { ...plan.names, gpus: new Map([...plan.names.gpus, ...theirs]) },
        faults: plan.faults,
      };
    }
    const where = toolkit.files.length === 0 ? 'there is no such spec' : `not in ${toolkit.files.join(', ')}`;
    const faults = ids
      .filter(({ id }) => !toolkit.names.has(id))
      .map(
        ({ uuid, id }) =>
          [
            uuid,
            `NVIDIA's container toolkit does not describe it as ${qualify(toolkitKind, id)}: ${where}`,
          ] as const,
      );
    return { names: { ...plan.names, gpus: new Map(theirs) }, faults: new Map(faults) };
  }
}
