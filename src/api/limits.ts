// Bounds that the schemas, the rules and the status writer share. It holds numbers and patterns
// only.

/** Longest name of an object: `<name>-<revision>-<5 characters>` stays under a pod name's 63. */
export const MAX_NAME_LENGTH = 46;
/** Longest name of the user's Service: `<service>-stable` and `-canary` stay under 63. */
export const MAX_SERVICE_LENGTH = 56;
/** Strings in the status are cut at this many bytes of their JSON; no text has more characters. */
export const MAX_STATUS_TEXT = 1024;
/** The whole status as JSON in UTF-8 (I7: under 64 KiB). */
export const MAX_STATUS_BYTES = 60 * 1024;
/** Status lists, newest first; older entries are dropped. */
export const MAX_INCIDENTS = 10;
export const MAX_REJECTED = 50;
export const MAX_LAST_ACTIONS = 10;
/** Samples kept as evidence of one incident. */
export const MAX_EVIDENCE_SAMPLES = 20;
/** Signals an object may list. */
export const MAX_SIGNALS = 16;

/** A Go duration in hours, minutes, seconds and milliseconds: `1h30m`, `2m`, `1.5s`, `500ms`. */
export const DURATION_PATTERN = '^([0-9]{1,6}([.][0-9]{1,3})?(h|ms|m|s))+$';
/** 0 to 100 percent with at most three decimals. */
export const RATIO_PATTERN = '^(100([.]0{1,3})?|[0-9]{1,2}([.][0-9]{1,3})?)%$';
/** A Kubernetes quantity without sign, exponent or sub-unit suffix: `2400M`, `1.5Gi`, `512`. */
export const BYTES_PATTERN = '^[0-9]{1,15}([.][0-9]{1,3})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$';
/** A decimal without sign or exponent: `3`, `0.25`. */
export const DECIMAL_PATTERN = '^[0-9]{1,12}([.][0-9]{1,6})?$';
