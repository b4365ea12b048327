import * as z from 'zod';
import { keyTree, type KeyTree } from './key-tree.ts';
import { describeMissing, type Setting } from './setting.ts';

/** A JSON Schema or a part of one. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/** The JSON Schema (draft 2020-12) of the config file, for editors and pipelines. */
export function configJsonSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Slicewise configuration',
    description:
      'The config file of slicewise agent; a superset of that of NVIDIA\'s device plugin ("version: v1").',
    ...mapSchema(keyTree()),
  };
}

/** The JSON Schema of one setting's form in the file, with its description and default. */
export function settingJsonSchema(key: string, setting: Setting<unknown>): JsonSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(setting.kind.schema(), { io: 'input' });
  const missing = describeMissing(setting);
  const preset = setting.kind.toFile(setting.default);
  return {
    title: key,
    description: missing === '' ? setting.description : `${setting.description} (${missing})`,
    ...schema,
    ...(preset === null ? {} : { default: preset }),
  };
}

function mapSchema(tree: KeyTree): JsonSchema {
  const leaves = [...tree.leaves].map(
    ([name, { key, setting }]) => [name, settingJsonSchema(key, setting)] as const,
  );
  const branches = [...tree.branches].map(([name, branch]) => [name, mapSchema(branch)] as const);
  return {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries([...leaves, ...branches]),
  };
}
