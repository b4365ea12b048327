import { expect, test } from 'vitest';
import { type ContainerShape, needOf } from '../cluster/soak/shape.ts';

const app = (gpus: number): ContainerShape => ({ name: 'a', kind: 'app', gpus, units: 0 });
const init = (gpus: number): ContainerShape => ({ name: 'i', kind: 'init', gpus, units: 0 });
const sidecar = (gpus: number): ContainerShape => ({ name: 's', kind: 'sidecar', gpus, units: 0 });

test.each<[string, readonly ContainerShape[], number]>([
  ['containers add up', [app(1), app(2)], 3],
  ['an init container is over when the app starts', [init(3), app(1)], 3],
  ['an init container that needs less costs nothing', [init(1), app(2)], 2],
  ['a sidecar runs beside the app', [sidecar(1), app(2)], 3],
  ['a sidecar runs beside the init containers after it', [sidecar(1), init(3), app(1)], 4],
  ['and not beside those before it', [init(3), sidecar(1), app(1)], 3],
])('GPUs of a pod: %s', (_name, containers, gpus) => {
  expect(needOf({ containers, endsAfterMs: null }, 'gpus')).toBe(gpus);
});
