import { createNvmlDriver } from '../../src/inventory/nvml/client.ts';
import { startHostProcess } from '../../src/inventory/nvml/host-process.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLog } from '../../src/lib/log.ts';
import { thisProgram } from './nvml-library.ts';

/**
 * A program that holds an NVML driver for a test which kills it. Tells its own parent the helper's process id when the
 * helper has answered a first reading, or has been silent for a second in the middle of it.
 */
const [library = ''] = process.argv.slice(2);
let helper = 0;
const driver = createNvmlDriver(
  { library, driverRoot: '/', self: thisProgram },
  {
    log: silentLog(),
    clock: systemClock,
    startHost(command) {
      const host = startHostProcess(command);
      helper = host.pid ?? 0;
      return {
        ...host,
        ask: (request, onStep) =>
          host.ask(request, (step) => {
            onStep(step);
            if (step.at === 'count') setTimeout(tell, 1_000);
          }),
      };
    },
  },
);
await driver.snapshot();
tell();

function tell(): void {
  process.send?.([helper]);
}
