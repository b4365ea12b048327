/** The part of a config by which the API server is asked for nothing about the health of GPUs. */
export const tellsNothing = { health: { condition: false, events: false, ackAnnotation: false } };
