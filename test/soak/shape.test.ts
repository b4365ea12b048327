import { expect, test } from 'vitest';
import { type ContainerShape, gpusOf } from '../cluster/soak/shape.ts';

const app = (gpus: number): ContainerShape => ({ name: 'a', kind: 'app', gpus });
const init = (gpus: number): ContainerShape => ({ name: 'i', kind: 'init', gpus });
const sidecar = (gpus: number): ContainerShape => ({ name: 's', kind: 'sidecar', gpus });

test.each<[string, readonly ContainerShape[], number]>([
  ['containers add up', [app(1), app(2)], 3],
  ['an init container is over when the app starts', [init(3), app(1)], 3],
  ['an init container that needs less costs nothing', [init(1), app(2)], 2],
  ['a sidecar runs beside the app', [sidecar(1), app(2)], 3],
  ['a sidecar runs beside the init containers after it', [sidecar(1), init(3), app(1)], 4],
  ['and not beside those before it', [init(3), sidecar(1), app(1)], 3],
])('GPUs of a pod: %s', (_name, containers, gpus) => {
  expect(gpusOf({ containers, endsAfterMs: null })).toBe(gpus);
});
