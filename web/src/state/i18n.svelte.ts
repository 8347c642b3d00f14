/** Words in the person's language, with plurals and numbers as it writes them. */

import en from "../locales/en.json";

type Catalog = typeof en;
export type Word = keyof Catalog;
type Plural = Partial<Record<Intl.LDMLPluralRule, string>>;

const catalogs = import.meta.glob<{ default: Record<string, string | Plural> }>([
  "../locales/*.json",
  "!../locales/en.json",
]);
const pathOf = (tag: string) => `../locales/${tag}.json`;
const rightToLeft = new Set(["ar", "fa", "he", "ur"]);

const current = $state<{ locale: string; words: Record<string, string | Plural> }>({ locale: "en", words: en });

export function locale(): string {
  return current.locale;
}

/** Returns a text; `{n}` chooses the plural form and is written as a number. */
export function t(word: Word, values: Readonly<Record<string, string | number>> = {}): string {
  const found: string | Plural = current.words[word] ?? en[word];
  const form = typeof found === "string" ? found : pluralForm(found, Number(values["n"]));
  return form.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? new Intl.NumberFormat(current.locale).format(value) : value;
  });
}

function pluralForm(forms: Plural, count: number): string {
  return forms[new Intl.PluralRules(current.locale).select(count)] ?? forms.other ?? "";
}

/** Whether there is a text of this name: for codes that come from a server. */
export function isWord(word: string): word is Word {
  return word in en;
}

/** Uses the best language for what a person wants, such as "ar-EG". */
export async function setLocale(wanted: string): Promise<void> {
  const tag = [wanted, wanted.split("-")[0]!].find((one) => pathOf(one) in catalogs) ?? "en";
  const load = catalogs[pathOf(tag)];
  const words = load ? (await load()).default : en;
  Object.assign(document.documentElement, { lang: tag, dir: rightToLeft.has(tag) ? "rtl" : "ltr" });
  // Numbers and times are written as the person's country does, if the words are of its language.
  Object.assign(current, { locale: wanted.split("-")[0] === tag.split("-")[0] ? wanted : tag, words });
}
