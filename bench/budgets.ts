/** What each figure has to stay under, and what it should reach; words of the figure's own unit. */
export const budgets: Readonly<Record<string, { readonly budget: string; readonly goal: string }>> = {
  'bare Node: exec → exit': { budget: '', goal: 'the floor' },
  'exec → first list at the kubelet': { budget: '300', goal: '120' },
  'Allocate, 1 GPU': { budget: '0.6 / 2', goal: '0.15 / 0.55' },
  'GetPreferredAllocation, 1 of 8 GPUs': { budget: '1', goal: '0.5' },
  'preferred devices, 1 to 8 of 8 GPUs': { budget: '1', goal: '0.5' },
  'preferred devices, 3 of 16 GPUs': { budget: '5', goal: '1' },
  'preferred devices, 1 to 16 of 16 GPUs': { budget: '5', goal: '1' },
  'preferred devices, 1 of 20,000 replicas': { budget: '40', goal: '25' },
  'kubelet.sock recreated → list': { budget: '200 (p99)', goal: '50 (p99)' },
  'Register refused → list': { budget: '1000', goal: '200' },
  'list stream lost → list': { budget: '1000', goal: '300' },
  'own socket removed → list': { budget: '1000', goal: '300' },
  'SIGTERM → exit': { budget: '1000', goal: '' },
  'private dirty memory, all processes': { budget: '40', goal: '25' },
  'Pss, all processes': { budget: '110', goal: '75' },
  'CPU over 60 s idle': { budget: '0.3', goal: '0.1' },
};
