/** Times as people say them. */

import { locale, t } from "./i18n.svelte";

const MINUTE = 60_000;
const DAY = 86_400_000;

/** The time of day, brought up to date every half minute, so that "today" ends at midnight. */
const clock = $state({ now: Date.now() });
setInterval(() => (clock.now = Date.now()), MINUTE / 2);

export function timeOfDay(time: number): string {
  return new Intl.DateTimeFormat(locale(), { timeStyle: "short" }).format(time);
}

/** The day that a message belongs to: today, yesterday, a weekday, a date. */
export function dayName(time: number): string {
  const days = daysAgo(time);
  if (days === 0) return t("talk.today");
  if (days === 1) return t("talk.yesterday");
  const thisYear = new Date(time).getFullYear() === new Date(clock.now).getFullYear();
  const options: Intl.DateTimeFormatOptions =
    days < 7 && days > 0
      ? { weekday: "long" }
      : { day: "numeric", month: "long", ...(thisYear ? {} : { year: "numeric" }) };
  return new Intl.DateTimeFormat(locale(), options).format(time);
}

/** When, as short as a list needs it. */
export function shortTime(time: number): string {
  const days = daysAgo(time);
  if (days === 0) return timeOfDay(time);
  const options: Intl.DateTimeFormatOptions =
    days < 7 && days > 0 ? { weekday: "short" } : { day: "numeric", month: "numeric", year: "2-digit" };
  return new Intl.DateTimeFormat(locale(), options).format(time);
}

/** When someone was last here. */
export function since(time: number): string {
  const minutes = Math.round((time - clock.now) / MINUTE);
  const relative = new Intl.RelativeTimeFormat(locale(), { numeric: "auto" });
  if (minutes > -60) return relative.format(Math.min(minutes, 0), "minute");
  if (daysAgo(time) === 0) return timeOfDay(time);
  return `${dayName(time)}, ${timeOfDay(time)}`;
}

/** What all messages of one day have in common. */
export function dayOf(time: number): number {
  const date = new Date(time);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

function daysAgo(time: number): number {
  return Math.round((dayOf(clock.now) - dayOf(time)) / DAY);
}
