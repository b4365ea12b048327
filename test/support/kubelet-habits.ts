import { expect } from 'vitest';
import { checkpointIdentity, type HabitNode } from './habit-node.ts';

/** What a kubelet does to its books, as something to be seen from outside: asked of the stand-in and of the real one alike. */
export interface Habit {
  readonly name: string;
  readonly prove: (node: HabitNode) => Promise<void>;
}

/** The habits on which the agent's rules about who holds what rest. */
export const kubeletHabits: readonly Habit[] = [
  {
    name: 'writes its checkpoint at an allocation and at each list that it receives, not when a pod ends',
    async prove(node) {
      await expectRewritten(node, true, () => node.admit({ name: 'a', app: 1 }));
      await expectRewritten(node, true, () => node.resend());
      const booked = await node.checkpoint();
      expect(Object.keys(booked)).toEqual(['a/app']);
      await expectRewritten(node, false, () => node.end('a'));
      expect(await node.checkpoint()).toEqual(booked);
    },
  },
  {
    name: 'cleans its checkpoint of an ended pod at a List and a list received after it; neither alone does it',
    async prove(node) {
      await node.admit({ name: 'a', app: 1 });
      await node.end('a');
      await node.resend();
      expect(Object.keys(await node.checkpoint()), 'a list received').toEqual(['a/app']);
      await expectRewritten(node, false, async () => expect(await node.list()).toEqual({}));
      expect(Object.keys(await node.checkpoint()), 'a List').toEqual(['a/app']);
      await node.resend();
      expect(Object.keys(await node.checkpoint()), 'both').toEqual([]);
    },
  },
  {
    name: 'lists app containers and sidecars from admission on; what only an init container holds is in the checkpoint alone, as long as the pod lives',
    async prove(node) {
      await node.admit({ name: 'a', init: 4, sidecar: 1, app: 1 });
      // In a real pod the init container runs for some seconds.
      const admitted = await node.list();
      expect(countIds(admitted)).toEqual({ 'a/app': 1, 'a/sidecar': 1 });
      const booked = await node.checkpoint();
      expect(countIds(booked)).toEqual({ 'a/app': 1, 'a/init': 4, 'a/sidecar': 1 });
      await node.untilRunning('a');
      expect(await node.list()).toEqual(admitted);
      await node.resend();
      expect(await node.checkpoint()).toEqual(booked);
    },
  },
  {
    name: 'gives the ids of an init container to the containers of its pod first, and to no other pod',
    async prove(node) {
      await node.admit({ name: 'a', init: 2, app: 3 });
      await node.admit({ name: 'b', app: 3 });
      const { 'a/init': init = [], 'a/app': app = [], 'b/app': other = [] } = await node.checkpoint();
      expect(init).toHaveLength(2);
      expect(app).toEqual(expect.arrayContaining([...init]));
      expect([...app, ...other].toSorted()).toEqual(node.deviceIds);
    },
  },
  {
    name: 'keeps the ids of a sidecar from the app containers',
    async prove(node) {
      await node.admit({ name: 'a', sidecar: 2, app: 2 });
      const { 'a/sidecar': sidecar = [], 'a/app': app = [] } = await node.list();
      expect(new Set([...sidecar, ...app]).size).toBe(4);
    },
  },
  {
    name: 'keeps what an init container of a refused pod has got until a List and a list received after it',
    async prove(node) {
      const answer = node.plugin.allocate;
      node.plugin.allocate = (ids) => {
        if (ids.length === 2) throw new Error('not these');
        return answer(ids);
      };
      await expect(node.admit({ name: 'a', init: 1, app: 2 })).rejects.toThrow('not these');
      expect(countIds(await node.checkpoint())).toEqual({ 'a/init': 1 });
      await node.resend();
      expect(countIds(await node.checkpoint())).toEqual({ 'a/init': 1 });
      expect(await node.list()).toEqual({});
      await node.resend();
      expect(await node.checkpoint()).toEqual({});
    },
  },
  {
    name: 'forgets ended pods by itself before a container gets its first devices',
    async prove(node) {
      await node.admit({ name: 'a', app: 4 });
      await node.end('a');
      await node.admit({ name: 'b', app: 4 });
      expect(Object.keys(await node.checkpoint())).toEqual(['b/app']);
    },
  },
  {
    name: 'loses the ids in flight, and gives them out again, when a List comes during an Allocate and a pod has ended meanwhile',
    async prove(node) {
      await node.admit({ name: 'old', app: 1, lingers: true });
      const ending = await node.tellToEnd('old');
      let inFlight: readonly string[] = [];
      const answer = node.plugin.allocate;
      node.plugin.allocate = async (ids) => {
        inFlight = ids;
        await ending.end();
        await node.list();
        return answer(ids);
      };
      await node.admit({ name: 'first', app: 1 });
      node.plugin.allocate = answer;
      expect(inFlight).toHaveLength(1);
      // They are in its entries, and it takes them for free all the same.
      expect(await node.list()).toEqual({ 'first/app': inFlight });
      let available: readonly string[] = [];
      node.plugin.prefer = ({ availableIds }) => {
        available = availableIds;
        return inFlight;
      };
      await node.admit({ name: 'second', app: 1 });
      expect(available.toSorted()).toEqual(node.deviceIds);
      expect(await node.list()).toEqual({ 'first/app': inFlight, 'second/app': inFlight });
    },
  },
  {
    name: 'does no harm by a List during an Allocate when no pod has ended',
    async prove(node) {
      const answer = node.plugin.allocate;
      node.plugin.allocate = async (ids) => {
        await node.list();
        return answer(ids);
      };
      await node.admit({ name: 'first', app: 1 });
      const [held = ''] = (await node.checkpoint())['first/app'] ?? [];
      node.plugin.prefer = ({ availableIds, size }) => {
        expect(availableIds).not.toContain(held);
        return availableIds.slice(0, size);
      };
      await node.admit({ name: 'second', app: 1 });
      expect((await node.list())['second/app']).not.toContain(held);
    },
  },
  {
    name: 'lists nothing after its start until it knows its pods, and forgets no entry before that',
    async prove(node) {
      await node.admit({ name: 'a', app: 2 });
      await node.admit({ name: 'b', init: 1, app: 1 });
      const [listed, booked] = [await node.list(), await node.checkpoint()];
      expect(Object.keys(listed)).toEqual(['a/app', 'b/app']);
      const start = await node.restartKubelet();
      expect(await node.list(), 'before it knows').toEqual({});
      await node.resend();
      expect(await node.checkpoint(), 'before it knows').toEqual(booked);
      await start.learnPods(Object.keys(listed));
      expect(await node.list()).toEqual(listed);
      await node.resend();
      expect(await node.checkpoint()).toEqual(booked);
    },
  },
  {
    name: 'lists a part of its pods after its start for as long as one of them is being admitted, and forgets no entry of the others',
    async prove(node) {
      await node.admit({ name: 'a', app: 1 });
      // A kubelet that starts takes its pods by their age in seconds.
      await node.settle();
      const late = await node.holdBack({ name: 'late', app: 1 });
      await node.settle();
      await node.admit({ name: 'b', app: 1 });
      const [listed, booked] = [await node.list(), await node.checkpoint()];
      const start = await node.restartKubelet(() => late.release());
      const answer = node.plugin.allocate;
      let meanwhile: object = {};
      node.plugin.allocate = async (ids) => {
        const part = await node.list();
        await node.resend();
        meanwhile = { part, checkpoint: await node.checkpoint() };
        return answer(ids);
      };
      await start.learnPods(['a/app', 'b/app', 'late/app']);
      expect(meanwhile).toEqual({ part: { 'a/app': listed['a/app'] }, checkpoint: booked });
      const all = await node.list();
      expect(all).toMatchObject(listed);
      expect(new Set(Object.values(all).flat()).size).toBe(3);
    },
  },
];

/** Does something and compares the file before and after; a kubelet that writes does so within moments. */
async function expectRewritten(node: HabitNode, expected: boolean, act: () => Promise<void>): Promise<void> {
  const before = checkpointIdentity(node.folder);
  await act();
  if (!expected) await node.settle();
  expect(checkpointIdentity(node.folder) !== before).toBe(expected);
}

function countIds(books: Readonly<Record<string, readonly string[]>>): Record<string, number> {
  return Object.fromEntries(Object.entries(books).map(([container, ids]) => [container, ids.length]));
}
