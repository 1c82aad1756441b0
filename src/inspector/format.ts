/** Numbers and times as texts. */

const NUMBER = new Intl.NumberFormat("en");
const CLOCK = new Intl.DateTimeFormat("en", { timeStyle: "medium", hour12: false });
const FULL = new Intl.DateTimeFormat("en", {
  dateStyle: "medium",
  timeStyle: "medium",
  hour12: false,
});

/** A whole number with separators. */
export function count(value: number): string {
  return NUMBER.format(Math.round(value));
}

/** A number with its noun. */
export function counted(value: number, noun: string, plural: string = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`;
}

/** A duration in milliseconds. */
export function duration(ms: number): string {
  if (ms < 1) return `${ms < 0.1 ? "0" : ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000)
    return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
  if (ms < 86_400_000)
    return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} min`;
  return counted(Math.floor(ms / 86_400_000), "day");
}

/** A time of today as its clock time, another one with its date. */
export function time(at: number): string {
  const isToday = new Date(at).toDateString() === new Date().toDateString();
  return (isToday ? CLOCK : FULL).format(at);
}

/** A time with its date. */
export function dateTime(at: number): string {
  return FULL.format(at);
}

/** How long ago a time was, or in how long it is. */
export function distance(at: number, now: number = Date.now()): string {
  const ms = at - now;
  if (Math.abs(ms) < 1_000) return "now";
  return ms < 0 ? `${duration(-ms)} ago` : `in ${duration(ms)}`;
}
