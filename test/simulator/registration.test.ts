import { describe, expect, it } from 'vitest';
import { isExtendedResourceName } from '../../src/simulator/kubelet/registration-server.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { healthy, resource } from './fake-plugin.ts';
import { createPlugin, setUpKubelet, setUpPlugin } from './node-setup.ts';

describe('Register', () => {
  it('dials back and asks for the options before it answers', async () => {
    const kubelet = await setUpKubelet();
    const plugin = createPlugin(kubelet);
    let askedBeforeAnswer = false;
    let answered = false;
    plugin.getOptions = () => {
      askedBeforeAnswer = !answered;
      return { preStartRequired: true, preferredAllocationAvailable: false };
    };
    await plugin.listen();
    await plugin.register({ options: { preStartRequired: false, preferredAllocationAvailable: true } });
    answered = true;

    expect(askedBeforeAnswer).toBe(true);
    const registered = await kubelet.waitForEvent('registered');
    expect(registered.options).toEqual({ preStartRequired: true, preferredAllocationAvailable: false });
  });

  it('makes the list count in the node status', async () => {
    const kubelet = await setUpKubelet();
    await setUpPlugin(kubelet, {
      devices: [...healthy('a', 'b'), { id: 'c', health: 'Unhealthy', numaNode: 0 }],
    });
    expect(kubelet.nodeStatus()).toEqual({ [resource]: { capacity: 3, allocatable: 2 } });
  });

  it('fails when nothing listens at the endpoint', async () => {
    const kubelet = await setUpKubelet({ habits: { dialTimeoutMs: 200 } });
    const plugin = createPlugin(kubelet);
    await expect(plugin.register()).rejects.toThrow(
      'failed to dial device plugin: context deadline exceeded',
    );
    expect(kubelet.nodeStatus()).toEqual({});
  });

  it('carries the error of GetDevicePluginOptions and calls nothing else', async () => {
    const kubelet = await setUpKubelet();
    const plugin = createPlugin(kubelet);
    plugin.getOptions = () => {
      throw new Error('options are broken');
    };
    await plugin.listen();
    await expect(plugin.register()).rejects.toThrow(
      'failed to get device plugin options: rpc error: code = FailedPrecondition desc = options are broken',
    );
    expect(plugin.listCalls).toBe(0);
    expect(kubelet.nodeStatus()).toEqual({});
  });

  it.each([
    ['version', { version: 'v1alpha1' }, 'requested API version "v1alpha1" is not supported by kubelet'],
    ['name', { resourceName: 'gpu' }, 'the ResourceName "gpu" is invalid'],
  ])('refuses a wrong %s', async (_, request, text) => {
    const kubelet = await setUpKubelet();
    const plugin = createPlugin(kubelet);
    await plugin.listen();
    await expect(plugin.register(request)).rejects.toThrow(text);
  });

  it('refuses the next calls with a text, when told to', async () => {
    const kubelet = await setUpKubelet();
    const plugin = createPlugin(kubelet);
    await plugin.listen();
    kubelet.faults.refuseRegistrations(2, 'not today');
    await expect(plugin.register()).rejects.toThrow('not today');
    await expect(plugin.register()).rejects.toThrow('not today');
    await plugin.register();
    await kubelet.waitForAllocatable(resource, 4);
  });

  it('never answers, when told to', async () => {
    const kubelet = await setUpKubelet();
    const plugin = createPlugin(kubelet);
    await plugin.listen();
    kubelet.faults.answerRegister = 'never';
    let isOpen = true;
    const held = plugin.register().finally(() => (isOpen = false));
    await kubelet.waitForEvent('registering');
    await settle();
    expect(isOpen).toBe(true);
    held.catch(() => undefined);
    await kubelet.stop();
    await expect(held).rejects.toThrow(/CANCELLED|UNAVAILABLE/);
  });

  it('dials back late, when told to', async () => {
    const clock = new ManualClock();
    const kubelet = await setUpKubelet({ clock });
    const plugin = createPlugin(kubelet);
    await plugin.listen();
    kubelet.faults.dialBackDelayMs = 5_000;
    const registering = plugin.register();
    await kubelet.waitForEvent('registering');
    await clock.advance(4_999);
    expect(kubelet.events.some(({ kind }) => kind === 'registered')).toBe(false);
    await clock.advance(1);
    await registering;
    await kubelet.waitForAllocatable(resource, 4);
  });

  it.each([
    ['nvidia.com/gpu', true],
    ['nvidia.com/mig-1g.10gb', true],
    ['gpu', false],
    ['kubernetes.io/gpu', false],
    ['node.kubernetes.io/gpu', false],
    ['requests.nvidia.com/gpu', false],
    ['nvidia.com/gpu/x', false],
    ['NVIDIA.com/gpu', false],
    ['nvidia.com/-gpu', false],
    ['nvidia.com/', false],
    [`nvidia.com/${'g'.repeat(64)}`, false],
  ])('takes %s for an extended resource: %s', (name, expected) => {
    expect(isExtendedResourceName(name)).toBe(expected);
  });
});
