type Entry = readonly [name: string, value: string];

/** The labels of the driver's version and of the CUDA version that it supports, under their names of today and of before. */
export function versionLabels(driverVersion: string | null, cudaVersion: string | null): readonly Entry[] {
  return [...driverLabels(driverVersion), ...cudaLabels(cudaVersion)];
}

/** `550.163.01`; the third part may be missing, and is empty then. */
function driverLabels(version: string | null): readonly Entry[] {
  const parts = /^(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?$/.exec(version ?? '');
  if (parts === null) return [];
  const [full = '', major = '', minor = '', revision = ''] = parts;
  return [
    ['cuda.driver-version.full', full],
    ['cuda.driver-version.major', major],
    ['cuda.driver-version.minor', minor],
    ['cuda.driver-version.revision', revision],
    ['cuda.driver.major', major],
    ['cuda.driver.minor', minor],
    ['cuda.driver.rev', revision],
  ];
}

function cudaLabels(version: string | null): readonly Entry[] {
  const parts = /^(\d{1,9})\.(\d{1,9})$/.exec(version ?? '');
  if (parts === null) return [];
  const [full = '', major = '', minor = ''] = parts;
  return [
    ['cuda.runtime-version.full', full],
    ['cuda.runtime-version.major', major],
    ['cuda.runtime-version.minor', minor],
    ['cuda.runtime.major', major],
    ['cuda.runtime.minor', minor],
  ];
}
