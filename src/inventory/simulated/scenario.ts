import { parseDocument } from 'yaml';
import { describeError } from '../../lib/errors.ts';
import { assembleScenario, type Scenario } from './assemble-scenario.ts';
import { presets } from './presets.ts';
import { scenarioError, schemaProblems, type ScenarioProblem } from './scenario-problems.ts';
import { presetNames, scenarioSchema, type CheckedScenario, type PresetName } from './scenario-schema.ts';

/**
 * Reads the text of a scenario file, YAML or JSON.
 * @param source what the error calls the file, for example its path
 * @param name the scenario's name where the file gives none; GPU UUIDs are derived from the name
 * @throws OperatorError `bad-scenario`: all that is wrong, each with the key's path, the value and what is allowed
 */
export function parseScenario(text: string, source: string, name: string): Scenario {
  const parsed = scenarioSchema.safeParse(parseYaml(text, source), { reportInput: true });
  if (!parsed.success) throw scenarioError(source, schemaProblems(parsed.error.issues));
  return assemble(parsed.data, source, name);
}

/** The scenario of a preset. */
export function presetScenario(preset: PresetName): Scenario {
  return assemble(scenarioSchema.parse(presets[preset]), preset, preset);
}

/** True for the name of a preset; everything else is the path of a file. */
export function isPresetName(text: string): text is PresetName {
  return presetNames.some((preset) => preset === text);
}

function assemble(input: CheckedScenario, source: string, name: string): Scenario {
  const { scenario, problems } = assembleScenario(withPreset(input), input.name ?? name);
  if (problems.length > 0) throw scenarioError(source, problems);
  return scenario;
}

/** The file's keys over the preset's; GPUs of the file's own bring their own wiring. */
function withPreset(input: CheckedScenario): CheckedScenario {
  if (input.preset === undefined) return input;
  const { gpus, links, nvswitchLinks, ...rest } = scenarioSchema.parse(presets[input.preset]);
  return { ...rest, ...(input.gpus === undefined ? { gpus, links, nvswitchLinks } : {}), ...input };
}

function parseYaml(text: string, source: string): unknown {
  const document = parseDocument(text);
  if (document.errors.length > 0) throw scenarioError(source, document.errors.map(notYaml));
  try {
    return document.toJS();
  } catch (error) {
    throw scenarioError(source, [notYaml(error)]);
  }
}

function notYaml(error: unknown): ScenarioProblem {
  return { path: [], text: `cannot be read as YAML: ${describeError(error).split('\n', 1)[0] ?? ''}` };
}
