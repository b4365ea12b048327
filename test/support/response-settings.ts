import type { ResponseSettings } from '../../src/allocation/response.ts';

/** The settings of answers as they are by default. */
export const settings: ResponseSettings = {
  deviceListStrategies: ['envvar'],
  deviceIdStrategy: 'uuid',
  passDeviceSpecs: false,
  imexChannelIds: [],
  features: { gdrcopy: false, gds: false, mofed: false },
  cdiAnnotationPrefix: 'cdi.k8s.io/',
};
