// Generated from tidings.wire by `make wire`. Do not edit.
/** Why a connection ends. */

export const Close = {
  REPLACED_BY_RESTART: 4000,
  SLOW_CONSUMER: 4001,
  SILENT: 4002,
  MOVED: 4100,
  TOO_MANY: 4101,
  NOT_SIGNED_IN: 4200,
  DEVICE_REMOVED: 4201,
  NEWER_CONNECTION: 4300,
  PROTOCOL: 4301,
} as const;
